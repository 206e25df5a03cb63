/** A stop in good order: nobody who is served by this node should notice more than a pause. */
import type { Env } from './env/contracts.ts';
import type { NodeParts } from './observe/parts.ts';
import type { Engine } from './shard/engine.ts';

const STOP_POLL_MS = 10;

/** Leadership goes to whoever is closest behind, so that clients of other nodes need not wait for an election. */
export async function handOver({ env, settings, replicas }: NodeParts, engine: Engine): Promise<void> {
  const deadlineMs = env.clock.monotonicMs() + settings.stopTimeoutMs / 2;
  while (env.clock.monotonicMs() < deadlineMs) {
    const led = replicas.filter(
      ({ isLeader, raft }) => isLeader && raft.membership.voters.some((member) => member !== raft.self),
    );
    if (led.length === 0) return;
    const now = engine.readClock();
    for (const { raft } of led) {
      // Whoever answers now, and is closest behind.
      const best = raft
        .progress()
        .filter((peer) => raft.membership.voters.includes(peer.member))
        .filter((peer) => now.monotonicMs - peer.lastHeardMs < settings.electionTimeoutMs)
        .sort((a, b) => b.match - a.match)[0];
      if (best !== undefined) raft.transferLeadership(best.member, now);
    }
    engine.wake();
    await pause(env);
  }
}

/** Commands that were read are answered; a failover may take its time. */
export async function finishUnderWay({ env, settings, server }: NodeParts, engine: Engine): Promise<void> {
  const deadlineMs = env.clock.monotonicMs() + settings.stopTimeoutMs / 2;
  while (!server.drain() && env.clock.monotonicMs() < deadlineMs) await pause(env);
  engine.wake();
  await pause(env);
}

function pause({ timers }: Env): Promise<void> {
  return new Promise((resolve) => {
    timers.after(STOP_POLL_MS, resolve);
  });
}
