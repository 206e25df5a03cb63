/**
 * Keeps the rows of the register as the planner wants them (topology/replica-planner.ts): replication grows as nodes come, replicas leave nodes that
 * leave, and with a node that has left its sessions end. Each shard's leader proposes for its own shard, once its group has arrived at the row; whoever
 * is first of the nodes that are there, what concerns nodes. A proposal that comes too late for its epoch does nothing, and is made again.
 */
import type { TokenHash } from '../../ring/index.ts';
import type { Log } from '../log.ts';
import type { Instant } from '../raft/types.ts';
import type { MoveWaiter } from '../shard/moves/types.ts';
import type { Replica } from '../shard/replica.ts';
import type { TopologyChange } from '../topology/change.ts';
import { isArrived } from '../topology/configuration-walk.ts';
import { applyNodeChange, differs, type NodeChange } from '../topology/node-change.ts';
import { withoutNewcomer } from '../topology/lost-newcomer.ts';
import { moveIdOf } from '../topology/move-change.ts';
import { nextPlacement, planReplicas, stayingNodes, type ReplicaPlan } from '../topology/replica-planner.ts';
import type { Announcement, NodeEntry, NodeId, ShardEntry, ShardId, Topology } from '../topology/types.ts';
import type { TopologySpread } from './topology-spread.ts';

/** What was proposed is proposed again after this, unless the topology has changed. */
const PROPOSE_AGAIN_MS = 1000;
const LOOK_INTERVAL_MS = 200;
/** A node that dies while it is given a replica may be started again: what it has got is worth to wait for so long. */
const NEWCOMER_PATIENCE_MS = 10_000;
/** What is asked of a log is seen in its state. */
const NOBODY: MoveWaiter = { done: () => {}, refuse: () => {} };

export interface KeeperHost {
  readonly self: NodeId;
  readonly announced: Announcement;
  readonly replicationFactor: number;
  readonly placesReplicas: boolean;
  readonly hash: TokenHash;
  readonly replicas: readonly Replica[];
  topology(): Topology;
  /** Not heard for some seconds. */
  isFailed(node: NodeId): boolean;
  /** For how long it has not been heard; 0: this node. */
  silentMs(node: NodeId): number;
  /** Whether somebody leads the shard now. */
  isLed(shard: ShardId): boolean;
  /** What the node may be given more. */
  roomBytes(node: NodeId): number;
  /** Who is silent for so long is lost; 0: nobody is. */
  readonly replaceAfterMs: number;
  readonly log: Log;
}

export class ReplicaKeeper {
  private readonly host: KeeperHost;
  private readonly spread: Pick<TopologySpread, 'propose' | 'isKept'>;
  private planned: { topology: Topology; away: string; plan: ReplicaPlan } | null = null;
  private lost: ReadonlySet<NodeId> = new Set();
  private toldWaits = '';
  private endangered: readonly ShardId[] = [];
  private proposedOn: Topology | null = null;
  private proposedMs = 0;
  private nextLookMs = 0;
  private nextCloseMs = 0;

  constructor(host: KeeperHost, spread: Pick<TopologySpread, 'propose' | 'isKept'>) {
    this.host = host;
    this.spread = spread;
  }

  /** Called some times a second. */
  look(now: Instant): void {
    const { monotonicMs } = now;
    if (monotonicMs < this.nextLookMs) return;
    this.nextLookMs = monotonicMs + LOOK_INTERVAL_MS;
    const topology = this.host.topology();
    const isAwaited = this.proposedOn === topology && monotonicMs < this.proposedMs + PROPOSE_AGAIN_MS;
    // An epoch that one node alone knows may be lost with its disk: nothing is built on it.
    if (isAwaited || !this.spread.isKept(topology)) return;
    const { departed = [] } = topology;
    for (const replica of this.host.replicas) replica.endSessionsOf(departed);
    this.lost = this.lostNodes(topology);
    this.report(topology);
    const change =
      this.ownAnnouncement(topology) ??
      this.placement(topology) ??
      this.closing(topology, now) ??
      this.departure(topology);
    if (change === null) return;
    this.proposedOn = topology;
    this.proposedMs = monotonicMs;
    const { clusterId, generation, epoch } = topology;
    this.spread.propose({ clusterId, on: { generation, epoch }, change });
  }

  /** Not while another node is known by that address: what takes that one out, or leads it elsewhere, is done here, too. */
  private ownAnnouncement(topology: Topology): TopologyChange | null {
    const { self, announced } = this.host;
    const own = topology.nodes.find(({ id }) => id === self);
    if (own === undefined || !differs(own, announced)) return null;
    const change = { kind: 'announce', node: self, announced } as const;
    return typeof applyNodeChange(topology, change) === 'string' ? null : change;
  }

  /** The next change of a row of a shard that this node leads. */
  private placement(topology: Topology): TopologyChange | null {
    if (!this.host.placesReplicas) return null;
    for (const replica of this.host.replicas) {
      if (!replica.isReadable) continue;
      const shard = topology.shards.find(({ id }) => id === replica.shard);
      if (shard === undefined || shard.closing !== undefined) continue;
      if (!hasArrived(replica, shard)) {
        const change = this.withoutNewcomer(topology, replica, shard);
        if (change !== null) return change;
        continue;
      }
      const target = this.planFor(topology).targets.get(shard.id) ?? stayingNodes(shard);
      const nodes = nextPlacement(shard, target, (node) => this.host.isFailed(node));
      if (nodes !== null && this.mayEnter(replica, shard, nodes))
        return { kind: 'place-shard', shard: shard.id, nodes };
    }
    return null;
  }

  private withoutNewcomer(topology: Topology, { raft }: Replica, shard: ShardEntry): TopologyChange | null {
    const { host, lost } = this;
    return withoutNewcomer(topology, {
      shard,
      membership: raft.membership,
      isGone: (node) => host.isFailed(node) && host.silentMs(node) >= NEWCOMER_PATIENCE_MS,
      targetWithout: (node) => {
        const silent = new Set(topology.nodes.map(({ id }) => id).filter((id) => host.isFailed(id)));
        return planReplicas(topology, host, new Set([...lost, node]), silent).targets.get(shard.id) ?? [];
      },
    });
  }

  /** Who enters is there, and in the place of a lost one has room. */
  private mayEnter(replica: Replica, shard: ShardEntry, nodes: readonly NodeId[]): boolean {
    const before = stayingNodes(shard);
    const entering = nodes.find((node) => !before.includes(node));
    if (entering === undefined) return true;
    if (this.host.isFailed(entering)) return false;
    const isReplacing = before.some((node) => this.lost.has(node) && !nodes.includes(node));
    if (!isReplacing) return true;
    // What it said of its room was before another replica that it is being given.
    const others = this.host.topology().shards.filter(({ id }) => this.host.isLed(id));
    if (others.some((other) => isBeingGiven(other, entering))) return false;
    const neededBytes = replica.machine.keyspace.usedBytes;
    const roomBytes = this.host.roomBytes(entering);
    if (neededBytes <= roomBytes) return true;
    const waits = `${shard.id} ${entering}`;
    if (waits !== this.toldWaits)
      this.host.log.warn('replacement-waits', { shard: shard.id, peer: entering, neededBytes, roomBytes });
    this.toldWaits = waits;
    return false;
  }

  /** Those whose replicas others are to have: one at a time, so those that have none any more, and the first that has. */
  private lostNodes({ nodes, shards }: Topology): ReadonlySet<NodeId> {
    const { host } = this;
    if (host.replaceAfterMs === 0) return new Set();
    const staying = nodes.filter(({ leaving }) => leaving !== true);
    const silent = staying.filter(({ id }) => host.isFailed(id));
    const dead = silent.filter(({ id }) => host.silentMs(id) >= host.replaceAfterMs);
    if (dead.length === 0 || silent.length * 3 > staying.length) return new Set();
    const holds = ({ id }: NodeEntry): boolean => shards.some((shard) => stayingNodes(shard).includes(id));
    const first = dead.filter(holds).reduce<NodeEntry | null>(earlier, null);
    const lost = new Set(dead.filter((node) => node === first || !holds(node)).map(({ id }) => id));
    if (first !== null && !this.lost.has(first.id)) {
      const { id: peer, host: name, clientPort } = first;
      host.log.warn('node-lost', { peer, address: `${name}:${clientPort}`, silentMs: host.silentMs(peer) });
    }
    return lost;
  }

  /** Groups led here that are to end, and have. */
  private closing({ shards }: Topology, now: Instant): TopologyChange | null {
    for (const { moves, machine, shard, isReadable } of this.host.replicas) {
      const closing = shards.find(({ id }) => id === shard)?.closing;
      if (!isReadable || closing === undefined) continue;
      if (machine.moves.slots.closedBy === moveIdOf(closing)) return { kind: 'remove-shard', shard };
      if (now.monotonicMs < this.nextCloseMs) continue;
      this.nextCloseMs = now.monotonicMs + PROPOSE_AGAIN_MS;
      moves.close(moveIdOf(closing), NOBODY, now);
    }
    return null;
  }

  /**
   * What is left of nodes that leave, as the first of those that are there says. A node stays until its process has ended: clients may be
   * connected to it.
   */
  private departure(topology: Topology): TopologyChange | null {
    const leaving = topology.nodes.filter((node) => node.leaving === true);
    if (leaving.length === 0 || !this.isFirst(topology)) return null;
    for (const { id } of leaving) {
      const home = topology.shards.find((shard) => shard.home === id);
      const changes: NodeChange[] = home === undefined ? [] : [{ kind: 'close-shard', shard: home.id }];
      if (this.host.isFailed(id)) changes.push({ kind: 'remove-node', node: id });
      const possible = changes.find((change) => typeof applyNodeChange(topology, change) !== 'string');
      if (possible !== undefined) return possible;
    }
    return null;
  }

  private isFirst({ nodes }: Topology): boolean {
    const { host } = this;
    const there = nodes.filter(({ id }) => !host.isFailed(id));
    return there.reduce<NodeEntry | null>(earlier, null)?.id === host.self;
  }

  private planFor(topology: Topology): ReplicaPlan {
    const silent = new Set(topology.nodes.map(({ id }) => id).filter((id) => this.host.isFailed(id)));
    const away = `${[...this.lost].join()} ${[...silent].join()}`;
    if (this.planned?.topology === topology && this.planned.away === away) return this.planned.plan;
    const plan = planReplicas(topology, this.host, this.lost, silent);
    this.planned = { topology, away, plan };
    return plan;
  }

  /** Each shard once, when it comes to be so, by one node. */
  private report(topology: Topology): void {
    if (!this.host.placesReplicas || !this.isFirst(topology)) return;
    const { endangered } = this.planFor(topology);
    const { log } = this.host;
    const added = endangered.filter((shard) => !this.endangered.includes(shard));
    const over = this.endangered.filter((shard) => !endangered.includes(shard));
    this.endangered = endangered;
    // On one machine alone, as of `torc dev`, nobody expects to survive its loss.
    const isAtHome = topology.nodes.every(({ machine }) => machine === topology.nodes[0].machine);
    if (added.length > 0) log[isAtHome ? 'info' : 'warn']('quorum-endangered', { shards: added });
    if (over.length > 0) log.info('quorum-safe', { shards: over });
  }
}

/** Another member goes only once the node's has caught up. */
function isBeingGiven({ replicas }: ShardEntry, node: NodeId): boolean {
  const own = replicas.find((row) => row.node === node);
  return replicas.some(({ leaving, member }) => leaving === true && own !== undefined && own.member > member);
}

function earlier(first: NodeEntry | null, node: NodeEntry): NodeEntry {
  return first === null || node.ordinal < first.ordinal ? node : first;
}

function hasArrived({ raft }: Replica, { replicas }: ShardEntry): boolean {
  return isArrived(replicas, raft.committedMembership.membership) && isArrived(replicas, raft.membership);
}
