/**
 * The topology between nodes: each frame says what its sender has synced; who sees a higher epoch asks for it. Changes go to the node that
 * decides (topology/decision.ts).
 *
 * A TOPOLOGY section: what it is u8, then for TOLD the topology, for CHANGE a proposed change, both as JSON.
 */
import type { Log } from '../log.ts';
import { raiseProblem } from '../topology/cluster-version.ts';
import type { ProposedChange } from '../topology/change.ts';
import { decide, deciderOf, textOf, type Decision } from '../topology/decision.ts';
import { isNewer, type TopologyRegister } from '../topology/register.ts';
import { decodeChange, decodeTopology, encodeChange, encodeTopology } from '../topology/topology-codec.ts';
import type { NodeEntry, NodeId, Topology } from '../topology/types.ts';
import { SectionKind, type PeerLink } from '../transport/types.ts';

const What = { ASK: 0, TOLD: 1, CHANGE: 2 } as const;
const ASK_AGAIN_MS = 500;
const NONE = Buffer.alloc(0);

export interface SpreadHost {
  readonly self: NodeId;
  readonly register: TopologyRegister;
  links(): ReadonlyMap<NodeId, PeerLink>;
  /** The newest cluster version that this node runs. */
  readonly newestVersion: number;
  nowMs(): number;
  wake(): void;
  fatal(error: unknown): void;
  readonly log: Log;
}

export class TopologySpread {
  private readonly host: SpreadHost;
  private nextAskMs = 0;
  /** A decision that is being synced: none may be made beside it. */
  private isDeciding = false;

  constructor(host: SpreadHost) {
    this.host = host;
  }

  private get current(): Topology {
    const { current } = this.host.register;
    if (current === null) throw new TypeError('a node that has a mesh has a topology');
    return current;
  }

  /** Called now and then: asks one of those who have synced a higher epoch. */
  look(): void {
    const nowMs = this.host.nowMs();
    if (nowMs < this.nextAskMs) return;
    for (const link of this.host.links().values()) {
      if (!link.connected || !isNewer(link.peerEpoch, this.current)) continue;
      this.nextAskMs = nowMs + ASK_AGAIN_MS;
      this.send(link, What.ASK, NONE);
      return;
    }
  }

  /** False when the section is malformed. */
  onSection(peer: PeerLink, bytes: Buffer, start: number, end: number): boolean {
    const body = bytes.subarray(start + 1, end);
    switch (bytes[start]) {
      case What.ASK:
        this.send(peer, What.TOLD, encodeTopology(this.current));
        return body.length === 0;
      case What.TOLD:
        return this.onTold(body);
      case What.CHANGE:
        return this.onChange(body);
      default:
        return false;
    }
  }

  /** Has it decided: here, or by the node that decides, which may not answer; then it is proposed again later. */
  propose(proposed: ProposedChange): void {
    const decider = deciderOf(this.current);
    const link = this.host.links().get(decider);
    if (decider === this.host.self) void this.decideHere(proposed);
    else if (link?.connected === true) this.send(link, What.CHANGE, encodeChange(proposed));
  }

  /** Resolves once the decision is synced. Refuses what another node has to decide. */
  async decideHere(proposed: ProposedChange): Promise<Decision> {
    if (this.isDeciding) return { kind: 'refused', reason: 'another change is being decided' };
    const decision = decide(this.current, proposed);
    if (decision.kind === 'refused') return decision;
    const problem = this.versionProblem(proposed);
    if (problem !== null) return { kind: 'refused', reason: problem };
    const { topology } = decision;
    const decider = deciderOf(topology);
    if (decider !== this.host.self) return { kind: 'refused', reason: `node ${decider} decides that` };
    this.isDeciding = true;
    try {
      await this.host.register.offer(topology);
      const kept = this.current;
      if (kept.generation !== topology.generation || kept.epoch !== topology.epoch)
        return { kind: 'refused', reason: 'a newer topology came in between' };
      this.host.log.info('topology-decided', { epoch: textOf(topology), change: proposed.change.kind });
      return decision;
    } catch (error) {
      this.host.fatal(error);
      return { kind: 'refused', reason: 'the disk of the node that decides has failed' };
    } finally {
      this.isDeciding = false;
    }
  }

  /** An operator raises the cluster version when all nodes run it: who cannot be asked may be of an older build. */
  private versionProblem({ change }: ProposedChange): string | null {
    if (change.kind !== 'raise-version') return null;
    return raiseProblem(change.version, this.current.nodes, (node) => {
      if (node === this.host.self) return this.host.newestVersion;
      const link = this.host.links().get(node);
      return link?.connected === true ? link.peerVersion : null;
    });
  }

  /**
   * Whether a majority of the nodes, but for one that is to be told, has synced the topology: then no change of it is forgotten by the loss of
   * one disk.
   */
  isKept(topology: Topology, but?: NodeId): boolean {
    const nodes = topology.nodes.filter((node) => node.id !== but && !holdsNothing(topology, node));
    const holding = nodes.filter(({ id }) => this.has(id, topology)).length;
    return holding * 2 > nodes.length;
  }

  /** Whether somebody is known to have synced a newer one. */
  get isBehind(): boolean {
    for (const link of this.host.links().values()) if (isNewer(link.peerEpoch, this.current)) return true;
    return false;
  }

  /** Whether the node is known to have synced the topology, or a newer one. */
  has(node: NodeId, topology: Topology): boolean {
    if (node === this.host.self) return true;
    const link = this.host.links().get(node);
    return link !== undefined && !isNewer(topology, link.peerEpoch);
  }

  private onTold(body: Buffer): boolean {
    const topology = decodeTopology(body);
    if (topology === null || topology.clusterId !== this.current.clusterId) return false;
    this.host.register.offer(topology).catch((error: unknown) => this.host.fatal(error));
    return true;
  }

  private onChange(body: Buffer): boolean {
    const proposed = decodeChange(body);
    if (proposed === null) return false;
    void this.decideHere(proposed);
    return true;
  }

  private send(link: PeerLink, what: number, body: Buffer): void {
    const section = link.section(SectionKind.TOPOLOGY);
    // Sections of one kind are gathered into one: this one must be alone in its frame.
    if (section.sizeBytes > 0) return;
    section.u8(what);
    section.bytes(body, 0, body.length);
    this.host.wake();
  }
}

/** It has left but for its entry: nobody waits for it any more. */
function holdsNothing({ shards }: Topology, { id, leaving }: NodeEntry): boolean {
  return leaving === true && !shards.some(({ replicas }) => replicas.some(({ node }) => node === id));
}
