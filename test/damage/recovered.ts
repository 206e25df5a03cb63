/** What a node would come up with from a directory, in a form that can be compared; or its refusal. */
import type { Env } from '../../src/env/contracts.ts';
import { StartupError } from '../../src/errors.ts';
import { silentLog } from '../../src/log.ts';
import { EntryKind } from '../../src/raft/entry.ts';
import { makeReplica } from '../../src/shard/replica-factory.ts';
import { Snapshotter } from '../../src/shard/snapshotter.ts';
import { hashNow } from '../../src/shard/state-hash.ts';
import { createSlabPool } from '../../src/store/slab-pool.ts';
import { SHARD_RULES } from '../shard/fake-raft.ts';
import { openDirectory, settingsOf, type NodeData } from './directory.ts';

export type Recovered =
  | { readonly kind: 'up'; readonly state: string }
  | { readonly kind: 'refused'; readonly code: string; readonly message: string };

/** Rejects with what is no refusal: a crash. Changes the directory, as a start does. */
export async function recover(env: Env, directory: string): Promise<Recovered> {
  let data: NodeData | null = null;
  try {
    data = await openDirectory(env, directory);
    return { kind: 'up', state: await stateOf(env, directory, data) };
  } catch (error) {
    if (!(error instanceof StartupError)) throw error;
    return { kind: 'refused', code: error.code, message: error.message };
  } finally {
    await data?.opened.wal.close(data.opened.recovery.timeCeilingMs);
  }
}

async function stateOf(env: Env, directory: string, { file, register, opened }: NodeData): Promise<string> {
  const { recovery } = opened;
  const now = { monotonicMs: 0, wallMs: 0 };
  const host = { now, readClock: () => now, wake: () => {}, fatal: () => {} };
  const { snapshots, wal } = opened;
  const settings = settingsOf(directory);
  const snapshotter = new Snapshotter(snapshots, wal, env.timers, host, settings, () => 1, silentLog);
  const slabs = createSlabPool();
  const groups: unknown[] = [];
  for (const shard of register.current?.shards ?? []) {
    const found = recovery.groups.get(shard.group);
    const { machine, raft } = await makeReplica(
      {
        clock: env.clock,
        random: () => 1,
        settings,
        slabs,
        recovery,
        rules: SHARD_RULES,
        clusterVersion: () => register.current?.version ?? 0,
        ceilingMs: () => recovery.timeCeilingMs,
        restore: (into, group) => snapshotter.restore(into, group),
      },
      shard,
      shard.replicas.find(({ node }) => node === file.node)?.member ?? 0,
      found,
      () => 1,
      () => 16_383,
      () => [{ from: 0, to: 16_383 }],
    );
    for (const entry of found?.entries ?? []) {
      if (entry.kind === EntryKind.COMMANDS) machine.apply(entry, null);
      else if (entry.kind === EntryKind.MOVE) machine.applyMove(entry);
      else machine.skip(entry);
    }
    // All entries are applied: their place and content are in the hash.
    const { term, lastIndex } = raft;
    groups.push({ group: shard.group, hardState: found?.hardState, term, lastIndex, hash: hashNow(machine) });
  }
  const { timeCeilingMs, promiseMs } = recovery;
  return JSON.stringify({
    cluster: file.state,
    topology: register.current,
    timeCeilingMs,
    promiseMs,
    groups,
  });
}
