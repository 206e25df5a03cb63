/**
 * The gossip of a node, over the control connections of the mesh and in the node's turns. What it says of other nodes is advice.
 *
 * A GOSSIP section: messages (gossip/codec.ts), each behind its length u32.
 */
import { decodeMessage, encodeMessage } from '../gossip/codec.ts';
import { Gossip } from '../gossip/gossip.ts';
import { MalformedGossipError } from '../gossip/malformed.ts';
import type { GossipEvent, GossipSettings, MemberState, Message, Metadata } from '../gossip/types.ts';
import { readU32 } from '../little-endian.ts';
import type { Log, LogEvent, LogFields } from '../log.ts';
import { latencyHistogram } from '../metrics/histogram.ts';
import { isNewer } from '../topology/register.ts';
import type { Epoch, NodeId, Topology } from '../topology/types.ts';
import { SectionKind, type PeerLink } from '../transport/types.ts';

const LENGTH_BYTES = 4;
/** Behind more than this on the line to a node, what is said there is out of date when it comes: it is not sent. */
const QUEUED_BYTES_MOST = 8 * 1024 * 1024;

export interface NodeGossipHost {
  readonly self: NodeId;
  readonly start: number;
  readonly settings: GossipSettings;
  readonly topology: Topology;
  links(): ReadonlyMap<NodeId, PeerLink>;
  nowMs(): number;
  /** The longest that the event loop was held since this was asked last. */
  worstDelayMs(): number;
  /** What this node says of itself now. */
  metadata(): Metadata;
  random(): number;
  wake(): void;
  readonly log: Log;
}

export class NodeGossip {
  readonly gossip: Gossip;
  readonly probeDuration = latencyHistogram();
  readonly traffic = { sentMessages: 0, sentBytes: 0, receivedMessages: 0, receivedBytes: 0 };
  private readonly host: NodeGossipHost;
  private nextDueMs = 0;
  /** Links whose connection has closed since the last look: one that a newer connection took the place of is open again by then. */
  private readonly closed = new Set<PeerLink>();

  constructor(host: NodeGossipHost) {
    const { self, start, settings } = host;
    this.host = host;
    const metadata = host.metadata();
    const random = (): number => host.random();
    this.gossip = new Gossip({ self, start, metadata, settings, lifeguard: true, random }, host.nowMs());
    this.follow(host.topology);
  }

  /** The nodes of the topology are known before they are heard. */
  follow(topology: Topology): void {
    this.gossip.expect(
      topology.nodes.map(({ id }) => id),
      this.host.nowMs(),
    );
    this.settle();
  }

  /** What this node says of itself may have changed. */
  announce(): void {
    this.gossip.announce(this.host.metadata(), this.host.nowMs());
    this.settle();
  }

  /** For how long the node has been dead, or has left, by what nodes say of each other; 0: it lives, as far as they know. */
  goneMs(node: NodeId): number {
    const member = this.gossip.member(node);
    if (member === undefined || member.isLive) return 0;
    return Math.max(1, this.host.nowMs() - member.sinceMs);
  }

  /** The topology that somebody is known to have is newer than this one. */
  knowsNewer(epoch: Epoch): boolean {
    return isNewer(this.gossip.epoch, epoch);
  }

  /** Called now and then, `lateMs` later than planned. */
  look(lateMs: number): void {
    const nowMs = this.host.nowMs();
    if (this.closed.size > 0) this.suspectClosed(nowMs);
    if (nowMs < this.nextDueMs) return;
    this.gossip.tick(nowMs, Math.max(lateMs, this.host.worstDelayMs()));
    this.settle();
  }

  connected(peer: PeerLink): void {
    this.gossip.connected(peer.node, this.host.nowMs());
    this.settle();
  }

  disconnected(peer: PeerLink): void {
    this.closed.add(peer);
  }

  private suspectClosed(nowMs: number): void {
    for (const { node, connected } of this.closed) if (!connected) this.gossip.disconnected(node, nowMs);
    this.closed.clear();
    this.settle();
  }

  /** This node stops in good order. */
  leave(): void {
    this.gossip.leave(this.host.nowMs());
    this.settle();
  }

  /** False when the section is malformed. */
  onSection(peer: PeerLink, bytes: Buffer, start: number, end: number): boolean {
    const messages = readMessages(bytes, start, end);
    if (messages === null) return false;
    const { gossip, traffic } = this;
    const nowMs = this.host.nowMs();
    traffic.receivedMessages += messages.length;
    traffic.receivedBytes += end - start;
    for (const message of messages) gossip.step(peer.node, message, nowMs);
    this.settle();
    return true;
  }

  private settle(): void {
    const { gossip } = this;
    for (const { to, message } of gossip.takeOutgoing()) this.send(to, message);
    for (const event of gossip.takeEvents()) this.tell(event);
    this.nextDueMs = gossip.nextDeadlineMs();
  }

  /** Lost when there is no connection, as on any network. */
  private send(to: NodeId, message: Message): void {
    const link = this.host.links().get(to);
    if (link?.connected !== true || link.queuedBytes > QUEUED_BYTES_MOST) return;
    const bytes = encodeMessage(message);
    const section = link.section(SectionKind.GOSSIP);
    section.u32(bytes.length);
    section.bytes(bytes, 0, bytes.length);
    this.traffic.sentMessages += 1;
    this.traffic.sentBytes += LENGTH_BYTES + bytes.length;
    this.host.wake();
  }

  private tell(event: GossipEvent): void {
    switch (event.kind) {
      case 'round-trip':
        this.probeDuration.record(event.durationMs);
        break;
      case 'refuted':
        this.host.log.warn('suspicion-refuted', { incarnation: event.incarnation });
        break;
      case 'state-changed':
        this.tellChange(event);
    }
  }

  private tellChange({ name, state, was, from }: Extract<GossipEvent, { kind: 'state-changed' }>): void {
    const { log, topology } = this.host;
    // Who is heard for the first time was told of as connected.
    if (state === 'alive' && was === null) return;
    const metadata = this.gossip.member(name)?.metadata;
    const { host, peerPort } = metadata ?? topology.nodes.find(({ id }) => id === name) ?? NOWHERE;
    const fields: LogFields = { peer: name, address: `${host}:${peerPort}`, by: from };
    if (state === 'alive' || state === 'left') log.info(EVENT_OF[state], fields);
    else log.warn(EVENT_OF[state], fields);
  }
}

const NOWHERE = { host: '', peerPort: 0 };

const EVENT_OF: Readonly<Record<MemberState, LogEvent>> = {
  alive: 'node-alive',
  suspect: 'node-suspected',
  dead: 'node-dead',
  left: 'node-left',
};

/** Null when the section is malformed. */
function readMessages(bytes: Buffer, start: number, end: number): Message[] | null {
  const messages: Message[] = [];
  try {
    for (let at = start; at < end;) {
      const from = at + LENGTH_BYTES;
      if (from > end) return null;
      at = from + readU32(bytes, at);
      if (at > end) return null;
      messages.push(decodeMessage(bytes, from, at));
    }
    return messages;
  } catch (error) {
    if (error instanceof MalformedGossipError) return null;
    throw error;
  }
}
