/**
 * The end of a run: faults are over, a core of nodes is well, the others are dead or cut off for good. Within a bounded time each shard must take
 * a write and a read, on both ports of each node of the core; then all come back, clients are answered, and replicas agree.
 */
import { slotOf } from '../../../../ring/index.ts';
import { readyChecks } from '../../../../src/observe/status.ts';
import type { SeededRandom } from '../../../../src/env/sim/random.ts';
import type { Replica } from '../../../../src/shard/replica.ts';
import { slotCountOf } from '../../../../src/topology/rebalance.ts';
import { slotsOf } from '../../../../src/topology/slot-ranges.ts';
import type { MoveEntry, Topology } from '../../../../src/topology/types.ts';
import { portOf } from '../cluster.ts';
import type { Client } from './client.ts';
import { bothWays } from './cuts.ts';
import { Line } from './line.ts';
import type { Victim } from './victim.ts';
import type { World } from './world.ts';

/** A start that waits for a slow recovery, an election, a snapshot for a member that was away, leadership that goes home. */
const PROGRESS_MS = 20_000;
/** More for each slot of a move under way: slots go over in batches, each of some turns between nodes. */
const MOVED_SLOT_MS = 10;
/** Commands that were under way are answered, or given up by whoever asked. */
const ANSWERS_MS = 15_000;
const STEP_MS = 20;
const REDIRECT = 1000;
const NIL = '$-1\r\n';
const MOVED = /^-MOVED \d+ [^:]+:(\d+)/;

export async function requireProgress(
  world: World,
  clients: readonly Client[],
  random: SeededRandom,
): Promise<void> {
  const core = heal(world, random);
  await within(
    world,
    PROGRESS_MS,
    () => `the core is ready${unready(core)}`,
    () => core.every((victim) => isReady(world, victim)),
  );
  await probe(world, core);
  if (core.length < world.victims.length) world.counters.sometimes('core without one node made progress');
  const all = await comeBack(world);
  await within(
    world,
    PROGRESS_MS,
    () => `all nodes are ready${unready(all)}`,
    () => all.every((victim) => isReady(world, victim)),
  );
  if (all.length === world.victims.length)
    await within(world, movesMs(world), 'moves have ended', () => world.newest().moves.length === 0);
  if (all.length === world.victims.length)
    await within(world, PROGRESS_MS, 'members are those of the topology', () => isSettled(world));
  for (const client of clients) client.isStopped = true;
  await within(world, ANSWERS_MS, 'all clients are answered', () =>
    clients.every((client) => !client.isBusy),
  );
}

function movesMs(world: World): number {
  const { moves } = world.newest();
  const slots = moves.reduce((sum, move) => sum + slotCountOf(move.slots), 0);
  return PROGRESS_MS + slots * MOVED_SLOT_MS + throttledMs(world, moves);
}

/** What is to go may be sent slowly, as the settings say; and again, after a change of leader. */
function throttledMs(world: World, moves: readonly MoveEntry[]): number {
  const limit = Number.parseInt(world.plan.flags['rebalance-max-bytes-per-second'] ?? '0', 10) * 1024;
  if (limit === 0) return 0;
  const replicas = world.liveReplicas();
  const bytes = moves.flatMap(({ source, slots }) => {
    const moved = replicas.find(({ shard }) => shard === source)?.machine.moves;
    return moved === undefined ? [] : slotsOf(slots).map((slot) => moved.bytesIn(slot));
  });
  return (2 * 1000 * bytes.reduce((sum, one) => sum + one, 0)) / limit;
}

/** All replicas of each group stand at one index, with one state. */
export async function requireAgreement(world: World): Promise<void> {
  const replicas = (): ReturnType<World['liveReplicas']> => world.liveReplicas();
  let differs: string | null = null;
  await within(
    world,
    PROGRESS_MS,
    () => `replicas agree: ${differs}`,
    () => (differs = world.invariants.differences(replicas()) ?? behindVersion(world, replicas())) === null,
  );
}

/** A group goes by what was raised, though nobody writes to it. */
function behindVersion({ builds }: World, replicas: readonly Replica[]): string | null {
  const behind = builds.isRaised && replicas.find(({ machine }) => machine.rules < builds.next.newest);
  return behind ? `group ${behind.raft.group} goes by version ${behind.machine.rules}` : null;
}

function heal(world: World, random: SeededRandom): Victim[] {
  const { victims } = world;
  world.endFaults();
  const lost = victims.find(
    ({ damage, isHeldDown, mayBeUnclean }) => isHeldDown || mayBeUnclean || damage !== null,
  );
  // One that was rebuilt may not vote yet: its shards can spare no other.
  const mayExclude = victims.length >= 3 && !world.hasRebuilt && random.chance(0.5);
  const excluded = lost ?? (mayExclude ? victims[random.below(victims.length)] : null);
  const core = victims.filter((victim) => victim !== excluded);
  world.log.say(`heal: the core is ${core.map(({ name }) => name).join(' ')}`);
  for (const victim of core) {
    victim.crashOrder = null;
    world.cluster.nodes[victim.i].disk.crashAfter(Infinity, 'kill');
    world.resume(victim);
    world.start(victim);
  }
  if (excluded !== null) exclude(world, excluded, random);
  return core;
}

function exclude(world: World, excluded: Victim, random: SeededRandom): void {
  if (excluded.life === 'down' || random.chance(0.5)) {
    world.crash(excluded, 'kill', false);
    excluded.isExcluded = true;
    return;
  }
  const others = world.everybodyBut(excluded.name);
  world.uncut = world.cuts.cut(others.flatMap((other) => bothWays(excluded.name, other)));
}

/** All: who cannot is rebuilt. */
async function comeBack(world: World): Promise<readonly Victim[]> {
  world.uncut();
  await rebuildAll(world);
  for (const victim of world.victims) {
    victim.isExcluded = false;
    world.start(victim);
  }
  return world.victims.filter(({ isHeldDown }) => !isHeldDown);
}

/** With damage that nothing was seen of yet, the start tells. */
async function rebuildAll(world: World): Promise<void> {
  for (const victim of world.victims) {
    victim.isExcluded = false;
    await within(
      world,
      PROGRESS_MS,
      `${victim.name} is rebuilt, or needs not to be`,
      () => !victim.isRebuilding,
    );
    const untilMs = world.scheduler.nowMs + PROGRESS_MS;
    while (victim.isHeldDown && world.failure === null) {
      if (world.scheduler.nowMs > untilMs)
        world.found('progress', `${victim.name} is not rebuilt within ${PROGRESS_MS} ms`);
      world.rebuildLater(victim);
      await world.pass(1000);
    }
  }
}

/** Who is not, and why. */
function unready(victims: readonly Victim[]): string {
  return victims
    .map(({ name, parts }) => {
      const wrong = parts === null ? ['it does not serve'] : readyChecks(parts).filter(({ ok }) => !ok);
      const why = wrong.map((check) => (typeof check === 'string' ? check : check.reason)).join('; ');
      return why === '' ? '' : `, but ${name}: ${why}`;
    })
    .join('');
}

function isReady(world: World, victim: Victim): boolean {
  return world.cluster.nodes[victim.i].running?.ready === true;
}

/** Nobody is leaving, and each group's log has committed what the topology says. */
function isSettled(world: World): boolean {
  return world.liveReplicas().every(({ shard, raft }) => {
    const row = world.newest().shards.find(({ id }) => id === shard);
    const { membership } = raft.committedMembership;
    const members = [...membership.voters, ...membership.learners].toSorted((a, b) => a - b);
    return (
      row !== undefined &&
      row.replicas.every(({ leaving }) => leaving !== true) &&
      membership.votersOld.length === 0 &&
      members.join() === row.replicas.map(({ member }) => member).join()
    );
  });
}

async function within(
  world: World,
  limitMs: number,
  what: string | (() => string),
  done: () => boolean,
): Promise<void> {
  const untilMs = world.scheduler.nowMs + limitMs;
  while (!done()) {
    if (world.scheduler.nowMs > untilMs) {
      world.found('progress', `not within ${limitMs} ms: ${typeof what === 'string' ? what : what()}`);
    }
    if (world.failure !== null) return;
    await world.pass(STEP_MS);
  }
}

/** A key in each shard that has slots. */
function keysOf({ slots }: Topology): string[] {
  const found = new Map<number, string>();
  const count = new Set(slots.map(({ shard }) => shard)).size;
  for (let i = 0; found.size < count; i++) {
    const key = `probe${i}`;
    const slot = slotOf(Buffer.from(key), 0, key.length);
    const run = slots.find(({ from, to }) => slot >= from && slot <= to);
    if (run !== undefined && !found.has(run.shard)) found.set(run.shard, key);
  }
  return [...found.values()];
}

/** On both ports of each node; on the redirect port wherever that sends it. */
async function probe(world: World, core: readonly Victim[]): Promise<void> {
  if (world.failure !== null) return;
  const topology = core[0].parts?.topology;
  if (topology === undefined) return world.broken('answers-after-healing', 'a node that is ready serves');
  for (const key of keysOf(topology)) {
    for (const victim of core) {
      const { i } = victim;
      // It may have left meanwhile, and come as another one.
      await within(world, PROGRESS_MS, `${victim.name} is ready`, () => isReady(world, victim));
      const value = `${i}-${world.scheduler.nowMs}`;
      const wrote = await answer(world, portOf(i), ['SET', key, value]);
      // What has no room was refused by the log: it goes on.
      if (wrote.startsWith('-OOM')) continue;
      if (wrote !== '+OK\r\n') world.found('answers-after-healing', `SET on node ${i}: ${wrote}`);
      const read = await answer(world, portOf(i) + REDIRECT, ['GET', key]);
      const isGone = world.plan.load.evictsAll && read === NIL;
      if (!isGone && read !== `$${value.length}\r\n${value}\r\n`)
        world.found('answers-after-healing', `GET on node ${i}: ${read}`);
      if (world.failure !== null) return;
    }
  }
}

/** Until it was taken: a node that was cut off says for a moment that it knows no leader. */
async function answer(world: World, port: number, words: readonly string[]): Promise<string> {
  const untilMs = world.scheduler.nowMs + PROGRESS_MS;
  for (;;) {
    const reply = await oneAnswer(world, port, words);
    const isRefused = /^-(CLUSTERDOWN|TRYAGAIN)/.test(reply);
    if (!isRefused || world.failure !== null || world.scheduler.nowMs > untilMs) return reply;
    await world.pass(STEP_MS);
  }
}

async function oneAnswer(world: World, port: number, words: readonly string[]): Promise<string> {
  let reply = '';
  const line = new Line(world.cluster.network, 'probe', port, {
    reply: (told) => (reply = told),
    closed: () => (reply ||= 'closed'),
  });
  if (!line.isOpen) return 'refused';
  line.send([words]);
  await within(world, PROGRESS_MS, `${words.join(' ')} is answered`, () => reply !== '');
  line.drop();
  const moved = MOVED.exec(reply);
  return moved === null ? reply : oneAnswer(world, Number(moved[1]), words);
}
