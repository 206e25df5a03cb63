/**
 * Brings shards that were given up to their end (topology/lost-shard.ts). Where what is left is to be gone on with, each node says where the log of
 * its sealed member ends. Once no member can act any more, the leader of the other side ends each move that they were in, as its own log says, and
 * then whoever is first of the nodes that are there names the successor. Each step may be taken twice and by anyone.
 */
import type { TokenHash } from '../../ring/index.ts';
import type { Log } from '../log.ts';
import type { Instant } from '../raft/types.ts';
import { MoveOutcome } from '../shard/moves/slot-state.ts';
import type { MoveWaiter } from '../shard/moves/types.ts';
import type { Replica } from '../shard/replica.ts';
import type { TopologyChange } from '../topology/change.ts';
import { unconfirmed } from '../topology/log-correction.ts';
import { leftOf, longestLogs, movesOf, unsealedNodes } from '../topology/lost-shard.ts';
import { successorPlace } from '../topology/replica-planner.ts';
import { rangesOf, slotsOf } from '../topology/slot-ranges.ts';
import { nodeName } from '../topology/topology-diff.ts';
import type { KeptLog, MoveEntry, NodeId, ShardEntry, ShardId, Topology } from '../topology/types.ts';
import type { TopologySpread } from './topology-spread.ts';

const LOOK_INTERVAL_MS = 500;
/** What is asked of a log is seen in its state. */
const NOBODY: MoveWaiter = { done: () => {}, refuse: () => {} };

export interface SuccessionHost {
  readonly self: NodeId;
  readonly replicationFactor: number;
  readonly hash: TokenHash;
  readonly replicas: readonly Replica[];
  /** Of shards that are to be rewound: where the logs of this node's sealed members end. */
  readonly kept: ReadonlyMap<ShardId, KeptLog>;
  topology(): Topology;
  /** Not heard for some seconds. */
  isFailed(node: NodeId): boolean;
  readonly log: Log;
}

export class Succession {
  private readonly host: SuccessionHost;
  private readonly spread: Pick<TopologySpread, 'propose' | 'isKept' | 'isBehind' | 'has'>;
  private nextLookMs = 0;
  private readonly toldWaits = new Map<ShardId, string>();

  constructor(host: SuccessionHost, spread: Pick<TopologySpread, 'propose' | 'isKept' | 'isBehind' | 'has'>) {
    this.host = host;
    this.spread = spread;
  }

  /** Called some times a second. */
  look(now: Instant): void {
    const topology = this.host.topology();
    const lost = topology.shards.filter(({ givenUp }) => givenUp !== undefined);
    if (lost.length === 0 || now.monotonicMs < this.nextLookMs) return;
    this.nextLookMs = now.monotonicMs + LOOK_INTERVAL_MS;
    if (this.spread.isBehind || !this.spread.isKept(topology)) return;
    for (const shard of lost) {
      this.tellLog(topology, shard);
      if (this.isSealed(topology, shard)) this.bringOn(topology, shard, now);
    }
  }

  private tellLog(topology: Topology, shard: ShardEntry): void {
    const end = this.host.kept.get(shard.id);
    if (end === undefined || shard.givenUp?.kept === undefined) return;
    const isLeft = leftOf(topology, shard).some(({ member }) => member === end.member);
    if (!isLeft || shard.givenUp.kept.some(({ member }) => member === end.member)) return;
    this.propose(topology, { kind: 'keep-log', shard: shard.id, ...end });
  }

  private bringOn(topology: Topology, shard: ShardEntry, now: Instant): void {
    const moves = movesOf(topology, shard.id);
    for (const move of moves) {
      const other = move.source === shard.id ? move.target : move.source;
      const change = this.endOf(topology, move, other, now);
      if (change !== null) this.propose(topology, change);
    }
    if (moves.length > 0 || !this.isFirst(topology) || unconfirmed(topology).length > 0) return;
    const away = new Set(topology.nodes.map(({ id }) => id).filter((id) => this.host.isFailed(id)));
    const holders = longestLogs(topology, shard).map(({ node }) => node);
    const holder = holders.find((node) => !away.has(node)) ?? null;
    const isLeft = shard.givenUp?.kept === undefined || leftOf(topology, shard).length > 0;
    // Named while it is away, nobody else's log could be gone on with any more should it not come back. With nobody left an operator has the word.
    if (!isLeft || (holder === null && holders.length > 0)) {
      this.tellWaits(topology, shard, holders);
      return;
    }
    const place = successorPlace(topology, this.host, shard, away, holder);
    if (place !== null) this.propose(topology, { kind: 'succeed-shard', shard: shard.id, ...place });
  }

  /** How a move ends whose other side is given up; null: nobody can say here yet. */
  private endOf(topology: Topology, move: MoveEntry, other: ShardId, now: Instant): TopologyChange | null {
    const row = topology.shards.find(({ id }) => id === other);
    if (row?.givenUp !== undefined) {
      // Both are lost: the source's successor has the slots.
      const mayEnd = this.isSealed(topology, row) && this.isFirst(topology);
      return mayEnd ? { kind: 'end-move', move: move.id, moved: [] } : null;
    }
    const replica = this.host.replicas.find(({ shard }) => shard === other);
    if (replica?.isReadable !== true) return null;
    const { moves } = replica.machine;
    const slots = slotsOf(move.slots);
    const open = slots.filter((slot) => moves.endedOf(slot) < move.id);
    if (open.length > 0) {
      // What the target has not activated by now it never will, and a lost one has nothing that could come back.
      if (other === move.target) replica.moves.importAbort(move.id, rangesOf(open), NOBODY, now);
      else replica.moves.thaw(move.id, rangesOf(open), NOBODY, now);
      return null;
    }
    const went = slots.filter(
      (slot) => moves.endedOf(slot) === move.id && moves.outcomeOf(slot) === MoveOutcome.WENT,
    );
    return { kind: 'end-move', move: move.id, moved: rangesOf(went) };
  }

  private isSealed(topology: Topology, shard: ShardEntry): boolean {
    const open = unsealedNodes(topology, shard, (node, epoch) => this.spread.has(node, epoch));
    if (open.length === 0) return true;
    this.tellWaits(topology, shard, open);
    return false;
  }

  private tellWaits(topology: Topology, { id }: ShardEntry, open: readonly NodeId[]): void {
    const nodes = open.map((node) => nodeName(topology, node));
    if (this.toldWaits.get(id) !== nodes.join()) this.host.log.warn('succession-waits', { shard: id, nodes });
    this.toldWaits.set(id, nodes.join());
  }

  private isFirst({ nodes }: Topology): boolean {
    const there = nodes.filter(({ id }) => !this.host.isFailed(id));
    const first = Math.min(...there.map(({ ordinal }) => ordinal));
    return there.some(({ id, ordinal }) => ordinal === first && id === this.host.self);
  }

  private propose(topology: Topology, change: TopologyChange): void {
    const { clusterId, generation, epoch } = topology;
    this.spread.propose({ clusterId, on: { generation, epoch }, change });
  }
}
