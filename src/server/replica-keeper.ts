/**
 * Keeps the rows of the register as the planner wants them (topology/replica-planner.ts): replication grows as nodes come, replicas leave nodes that
 * leave. Each shard's leader proposes for its own shard, once its group has arrived at the row; whoever is first of the nodes that are there,
 * what concerns nodes. A proposal that comes too late for its epoch does nothing, and is made again.
 */
import type { TokenHash } from '../../ring/index.ts';
import type { Log } from '../log.ts';
import type { Instant } from '../raft/types.ts';
import type { Replica } from '../shard/replica.ts';
import type { TopologyChange } from '../topology/change.ts';
import { isArrived } from '../topology/configuration-walk.ts';
import { applyNodeChange, differs } from '../topology/node-change.ts';
import { nextPlacement, planReplicas, stayingNodes, type ReplicaPlan } from '../topology/replica-planner.ts';
import type { Announcement, NodeId, ShardEntry, Topology } from '../topology/types.ts';
import type { TopologySpread } from './topology-spread.ts';

/** What was proposed is proposed again after this, unless the topology has changed. */
const PROPOSE_AGAIN_MS = 1000;
const LOOK_INTERVAL_MS = 200;

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
  readonly log: Log;
}

export class ReplicaKeeper {
  private readonly host: KeeperHost;
  private readonly spread: Pick<TopologySpread, 'propose' | 'isKept'>;
  private planned: { topology: Topology; plan: ReplicaPlan } | null = null;
  private endangered = '';
  private proposedOn: Topology | null = null;
  private proposedMs = 0;
  private nextLookMs = 0;

  constructor(host: KeeperHost, spread: Pick<TopologySpread, 'propose' | 'isKept'>) {
    this.host = host;
    this.spread = spread;
  }

  /** Called some times a second. */
  look({ monotonicMs }: Instant): void {
    if (monotonicMs < this.nextLookMs) return;
    this.nextLookMs = monotonicMs + LOOK_INTERVAL_MS;
    const topology = this.host.topology();
    const isAwaited = this.proposedOn === topology && monotonicMs < this.proposedMs + PROPOSE_AGAIN_MS;
    // An epoch that one node alone knows may be lost with its disk: nothing is built on it.
    if (isAwaited || !this.spread.isKept(topology)) return;
    const change = this.ownAnnouncement(topology) ?? this.placement(topology) ?? this.departure(topology);
    if (change === null) return;
    this.proposedOn = topology;
    this.proposedMs = monotonicMs;
    const { clusterId, generation, epoch } = topology;
    this.spread.propose({ clusterId, on: { generation, epoch }, change });
  }

  private ownAnnouncement({ nodes }: Topology): TopologyChange | null {
    const { self, announced } = this.host;
    const own = nodes.find(({ id }) => id === self);
    if (own === undefined || !differs(own, announced)) return null;
    return { kind: 'announce', node: self, announced };
  }

  /** The next change of a row of a shard that this node leads. */
  private placement(topology: Topology): TopologyChange | null {
    if (!this.host.placesReplicas) return null;
    for (const replica of this.host.replicas) {
      if (!replica.isReadable) continue;
      const shard = topology.shards.find(({ id }) => id === replica.shard);
      if (shard === undefined || shard.closing !== undefined || !hasArrived(replica, shard)) continue;
      const target = this.planFor(topology).targets.get(shard.id) ?? stayingNodes(shard);
      const nodes = nextPlacement(shard, target, (node) => this.host.isFailed(node));
      if (nodes !== null) return { kind: 'place-shard', shard: shard.id, nodes };
    }
    return null;
  }

  /** Nodes that have left, as the first of those that are there says. */
  private departure(topology: Topology): TopologyChange | null {
    const leaving = topology.nodes.filter((node) => node.leaving === true);
    if (leaving.length === 0 || !this.isFirst(topology)) return null;
    for (const { id } of leaving) {
      const change = { kind: 'remove-node', node: id } as const;
      if (typeof applyNodeChange(topology, change) !== 'string') return change;
    }
    return null;
  }

  private isFirst({ nodes }: Topology): boolean {
    const { host } = this;
    const there = nodes.filter(({ id }) => !host.isFailed(id));
    const first = there.reduce((least, node) => (node.ordinal < least.ordinal ? node : least), there[0]);
    return first?.id === host.self;
  }

  private planFor(topology: Topology): ReplicaPlan {
    if (this.planned?.topology === topology) return this.planned.plan;
    const plan = planReplicas(topology, this.host);
    this.planned = { topology, plan };
    this.report(plan);
    return plan;
  }

  /** Said when it comes to be so, and when other shards are concerned. */
  private report({ endangered }: ReplicaPlan): void {
    const shards = endangered.join();
    if (shards === this.endangered) return;
    this.endangered = shards;
    if (shards !== '') this.host.log.warn('quorum-endangered', { shards: endangered });
  }
}

function hasArrived({ raft }: Replica, { replicas }: ShardEntry): boolean {
  return isArrived(replicas, raft.committedMembership.membership) && isArrived(replicas, raft.membership);
}
