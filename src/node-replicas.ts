/** This node's replicas: opened, created and removed as the topology says (design section 6). */
import type { Env } from './env/contracts.ts';
import type { Log } from './log.ts';
import { runEndOf } from './server/router.ts';
import type { Engine } from './shard/engine.ts';
import type { Replica } from './shard/replica.ts';
import { makeReplica, type ReplicaSettings } from './shard/replica-factory.ts';
import type { Snapshotter } from './shard/snapshotter.ts';
import type { ShardRules } from './shard/state-machine.ts';
import type { SlabPool } from './store/slab-pool.ts';
import type { NodeId, ReplicaEntry, ShardEntry, ShardId, Topology } from './topology/types.ts';
import type { RaftConfig } from './raft/types.ts';
import type { OpenedWal } from './wal/open.ts';
import type { RecoveredGroup } from './wal/types.ts';

/** Of a replica that is gone: values and structures freed, and steps of reads that still run, a turn. */
const RECLAIM_ITEMS = 2000;
const LONG_READ_STEPS = 16;

export interface NodeReplicasDeps {
  env: Env;
  settings: ReplicaSettings;
  self: NodeId;
  opened: OpenedWal;
  engine: Engine;
  snapshotter: Snapshotter;
  slabs: SlabPool;
  rules: ShardRules;
  clusterVersion(): number;
  log: Log;
  /** The newest that is synced. */
  topology(): Topology;
  onCommitted(latencyMs: number): void;
  /** Made from what recovery found, and has done nothing yet. */
  onReplica(replica: Replica, recovered: RecoveredGroup | undefined): void;
}

/** Who has to know of replicas that come and go while the node runs. */
export interface ReplicaListener {
  added(replica: Replica): void;
  removed(replica: Replica): void;
}

export class NodeReplicas {
  /** Changes as replicas come and go. */
  readonly list: Replica[] = [];
  private readonly byShard: (Replica | undefined)[] = [];
  private readonly deps: NodeReplicasDeps;
  private readonly listeners: ReplicaListener[] = [];
  /** They act no more, and their files are still there. */
  private sealed: Replica[] = [];
  /** Removed, and not yet freed. */
  private retired: Replica[] = [];

  constructor(deps: NodeReplicasDeps) {
    this.deps = deps;
  }

  of(shard: ShardId): Replica | undefined {
    return this.byShard[shard];
  }

  listen(listener: ReplicaListener): void {
    this.listeners.push(listener);
  }

  /** At the start: what has files is opened with them. */
  async open(topology: Topology): Promise<void> {
    const { groups } = this.deps.opened.recovery;
    for (const shard of topology.shards) {
      const own = this.ownEntry(shard);
      if (own === undefined) continue;
      const found = groups.get(shard.group);
      // What recovery found of another member it has left out (`isOwnRecord`).
      if (found !== undefined || shard.first.includes(own.member)) await this.add(shard, own, found);
      else if (own.leaving !== true) await this.create(shard, own);
    }
  }

  /** At once when a topology is synced: nobody may be told of it while a member of a group that was given up still acts here. */
  seal({ shards }: Topology): void {
    const isServed = ({ raft }: Replica): boolean =>
      shards.some(({ group, givenUp }) => group === raft.group && givenUp === undefined);
    for (const replica of this.list.filter((one) => !isServed(one))) {
      this.detach(replica);
      this.sealed.push(replica);
    }
  }

  /** Removes what the synced topology does not name any more, with its files; then creates what is new. */
  async follow(topology: Topology): Promise<void> {
    for (const replica of this.sealed.splice(0)) await this.discard(replica);
    for (const replica of this.list.filter((one) => !this.isNamed(topology, one))) {
      this.detach(replica);
      await this.discard(replica);
    }
    for (const shard of topology.shards) {
      const own = this.ownEntry(shard);
      if (own !== undefined && own.leaving !== true && this.of(shard.id) === undefined)
        await this.create(shard, own);
    }
  }

  /** Called each turn: frees bit by bit what removed replicas held. True while there is more. */
  tend(nowMs: number): boolean {
    if (this.retired.length === 0) return false;
    this.retired = this.retired.filter(({ machine }) => {
      for (let i = 0; i < LONG_READ_STEPS && !machine.longReads.isIdle; i++) machine.longReads.step(nowMs);
      if (!machine.longReads.isIdle || machine.hashesUnderWay > 0) return true;
      if (machine.keyspace.totalKeyCount() > 0) machine.keyspace.flush(-1);
      return machine.reclaim(RECLAIM_ITEMS);
    });
    return this.retired.length > 0;
  }

  /** Every replica that this node should have is there, and is what it should become. */
  hasCaughtUp({ shards }: Topology): boolean {
    if (!shards.some((shard) => this.ownEntry(shard) !== undefined)) return false;
    return shards.every((shard) => {
      const own = this.ownEntry(shard);
      if (own === undefined || own.leaving === true) return true;
      const replica = this.of(shard.id);
      if (replica === undefined || replica.raft.leader === 0) return false;
      const { voters, learners } = replica.raft.committedMembership.membership;
      // Of an even number one stays a learner.
      const stays = shard.replicas.filter(({ leaving }) => leaving !== true).length;
      if (voters.includes(own.member)) return true;
      return stays % 2 === 0 && learners.includes(own.member) && replica.machine.appliedIndex > 0;
    });
  }

  private ownEntry({ replicas, givenUp }: ShardEntry): ReplicaEntry | undefined {
    return givenUp !== undefined ? undefined : replicas.find(({ node }) => node === this.deps.self);
  }

  private isNamed({ shards }: Topology, { shard, raft }: Replica): boolean {
    const row = shards.find(({ id }) => id === shard);
    return row !== undefined && this.ownEntry(row)?.member === raft.self;
  }

  /** A member that was never here: nothing that lies here of an older one may be taken for its own. */
  private async create(shard: ShardEntry, own: ReplicaEntry): Promise<void> {
    const { opened, log } = this.deps;
    await opened.snapshots.remove(shard.group);
    await new Promise<void>((resolve) => {
      opened.wal.beginGroup(shard.group, own.member, resolve);
      opened.wal.flush(() => {});
    });
    await this.add(shard, own, undefined);
    log.info('replica-created', { shard: shard.id, member: own.member });
  }

  private async add(shard: ShardEntry, own: ReplicaEntry, found: RecoveredGroup | undefined): Promise<void> {
    const { env, settings, slabs, opened, rules, engine, snapshotter } = this.deps;
    const runs = this.deps.topology().slots.filter((run) => run.shard === shard.id);
    const replica = await makeReplica(
      {
        clock: env.clock,
        random: () => env.random.uint32(),
        settings,
        slabs,
        recovery: opened.recovery,
        rules,
        clusterVersion: () => this.deps.clusterVersion(),
        ceilingMs: () => engine.ceilingMs,
        restore: (machine, group) => snapshotter.restore(machine, group),
      },
      shard,
      own.member,
      found,
      () => this.preferredLeader(shard.id),
      (slot) => runEndOf(runs, slot),
      () => this.deps.topology().slots.filter((run) => run.shard === shard.id),
    );
    replica.onCommitted = (latencyMs) => this.deps.onCommitted(latencyMs);
    this.deps.onReplica(replica, found);
    this.list.push(replica);
    this.byShard[shard.id] = replica;
    engine.add(replica);
    snapshotter.add(replica);
    for (const listener of this.listeners) listener.added(replica);
    // It may have been given up while this one was made.
    this.seal(this.deps.topology());
  }

  private detach(replica: Replica): void {
    const { engine } = this.deps;
    this.list.splice(this.list.indexOf(replica), 1);
    this.byShard[replica.shard] = undefined;
    engine.remove(replica);
    for (const listener of this.listeners) listener.removed(replica);
    replica.retire();
    this.retired.push(replica);
  }

  private async discard(replica: Replica): Promise<void> {
    const { snapshotter, opened, log } = this.deps;
    await snapshotter.remove(replica);
    opened.wal.forgetGroup(replica.raft.group);
    log.info('replica-removed', { shard: replica.shard, member: replica.raft.self });
  }

  /** The home's member. */
  private preferredLeader(shard: ShardId): RaftConfig['preferredLeader'] {
    const row = this.deps.topology().shards.find(({ id }) => id === shard);
    const home = row?.replicas.find(({ node, leaving }) => node === row.home && leaving !== true);
    return home?.member ?? 0;
  }
}

/** Whether recovery may take what it finds of this member for this node's. */
export function isOwnRecord(topology: Topology, self: NodeId, group: number, member: number): boolean {
  const row = topology.shards.find((shard) => shard.group === group);
  const own = row?.replicas.find(({ node }) => node === self);
  if (row === undefined || own === undefined || row.givenUp !== undefined) return false;
  return member === 0 ? row.first.includes(own.member) : own.member === member;
}
