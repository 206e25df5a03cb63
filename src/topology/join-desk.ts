/** Answers nodes that ask to be taken into this node's cluster: has them added to the register, and tells them the topology that names them. */
import type { TokenHash } from '../../ring/index.ts';
import type { RemotePeer } from '../transport/handshake.ts';
import { applyChange, type TopologyChange } from './change.ts';
import { departedProblem } from './departed.ts';
import type { JoinAnswer, JoinRequest } from './join-codec.ts';
import { besideNew } from './replica-planner.ts';
import type { NodeEntry, NodeId, ShardId, Topology } from './types.ts';

/** What was proposed is proposed again after this, unless the topology has changed. */
const PROPOSE_AGAIN_MS = 1000;
/** Fewer digits of an id are none. */
export const LEAST_PREFIX = 4;

export interface JoinDeskHost {
  readonly replicationFactor: number;
  readonly hash: TokenHash;
  topology(): Topology;
  nowMs(): number;
  /** Whether most of the voters have synced it. */
  isKept(topology: Topology): boolean;
  propose(topology: Topology, change: TopologyChange): void;
  /** What people call it; null: it was not heard yet. */
  nameOf(node: NodeId): string | null;
  /** There is a connection to it now. */
  isConnected(node: NodeId): boolean;
  /** Not heard for some seconds. */
  isFailed(node: NodeId): boolean;
  /** Whether somebody leads the shard now. */
  isLed(shard: ShardId): boolean;
}

export class JoinDesk {
  private readonly host: JoinDeskHost;
  private proposedOn: Topology | null = null;
  private proposedMs = 0;

  constructor(host: JoinDeskHost) {
    this.host = host;
  }

  answer(remote: RemotePeer, request: JoinRequest): JoinAnswer {
    const { host } = this;
    const topology = host.topology();
    if (!host.isKept(topology)) return wait('most nodes of the cluster have to answer first');
    const wasOfIt = remote.clusterId === topology.clusterId;
    if (wasOfIt || topology.nodes.some(({ id }) => id === remote.node)) return { kind: 'told', topology };
    const change = this.changeFor(topology, remote, request.replaces);
    if ('kind' in change && (change.kind === 'wait' || change.kind === 'refused')) return change;
    const outcome = applyChange(topology, change);
    if (typeof outcome === 'string') return wait(outcome);
    this.propose(topology, change);
    return wait('the cluster takes this node in');
  }

  private changeFor(
    topology: Topology,
    { node: id, announced }: RemotePeer,
    replaces: string | null,
  ): TopologyChange | Exclude<JoinAnswer, { kind: 'told' }> {
    const gone = departedProblem(topology, id);
    if (gone !== null) return refused(gone);
    if (replaces !== null) {
      const found = this.called(topology, replaces);
      if (found.length !== 1) return refused(whyNotOne(replaces, found));
      const [old] = found;
      const why = this.whyNeeded(topology, old);
      return why ?? { kind: 'replace-node', node: old.id, by: { id, announced } };
    }
    const there = topology.nodes.find(
      ({ host, peerPort }) => host === announced.host && peerPort === announced.peerPort,
    );
    if (there !== undefined)
      return refused(
        `the place of ${there.host}:${there.peerPort} in cluster ${topology.clusterId} is node ${there.id}'s: bring its data directory ` +
          `back, or, when that is lost, start with --replace ${there.id}`,
      );
    const away = new Set(topology.nodes.map((node) => node.id).filter((node) => this.host.isFailed(node)));
    return { kind: 'add-node', id, announced, beside: besideNew(topology, this.host, announced, away) };
  }

  /** As by `torc node …`: its name, its number, the host and a port that it announces, or the beginning of its id. */
  private called({ nodes }: Topology, name: string): NodeEntry[] {
    const isAt = ({ host, clientPort, redirectPort, peerPort, adminPort }: NodeEntry): boolean =>
      [clientPort, redirectPort, peerPort, adminPort].some((port) => name === `${host}:${port}`);
    return nodes.filter(
      (node) =>
        this.host.nameOf(node.id) === name ||
        String(node.ordinal) === name ||
        isAt(node) ||
        (name.length >= LEAST_PREFIX && node.id.startsWith(name)),
    );
  }

  /** Why the cluster cannot do without the node now. */
  private whyNeeded({ shards }: Topology, entry: NodeEntry): Exclude<JoinAnswer, { kind: 'told' }> | null {
    const { id: old } = entry;
    const name = `${entry.host}:${entry.clientPort}`;
    if (this.host.isConnected(old))
      return refused(`node ${name} answers: stop it before another takes its place`);
    if (!this.host.isFailed(old)) return wait(`node ${name} was heard a moment ago: it may come back`);
    for (const { id, replicas, givenUp } of shards) {
      if (givenUp !== undefined) continue;
      if (!replicas.some(({ node }) => node === old)) continue;
      if (replicas.every(({ node }) => node === old))
        return refused(`node ${name} has the only replica of shard ${id}: bring its data directory back`);
      if (!this.host.isLed(id))
        return wait(
          `shard ${id} has no leader, and node ${name} may be needed for one: start the other nodes first`,
        );
    }
    return null;
  }

  private propose(topology: Topology, change: TopologyChange): void {
    const nowMs = this.host.nowMs();
    if (this.proposedOn === topology && nowMs < this.proposedMs + PROPOSE_AGAIN_MS) return;
    this.proposedOn = topology;
    this.proposedMs = nowMs;
    this.host.propose(topology, change);
  }
}

function whyNotOne(name: string, found: readonly NodeEntry[]): string {
  if (found.length === 0)
    return `the cluster has no node ${name}: torc node list shows them; one that no node has heard is called by its id, or host:port`;
  const each = found.map(({ id, host, clientPort }) => `${host}:${clientPort} (${id.slice(0, 12)})`);
  return `${name} is more than one node: ${each.join(', ')}: give host:port, or the beginning of the id`;
}

function wait(reason: string): { kind: 'wait'; reason: string } {
  return { kind: 'wait', reason };
}

function refused(reason: string): { kind: 'refused'; reason: string } {
  return { kind: 'refused', reason };
}
