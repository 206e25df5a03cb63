/** This node's replicas: opened, created and removed as the topology says (design section 6). */
import type { Env } from './env/contracts.ts';
import type { Log } from './log.ts';
import { beginningOf, NodeKept, originOf } from './node-kept.ts';
import { runEndOf } from './server/router.ts';
import type { Engine } from './shard/engine.ts';
import type { Replica } from './shard/replica.ts';
import { makeReplica, type ReplicaSettings } from './shard/replica-factory.ts';
import type { Snapshotter } from './shard/snapshotter.ts';
import type { ShardRules, StateMachine } from './shard/state-machine.ts';
import type { SlabPool } from './store/slab-pool.ts';
import type { NodeId, ReplicaEntry, Rewound, ShardEntry, ShardId, Topology } from './topology/types.ts';
import { isKept } from './topology/lost-shard.ts';
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
  readonly kept: NodeKept;
  private readonly byShard: (Replica | undefined)[] = [];
  private readonly deps: NodeReplicasDeps;
  private readonly listeners: ReplicaListener[] = [];
  /** Groups that this process has had a member of in its turns. */
  private readonly opened = new Set<number>();
  /** They act no more, and their files are still there. */
  private sealed: Replica[] = [];
  /** Removed, and not yet freed. */
  private retired: Replica[] = [];

  constructor(deps: NodeReplicasDeps) {
    this.deps = deps;
    this.kept = new NodeKept(deps);
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
      const found = groups.get(shard.group);
      await this.keepUnopened(shard, found);
      this.kept.noteOrigin(shard, hasState(found));
      const own = this.ownEntry(shard);
      if (own === undefined) continue;
      const mustBegin = originOf(shard, own) !== null && !hasState(found);
      // What recovery found of another member it has left out (`isOwnRecord`).
      if (!mustBegin && (found !== undefined || shard.first.includes(own.member)))
        await this.add(shard, own, found);
      else if (mustBegin || own.leaving !== true) await this.create(shard, own);
    }
    await this.kept.drop(topology);
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
    for (const replica of this.sealed.splice(0)) {
      const shard = topology.shards.find(({ group }) => group === replica.raft.group);
      const isKept = shard !== undefined && this.kept.entryOf(shard)?.member === replica.raft.self;
      if (isKept) await this.keep(shard, replica);
      else await this.discard(replica);
    }
    for (const replica of this.list.filter((one) => !this.isNamed(topology, one))) {
      this.detach(replica);
      await this.discard(replica);
    }
    for (const shard of topology.shards) {
      await this.keepUnopened(shard, undefined);
      const own = this.ownEntry(shard);
      if (own === undefined || this.of(shard.id) !== undefined) continue;
      if (own.leaving !== true || originOf(shard, own) !== null) await this.create(shard, own);
    }
    await this.kept.drop(topology);
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
    const origin = originOf(shard, own);
    if (origin === null) await this.add(shard, own, undefined);
    else {
      const replica = await this.begin(shard, own, origin);
      if (replica === null) return;
      this.enlist(replica, beginningOf(shard.group, own.member, origin));
    }
    log.info('replica-created', { shard: shard.id, member: own.member });
  }

  /** What this node holds of a shard that was given up, to be rewound, and has not opened, or never had. */
  private async keepUnopened(shard: ShardEntry, found: RecoveredGroup | undefined): Promise<void> {
    const own = this.kept.unkeptEntryOf(shard);
    if (own === undefined) return;
    const origin = hasState(found) ? null : originOf(shard, own);
    // What was opened here is told of once it is kept, and not at all by a node that stops first.
    if (this.opened.has(shard.group)) return;
    if (origin === null && found === undefined) {
      this.kept.tell(shard, { member: own.member, term: 0, index: 0 });
      return;
    }
    const replica =
      origin === null ? await this.make(shard, own, found) : await this.begin(shard, own, origin);
    if (replica !== null) await this.keep(shard, replica);
  }

  private async keep(shard: ShardEntry, replica: Replica): Promise<void> {
    await this.kept.keep(shard, replica);
    this.retired.push(replica);
  }

  /** The first member of a shard that is rewound; null when the node stops first. */
  private async begin(shard: ShardEntry, own: ReplicaEntry, origin: Rewound): Promise<Replica | null> {
    let hasBegun = false;
    const replica = await this.make(
      shard,
      own,
      beginningOf(shard.group, own.member, origin),
      async (machine) => {
        const slots = this.deps.topology().slots.filter((run) => run.shard === shard.id);
        hasBegun = await this.kept.begin(machine, shard, origin, slots);
      },
    );
    return hasBegun ? replica : null;
  }

  private async add(shard: ShardEntry, own: ReplicaEntry, found: RecoveredGroup | undefined): Promise<void> {
    this.enlist(await this.make(shard, own, found), found);
  }

  private enlist(replica: Replica, found: RecoveredGroup | undefined): void {
    const { engine, snapshotter } = this.deps;
    replica.onCommitted = (latencyMs) => this.deps.onCommitted(latencyMs);
    this.deps.onReplica(replica, found);
    this.opened.add(replica.raft.group);
    this.list.push(replica);
    this.byShard[replica.shard] = replica;
    engine.add(replica);
    snapshotter.add(replica);
    for (const listener of this.listeners) listener.added(replica);
    // It may have been given up while this one was made.
    this.seal(this.deps.topology());
  }

  private make(
    shard: ShardEntry,
    own: ReplicaEntry,
    found: RecoveredGroup | undefined,
    restore = (machine: StateMachine, group: number) => this.deps.snapshotter.restore(machine, group),
  ): Promise<Replica> {
    const { env, settings, slabs, opened, rules, engine } = this.deps;
    const runs = this.deps.topology().slots.filter((run) => run.shard === shard.id);
    return makeReplica(
      {
        clock: env.clock,
        random: () => env.random.uint32(),
        settings,
        slabs,
        recovery: opened.recovery,
        rules,
        clusterVersion: () => this.deps.clusterVersion(),
        ceilingMs: () => engine.ceilingMs,
        restore,
      },
      shard,
      own.member,
      found,
      () => this.preferredLeader(shard.id),
      (slot) => runEndOf(runs, slot),
      () => this.deps.topology().slots.filter((run) => run.shard === shard.id),
    );
  }

  private detach(replica: Replica): void {
    const { engine } = this.deps;
    this.list.splice(this.list.indexOf(replica), 1);
    this.byShard[replica.shard] = undefined;
    engine.remove(replica);
    for (const listener of this.listeners) listener.removed(replica);
    replica.retire();
  }

  private async discard(replica: Replica): Promise<void> {
    const { snapshotter, opened, log } = this.deps;
    this.retired.push(replica);
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

/** There is a snapshot: a group that is rewound has begun once it has one. */
function hasState(found: RecoveredGroup | undefined): boolean {
  return found !== undefined && found.snapshot !== null;
}

/** Whether recovery may take what it finds of this member for this node's. */
export function isOwnRecord(topology: Topology, self: NodeId, group: number, member: number): boolean {
  const row = topology.shards.find((shard) => shard.group === group);
  if (row === undefined) return isOrigin(topology, self, group, member);
  const own = row.replicas.find(({ node }) => node === self);
  if (own === undefined || (row.givenUp !== undefined && !isKept(row, own.member))) return false;
  return member === 0 ? row.first.includes(own.member) : own.member === member;
}

/** A shard that is rewound may be to begin with it, here. */
function isOrigin({ shards }: Topology, self: NodeId, group: number, member: number): boolean {
  const heir = shards.find(({ rewound }) => rewound?.group === group);
  const own = heir?.replicas.find(({ node }) => node === self);
  if (heir === undefined || own === undefined || originOf(heir, own) === null) return false;
  return member === 0 || member === heir.rewound?.member;
}
