/**
 * The topology between nodes: each frame says what its sender has synced; who sees a higher epoch asks for it. The register's Paxos travels here,
 * too, and the voters are kept to what they should be.
 *
 * A TOPOLOGY section: parts, each: what it is u8, size u32, then for TOLD the topology, for PAXOS a message, both as JSON.
 */
import { readU32 } from '../little-endian.ts';
import type { Log } from '../log.ts';
import type { PaxosCounts, PaxosMessage } from '../paxos/types.ts';
import type { AcceptorFile } from '../topology/acceptor-file.ts';
import { Agreement } from '../topology/agreement.ts';
import { raiseProblem } from '../topology/cluster-version.ts';
import type { ProposedChange } from '../topology/change.ts';
import type { Decision } from '../topology/decision.ts';
import { decodePaxosMessage, encodePaxosMessage } from '../topology/paxos-codec.ts';
import { isNewer, type TopologyRegister } from '../topology/register.ts';
import { decodeTopology, encodeTopology } from '../topology/topology-codec.ts';
import type { Epoch, NodeId, ShardId, Topology } from '../topology/types.ts';
import { nextVoters } from '../topology/voters.ts';
import { SectionKind, type PeerLink } from '../transport/types.ts';

const What = { ASK: 0, TOLD: 1, PAXOS: 2 } as const;
const HEAD_BYTES = 5;
const ASK_AGAIN_MS = 500;
/** How often it is seen whether the voters are those that they should be. */
const VOTERS_LOOK_MS = 1000;
/** A voter that is gone for so long is silent. */
const SILENT_AFTER_MS = 5000;
/** The first of the nodes that are there does what one has to do; the next one, when that has not come about for so long, and so on. */
const TURN_MS = 5000;
const NONE = Buffer.alloc(0);

export interface SpreadHost {
  readonly self: NodeId;
  /** Of the data directory. */
  readonly start: number;
  readonly register: TopologyRegister;
  readonly acceptor: AcceptorFile;
  links(): ReadonlyMap<NodeId, PeerLink>;
  /** For how long the node has been dead, as the nodes say; 0: it lives. */
  goneMs(node: NodeId): number;
  /** Somebody has said that there is a newer one. */
  knowsNewer(epoch: Epoch): boolean;
  /** Whether somebody leads the shard now. */
  isLed(shard: ShardId): boolean;
  /** The newest cluster version that this node runs. */
  readonly newestVersion: number;
  uint32(): number;
  nowMs(): number;
  wake(): void;
  fatal(error: unknown): void;
  readonly log: Log;
}

export class TopologySpread {
  readonly agreement: Agreement;
  private readonly host: SpreadHost;
  /** Since when the voters of this epoch are not those that they should be. */
  private unfit: { on: Topology; sinceMs: number } | null = null;
  /** Since when a newer one is heard of, and nobody is there to be asked for it. */
  private behind: { on: Topology; sinceMs: number } | null = null;
  /** Proposals of this node itself that wait for their decision. */
  private readonly proposed = new Set<string>();
  private nextAskMs = 0;
  private nextVotersMs: number;

  constructor(host: SpreadHost) {
    this.host = host;
    const { self, start, register, acceptor, log } = host;
    this.nextVotersMs = host.nowMs() + VOTERS_LOOK_MS;
    this.agreement = new Agreement(
      {
        self,
        start,
        register,
        acceptor,
        uint32: () => host.uint32(),
        nowMs: () => host.nowMs(),
        send: (to, message) => this.sendPaxos(to, message),
        problemOf: (proposed) => this.problemOf(proposed),
        fatal: (error) => host.fatal(error),
        log,
      },
      this.current,
    );
  }

  get counts(): Readonly<PaxosCounts> {
    return this.agreement.counts;
  }

  private get current(): Topology {
    const { current } = this.host.register;
    if (current === null) throw new TypeError('a node that has a mesh has a topology');
    return current;
  }

  /** Called now and then: asks one of those who have synced a higher epoch. */
  look(): void {
    const nowMs = this.host.nowMs();
    this.agreement.tick();
    this.lookAtVoters(nowMs);
    if (!this.isBehind) this.behind = null;
    else if (!this.askNewer(nowMs)) this.askVoters(nowMs);
  }

  /** False when nobody who has a newer one is there. */
  private askNewer(nowMs: number): boolean {
    for (const link of this.host.links().values()) {
      if (!link.connected || !isNewer(link.peerEpoch, this.current)) continue;
      this.behind = null;
      if (nowMs < this.nextAskMs) return true;
      this.nextAskMs = nowMs + ASK_AGAIN_MS;
      this.send(link, What.ASK, NONE);
      return true;
    }
    return false;
  }

  /** All that have learned the newer one may be gone, and those that accepted it not know that it was decided: to propose anything tells. */
  private askVoters(nowMs: number): void {
    const { current } = this;
    if (this.behind?.on !== current) this.behind = { on: current, sinceMs: nowMs };
    if (nowMs - this.behind.sinceMs < (this.turn() + 1) * TURN_MS) return;
    this.behind = null;
    void this.agreement.findOut();
  }

  /** The place of this node among those that are there: they take turns, since the first may not reach the voters. */
  private turn(): number {
    const { host } = this;
    const there = this.current.nodes.filter(
      ({ id }) => id === host.self || host.goneMs(id) < SILENT_AFTER_MS,
    );
    return there.toSorted((a, b) => a.ordinal - b.ordinal).findIndex(({ id }) => id === host.self);
  }

  /** False when the section is malformed. */
  onSection(peer: PeerLink, bytes: Buffer, start: number, end: number): boolean {
    for (let at = start; at < end;) {
      if (at + HEAD_BYTES > end) return false;
      const next = at + HEAD_BYTES + readU32(bytes, at + 1);
      if (next > end || !this.onPart(peer, bytes[at], bytes.subarray(at + HEAD_BYTES, next))) return false;
      at = next;
    }
    return true;
  }

  /** Has it decided; if it is not, it is proposed again later. */
  propose(proposed: ProposedChange): void {
    const key = JSON.stringify(proposed);
    if (this.proposed.has(key)) return;
    this.proposed.add(key);
    void this.agreement.propose(proposed).finally(() => this.proposed.delete(key));
  }

  /** Resolves once the decision is synced here, or there is none. */
  decide(proposed: ProposedChange): Promise<Decision> {
    return this.agreement.propose(proposed);
  }

  recover(on: Epoch, survivors: readonly NodeId[], bound: readonly NodeId[]): Promise<Decision> {
    return this.agreement.recover(on, survivors, bound);
  }

  /** Whether a majority of the voters has synced the topology: whoever goes on from what some survivor holds, goes on from this or a newer one. */
  isKept(topology: Topology): boolean {
    return this.isKeptSince(topology, topology);
  }

  /** Whether a majority of the voters has synced that epoch, or a newer one. */
  isKeptSince({ voters }: Topology, epoch: Epoch): boolean {
    const holding = voters.filter((id) => this.has(id, epoch)).length;
    return holding * 2 > voters.length;
  }

  /** Whether the node is known to have synced the topology of that epoch, or a newer one. */
  has(node: NodeId, epoch: Epoch): boolean {
    if (node === this.host.self) return true;
    const link = this.host.links().get(node);
    return link !== undefined && !isNewer(epoch, link.peerEpoch);
  }

  /**
   * A shard that is led is not lost. An operator raises the cluster version when all nodes run it: who cannot be asked may be of an older build.
   */
  private problemOf({ change }: ProposedChange): string | null {
    if (change.kind === 'give-up-shard' && this.host.isLed(change.shard))
      return `shard ${change.shard} has a leader: nothing of it is lost`;
    if (change.kind !== 'raise-version') return null;
    return raiseProblem(change.version, this.current.nodes, (node) => {
      if (node === this.host.self) return this.host.newestVersion;
      const link = this.host.links().get(node);
      return link?.connected === true ? link.peerVersion : null;
    });
  }

  /** Whether somebody is known to have synced a newer one. */
  get isBehind(): boolean {
    if (this.host.knowsNewer(this.current)) return true;
    for (const link of this.host.links().values()) if (isNewer(link.peerEpoch, this.current)) return true;
    return false;
  }

  private lookAtVoters(nowMs: number): void {
    if (nowMs < this.nextVotersMs) return;
    this.nextVotersMs = nowMs + VOTERS_LOOK_MS;
    const { host } = this;
    const { current } = this;
    const isHeard = (node: NodeId): boolean => host.goneMs(node) < SILENT_AFTER_MS;
    const voters = nextVoters(current, isHeard, (node) => host.goneMs(node) === 0);
    if (voters === null) {
      this.unfit = null;
      return;
    }
    if (this.unfit?.on !== current) this.unfit = { on: current, sinceMs: nowMs };
    if (nowMs - this.unfit.sinceMs < this.turn() * TURN_MS) return;
    const { clusterId, generation, epoch } = current;
    this.propose({ clusterId, on: { generation, epoch }, change: { kind: 'set-voters', voters } });
  }

  private onPart(peer: PeerLink, what: number, body: Buffer): boolean {
    switch (what) {
      case What.ASK:
        this.send(peer, What.TOLD, encodeTopology(this.current));
        return body.length === 0;
      case What.TOLD:
        return this.onTold(body);
      case What.PAXOS:
        return this.onPaxos(peer, body);
      default:
        return false;
    }
  }

  private onTold(body: Buffer): boolean {
    const topology = decodeTopology(body);
    if (topology === null || topology.clusterId !== this.current.clusterId) return false;
    this.host.register.offer(topology).catch((error: unknown) => this.host.fatal(error));
    // There may be a newer one by now, as while slots move.
    this.nextAskMs = 0;
    return true;
  }

  private onPaxos(peer: PeerLink, body: Buffer): boolean {
    const message = decodePaxosMessage(body);
    if (message === null) return false;
    this.agreement.step(peer.node, message);
    return true;
  }

  private sendPaxos(to: NodeId, message: PaxosMessage<Topology>): void {
    const link = this.host.links().get(to);
    if (link?.connected === true) this.send(link, What.PAXOS, encodePaxosMessage(message));
  }

  private send(link: PeerLink, what: number, body: Buffer): void {
    const section = link.section(SectionKind.TOPOLOGY);
    section.u8(what);
    section.u32(body.length);
    section.bytes(body, 0, body.length);
    this.host.wake();
  }
}
