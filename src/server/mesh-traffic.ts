/** What comes from other nodes, given to those whom it concerns. */
import type { Engine } from '../shard/engine.ts';
import type { NodeId } from '../topology/types.ts';
import { MalformedSectionError } from '../transport/malformed.ts';
import { SectionKind, type MeshHandler, type PeerLink } from '../transport/types.ts';
import type { ForwardingCounters, PeerForwarding } from './forwarding.ts';
import type { Holders } from './holders.ts';
import type { NodeMoves } from './moves/node-moves.ts';
import type { News } from './news.ts';
import type { NodeGossip } from './node-gossip.ts';
import type { RaftWire } from './raft-wire.ts';
import type { SlotLoadsDesk } from './slot-loads.ts';
import type { TopologySpread } from './topology-spread.ts';

export class MeshTraffic implements MeshHandler {
  private readonly forwardings = new Map<NodeId, PeerForwarding>();
  /** The same, for what runs each turn. */
  private peers: PeerForwarding[] = [];
  private readonly engine: Engine;
  private readonly counters: ForwardingCounters;
  private wire: RaftWire | null = null;
  private news: News | null = null;
  private holders: Holders | null = null;
  private spread: TopologySpread | null = null;
  private loads: SlotLoadsDesk | null = null;
  private moves: NodeMoves | null = null;
  private gossip: NodeGossip | null = null;
  private isOpen = false;

  constructor(engine: Engine, counters: ForwardingCounters) {
    this.engine = engine;
    this.counters = counters;
  }

  /** The mesh has these links now. */
  follow(links: ReadonlyMap<NodeId, PeerLink>, make: (link: PeerLink) => PeerForwarding): void {
    for (const [node, forwarding] of this.forwardings) {
      if (links.get(node) === forwarding.link) continue;
      forwarding.forget();
      this.forwardings.delete(node);
    }
    for (const link of links.values()) {
      if (!this.forwardings.has(link.node)) this.forwardings.set(link.node, make(link));
    }
    this.peers = [...this.forwardings.values()];
  }

  to(node: NodeId): PeerForwarding | undefined {
    return this.forwardings.get(node);
  }

  /** What comes before is dropped, as on any network. */
  open(
    wire: RaftWire,
    news: News,
    holders: Holders,
    spread: TopologySpread,
    loads: SlotLoadsDesk,
    moves: NodeMoves,
    gossip: NodeGossip,
  ): void {
    this.loads = loads;
    this.moves = moves;
    this.spread = spread;
    this.gossip = gossip;
    this.wire = wire;
    this.news = news;
    this.holders = holders;
    this.isOpen = true;
    for (const { link } of this.peers) if (link.connected) gossip.connected(link);
  }

  close(): void {
    this.isOpen = false;
  }

  onSection(peer: PeerLink, kind: SectionKind, bytes: Buffer, start: number, end: number): void {
    if (!this.isOpen) return;
    const { engine } = this;
    const now = engine.readClock();
    switch (kind) {
      case SectionKind.RAFT:
      case SectionKind.HEARTBEATS:
        this.wire?.receive(engine, peer.node, kind, bytes, start, end);
        break;
      case SectionKind.FORWARD:
        this.check('FORWARD', this.forwardings.get(peer.node)?.onForward(bytes, start, end, now));
        engine.wake();
        break;
      case SectionKind.REPLIES:
        this.check('REPLIES', this.forwardings.get(peer.node)?.onReplies(bytes, start, end, now));
        engine.wake();
        break;
      case SectionKind.HINTS:
        this.check('HINTS', this.news?.hear(peer, bytes, start, end));
        break;
      case SectionKind.ASK:
        this.check('ASK', this.holders?.onAsk(peer, bytes, start, end));
        break;
      case SectionKind.ANSWER:
        this.check('ANSWER', this.holders?.onAnswer(bytes, start, end));
        break;
      case SectionKind.TOPOLOGY:
        this.check('TOPOLOGY', this.spread?.onSection(peer, bytes, start, end));
        break;
      case SectionKind.LOADS:
        this.check('LOADS', this.loads?.onSection(peer, bytes, start, end));
        break;
      case SectionKind.MOVES:
        this.check('MOVES', this.moves?.onSection(peer, bytes, start, end));
        break;
      case SectionKind.GOSSIP:
        this.check('GOSSIP', this.gossip?.onSection(peer, bytes, start, end));
        break;
      case SectionKind.PARCELS:
      case SectionKind.ACKNOWLEDGED:
        this.check(`kind ${kind}`, false);
    }
  }

  /** The mesh closes the connection that brought what is malformed. */
  private check(what: string, isGood: boolean | undefined): void {
    if (isGood !== false) return;
    this.counters.malformed += 1;
    throw new MalformedSectionError(`a section ${what} is malformed`);
  }

  onParcelPart(peer: PeerLink, kind: SectionKind, bytes: Buffer, filledBytes: number): void {
    if (kind !== SectionKind.REPLIES) return;
    this.forwardings.get(peer.node)?.onReplyPart(bytes, filledBytes, this.engine.readClock());
  }

  onParcelsTaken(peer: PeerLink): void {
    if (this.forwardings.get(peer.node)?.hasDelayed === true) this.engine.wake();
  }

  onConnected(peer: PeerLink): void {
    this.forwardings.get(peer.node)?.connected();
    this.news?.greet(peer);
    if (this.isOpen) this.gossip?.connected(peer);
    this.engine.wake();
  }

  onDisconnected(peer: PeerLink): void {
    this.engine.readClock();
    if (this.isOpen) this.gossip?.disconnected(peer);
    this.engine.wake();
  }

  // --- the turn

  serveDelayed(): void {
    for (const forwarding of this.peers) if (forwarding.hasDelayed) forwarding.serveDelayed(this.engine.now);
  }

  /** Long replies go on. */
  pump(): void {
    for (const forwarding of this.peers) forwarding.pump(this.engine.now);
  }
}
