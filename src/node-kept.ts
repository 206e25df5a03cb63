/**
 * What this node holds of shards that were given up, to be rewound (topology/lost-shard.ts). Its member is sealed: it acts in no turn any more and is
 * never opened again. All of its log is applied and written as one last snapshot of its group; only then others are told where the log ends. That file
 * stays until the register says that another's is gone on with, or until the successor that begins with it has a snapshot of its own. So whatever
 * the node was at when it died, it finds at its next start what to do: the log, the last snapshot, or the successor's first.
 */
import { HOW_TO_REBUILD, StartupError } from './errors.ts';
import type { Log } from './log.ts';
import type { GroupId, MemberId, SnapshotMeta } from './raft/types.ts';
import type { Replica } from './shard/replica.ts';
import type { Snapshotter } from './shard/snapshotter.ts';
import type { StateMachine } from './shard/state-machine.ts';
import { becomeSuccessor } from './shard/successor-state.ts';
import { isKept } from './topology/lost-shard.ts';
import type {
  KeptLog,
  NodeId,
  ReplicaEntry,
  Rewound,
  ShardEntry,
  ShardId,
  SlotRange,
  Topology,
} from './topology/types.ts';
import type { OpenedWal } from './wal/open.ts';
import type { RecoveredGroup } from './wal/types.ts';

const FIRST_MEMBER = 1;

export interface KeptHost {
  readonly self: NodeId;
  readonly opened: OpenedWal;
  readonly snapshotter: Snapshotter;
  readonly log: Log;
}

export class NodeKept {
  /** Where the logs of this node's sealed members end. */
  readonly logs = new Map<ShardId, KeptLog>();
  private readonly groups = new Map<GroupId, ShardId>();
  /** Successors that have begun here: what they began with is not needed any more. */
  private readonly begun = new Set<GroupId>();
  private readonly host: KeptHost;

  constructor(host: KeptHost) {
    this.host = host;
  }

  /** This node's member of the shard, if what it holds is to be kept. */
  entryOf(shard: ShardEntry): ReplicaEntry | undefined {
    const own = shard.replicas.find(({ node }) => node === this.host.self);
    return own !== undefined && isKept(shard, own.member) ? own : undefined;
  }

  /** Something in this directory is to be gone on with, and in no other. */
  isAwaited({ shards }: Topology): boolean {
    return shards.some((shard) => {
      const own = shard.replicas.find(({ node }) => node === this.host.self);
      if (own === undefined) return false;
      return isKept(shard, own.member) || (originOf(shard, own) !== null && !this.begun.has(shard.group));
    });
  }

  /** This node's member of it, while it is not known yet where its log ends. */
  unkeptEntryOf(shard: ShardEntry): ReplicaEntry | undefined {
    const own = this.entryOf(shard);
    if (own === undefined || this.logs.has(shard.id)) return undefined;
    const isTold = shard.givenUp?.kept?.some(({ member }) => member === own.member);
    if (isTold !== true) return own;
    this.groups.set(shard.group, shard.id);
    return undefined;
  }

  /** The replica is in no turn any more. */
  async keep(shard: ShardEntry, replica: Replica): Promise<void> {
    const { snapshotter, log } = this.host;
    const { raft, machine } = replica;
    const end = await snapshotter.keep(replica);
    if (end === null) return;
    this.tell(shard, { member: raft.self, ...end });
    log.warn('replica-kept', {
      shard: shard.id,
      member: raft.self,
      ...end,
      keys: machine.keyspace.totalKeyCount(),
    });
  }

  tell({ id, group }: ShardEntry, end: KeptLog): void {
    this.logs.set(id, end);
    this.groups.set(group, id);
  }

  /**
   * Has the successor's state machine begin with what is kept, restricted to its slots, and writes that as its group's first snapshot: once that is
   * durable the group has begun, and never does again. False when the node stops first.
   */
  async begin(
    machine: StateMachine,
    { id, group }: ShardEntry,
    origin: Rewound,
    slots: readonly SlotRange[],
  ): Promise<boolean> {
    const { snapshotter, log } = this.host;
    await snapshotter.restore(machine, origin.group);
    if (machine.appliedIndex !== origin.index || machine.appliedTerm !== origin.term)
      throw new StartupError(
        'TORC_KEPT_LOST',
        `shard ${id} is to begin with what group ${origin.group} held up to index ${origin.index}, and that is not here any more: ` +
          `${HOW_TO_REBUILD}, and have torc shard give-up give the shard up`,
      );
    becomeSuccessor(machine, slots);
    if (!(await snapshotter.begin(machine, group, firstSnapshot(origin)))) return false;
    this.begun.add(group);
    if (!this.groups.has(origin.group)) this.groups.set(origin.group, id);
    const { index, term } = origin;
    log.warn('shard-rewound', { shard: id, index, term, keys: machine.keyspace.totalKeyCount() });
    return true;
  }

  /** What nobody begins with any more is removed: others were chosen, it was given up as well, or the successor has begun. */
  async drop({ shards }: Topology): Promise<void> {
    const { opened, snapshotter, log } = this.host;
    for (const [group, shard] of this.groups) {
      // A successor may not have begun.
      if (snapshotter.isStopped) return;
      const row = shards.find((entry) => entry.group === group);
      if (row !== undefined && this.entryOf(row) !== undefined) continue;
      await opened.snapshots.remove(group);
      opened.wal.forgetGroup(group);
      this.groups.delete(group);
      this.logs.delete(shard);
      log.info('kept-removed', { shard });
    }
  }

  /** At the start: a successor that has begun needs its origin no more. */
  noteOrigin({ id, group, rewound }: ShardEntry, hasBegun: boolean): void {
    if (rewound !== undefined) this.groups.set(rewound.group, id);
    if (hasBegun) this.begun.add(group);
  }
}

/** With what this node's member of a shard begins: only its first one, and only once. */
export function originOf({ first, rewound }: ShardEntry, own: ReplicaEntry): Rewound | null {
  return rewound !== undefined && first.includes(own.member) ? rewound : null;
}

/** As recovery would find it. No record of the group is in the log yet. */
export function beginningOf(group: GroupId, member: MemberId, origin: Rewound): RecoveredGroup {
  const { term, index } = origin;
  const hardState = { term, vote: 0, commit: index };
  return { group, member, hardState, snapshot: firstSnapshot(origin), entries: [] };
}

/** The first member is the only voter: whoever else is to have a replica learns first. */
function firstSnapshot({ index, term }: Rewound): SnapshotMeta {
  return { index, term, membership: { voters: [FIRST_MEMBER], votersOld: [], learners: [] } };
}
