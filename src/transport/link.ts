import { assert } from '../assert.ts';
import type { Address, Timer } from '../env/contracts.ts';
import type { Log } from '../log.ts';
import type { Announcement, Epoch, NodeId } from '../topology/types.ts';
import { Connection } from './connection.ts';
import type { ConnectionEvents } from './connection.ts';
import { eachSection, FrameBuilder, frameEpoch, frameGeneration } from './frame.ts';
import { MalformedSectionError } from './malformed.ts';
import { IncomingParcels, OutgoingParcels } from './parcels.ts';
import { PastSeen } from './past.ts';
import type { PeerSession } from './peer-port.ts';
import { CLOSE_NORMAL, CLOSE_REPLACED } from './peer-port.ts';
import { SectionKind } from './types.ts';
import type { MeshHandler, Parcel, PeerLink, SectionWriter } from './types.ts';

/** The two connections of a pair. */
export type LinkChannel = 'control' | 'bulk';
/** A section of this size goes before the turn ends: whatever is written into the next one, no frame is longer than its receiver takes. */
const SECTION_FULL_BYTES = 4 * 1024 * 1024;
/** Fewer failures in a row are those of nodes that start one after the other. */
const UNREACHABLE_AFTER_FAILURES = 5;
const CHANNELS: readonly LinkChannel[] = ['control', 'bulk'];

export interface LinkLimits {
  /** Queued on the control connection; beyond, the peer is too slow and the connection starts anew. */
  controlBufferLimitBytes: number;
  /** Queued on the bulk connection; beyond, `sendBulk` refuses. */
  bulkBufferLimitBytes: number;
  /** A connection on which nothing was heard for so long is cut: the peer is gone, or the line is. */
  silenceLimitMs: number;
  redialMinMs: number;
  redialMaxMs: number;
  /** The side that does not dial by rule does so after this long alone: the other may know an old address only. */
  reverseDialMs: number;
}

/** What a link needs of its mesh. */
export interface LinkHost {
  readonly handler: MeshHandler;
  readonly limits: LinkLimits;
  readonly log: Log;
  nowMs(): number;
  /** A uniform number in [0, 1). */
  random(): number;
  after(delayMs: number, run: () => void): Timer;
  epoch(): { generation: number; epoch: number };
  dial(
    link: Link,
    channel: LinkChannel,
    address: Address,
    failed: (unreachable: Error | null) => void,
  ): Timer;
  echoOwed(connection: Connection): void;
  /** The link has something to send that must not wait for the node's own flush. */
  flushOwed(link: Link): void;
}

/** One direction of dialing: when to try again. */
interface Redial {
  timer: Timer | null;
  dialing: Timer | null;
  failures: number;
}

export class Link implements PeerLink {
  readonly node: NodeId;
  connection = 0;
  connectedMs = 0;
  peerStart = 0;
  /** Outlives connections: what they have to agree with. */
  readonly past = new PastSeen();
  peerVersion = 0;
  readonly peerEpoch: Epoch = { generation: 0, epoch: 0 };
  announced: Announcement | null = null;
  sentBytes = 0;
  receivedBytes = 0;
  private readonly host: LinkHost;
  private readonly dials: boolean;
  private readonly frame = new FrameBuilder();
  private readonly outgoing = new OutgoingParcels();
  private readonly incoming: IncomingParcels;
  private readonly redials: Record<LinkChannel, Redial> = {
    control: { timer: null, dialing: null, failures: 0 },
    bulk: { timer: null, dialing: null, failures: 0 },
  };
  private readonly sockets: Record<LinkChannel, Connection | null> = { control: null, bulk: null };
  private address: Address;
  /** As the topology had it last: what a node says itself, when they meet, the topology may not know yet. */
  private told: Address;
  private closed = false;

  constructor(host: LinkHost, node: NodeId, address: Address, dials: boolean) {
    this.host = host;
    this.node = node;
    this.address = address;
    this.told = address;
    this.dials = dials;
    this.incoming = new IncomingParcels({
      whole: (kind, bytes) => host.handler.onSection(this, kind, bytes, 0, bytes.length),
      part: (kind, bytes, filledBytes) => host.handler.onParcelPart(this, kind, bytes, filledBytes),
    });
  }

  get connected(): boolean {
    return this.sockets.control !== null;
  }

  get bufferedBytes(): number {
    return (this.sockets.control?.bufferedBytes ?? 0) + (this.sockets.bulk?.bufferedBytes ?? 0);
  }

  get queuedBytes(): number {
    return (this.sockets.control?.bufferedBytes ?? 0) + this.frame.sizeBytes;
  }

  get unsentBytes(): number {
    return this.queuedBytes + this.outgoing.unsentBytes;
  }

  get roundTripMs(): number {
    return this.sockets.control?.roundTripMs ?? 0;
  }

  section(kind: SectionKind): SectionWriter {
    const { control } = this.sockets;
    assert(control !== null, 'sections are written to a connected peer');
    const section = this.frame.section(kind);
    if (section.sizeBytes < SECTION_FULL_BYTES) return section;
    this.sendFrame(control);
    return this.frame.section(kind);
  }

  sendParcel(kind: SectionKind, head: Buffer, bytes: Buffer, start: number, end: number): Parcel {
    assert(this.connected, 'parcels are sent to a connected peer');
    return this.outgoing.add(kind, head, bytes, start, end);
  }

  sendBulk(kind: SectionKind, bytes: Uint8Array): boolean {
    const connection = this.sockets.bulk;
    if (connection === null) return false;
    const queued = connection.bufferedBytes;
    if (queued > 0 && queued + bytes.length > this.host.limits.bulkBufferLimitBytes) return false;
    this.sentBytes += connection.sendSection(kind, bytes);
    return true;
  }

  start(): void {
    for (const channel of CHANNELS) this.planDial(channel);
  }

  /** Where the topology has it now: the next dials go there. */
  isAt(address: Address): void {
    if (address.host === this.told.host && address.port === this.told.port) return;
    this.told = address;
    this.address = address;
  }

  /** It said so itself; what the topology has is older. */
  wasMetAt(address: Address): void {
    if (this.connected) return;
    this.address = address;
  }

  flush(): void {
    const connection = this.sockets.control;
    if (connection === null) return;
    if (this.outgoing.canWrite) this.outgoing.write(this.section(SectionKind.PARCELS));
    if (this.frame.empty) return;
    this.sendFrame(connection);
    if (connection.bufferedBytes > this.host.limits.controlBufferLimitBytes) {
      connection.terminate();
      this.lost('control', connection, 'it takes its messages too slowly');
    }
  }

  private sendFrame(connection: Connection): void {
    this.sentBytes += connection.sendFrame(this.frame);
  }

  /** Takes over a connection that has proven itself; it replaces an older one, which the other side has given up. */
  attach(session: PeerSession, channel: LinkChannel): Connection {
    const connection: Connection = new Connection(
      session.socket,
      this.eventsOf(channel, () => connection),
    );
    const older = this.sockets[channel];
    if (older !== null) {
      this.lost(channel, older, 'a newer connection takes its place');
      older.close(CLOSE_REPLACED, 'a newer connection takes its place');
    }
    this.stopDialing(channel);
    this.redials[channel].failures = 0;
    this.sockets[channel] = connection;
    this.past.met(session.remote.past);
    this.peerStart = session.remote.past.start;
    this.peerVersion = session.remote.versionMax;
    this.announced = session.remote.announced;
    this.address = { host: this.announced.host, port: this.announced.peerPort };
    connection.askEcho();
    connection.sendEchoes();
    if (channel === 'control') this.connect();
    return connection;
  }

  heardSyncedEnd(position: number): void {
    this.past.heard(position);
  }

  /** Asks for echoes, and cuts what has been silent too long. */
  check(nowMs: number, stoodStill: boolean): void {
    for (const channel of CHANNELS) {
      const connection = this.sockets[channel];
      if (connection === null) continue;
      if (stoodStill) connection.forgiveSilence();
      if (connection.silentMs(nowMs) > this.host.limits.silenceLimitMs) {
        connection.terminate();
        this.lost(channel, connection, 'it has been silent too long');
        continue;
      }
      connection.askEcho();
      connection.sendEchoes();
    }
  }

  close(reason: string): void {
    this.closed = true;
    for (const channel of CHANNELS) {
      this.stopDialing(channel);
      const connection = this.sockets[channel];
      if (connection === null) continue;
      this.lost(channel, connection);
      connection.close(CLOSE_NORMAL, reason);
    }
  }

  private get who(): { peer: NodeId; address: string } {
    return { peer: this.node, address: `${this.address.host}:${this.address.port}` };
  }

  private connect(): void {
    this.connection += 1;
    this.connectedMs = this.host.nowMs();
    this.host.log.info('peer-connected', this.who);
    this.host.handler.onConnected(this);
  }

  private eventsOf(channel: LinkChannel, self: () => Connection): ConnectionEvents {
    const { host } = this;
    const { handler } = host;
    const deliver = (kind: SectionKind, bytes: Buffer, start: number, end: number): void => {
      if (kind === SectionKind.PARCELS) this.takeParcels(bytes, start, end);
      else if (kind === SectionKind.ACKNOWLEDGED) this.parcelsTaken(bytes, start, end);
      else if (kind === SectionKind.RAFT || kind === SectionKind.HEARTBEATS)
        handler.onSection(this, kind, bytes, start, end);
      // All others may be kept.
      else handler.onSection(this, kind, Buffer.from(bytes.subarray(start, end)), 0, end - start);
    };
    return {
      nowMs: () => host.nowMs(),
      epoch: () => host.epoch(),
      // What a connection that was given up still delivers would come after its successor's: it is dropped.
      frame: (bytes, start, end) => {
        if (this.sockets[channel] !== self()) return;
        this.receivedBytes += end - start;
        this.hearEpoch(frameGeneration(bytes, start), frameEpoch(bytes, start));
        eachSection(bytes, start, end, deliver);
      },
      echoOwed: () => host.echoOwed(self()),
      malformed: (problem) => {
        this.lost(channel, self(), `it sent what this node cannot read: ${problem}`);
      },
      closed: () => this.lost(channel, self()),
    };
  }

  /** Epochs only rise: one from an older connection may come late. */
  private hearEpoch(generation: number, epoch: number): void {
    const { peerEpoch } = this;
    if (generation < peerEpoch.generation) return;
    if (generation === peerEpoch.generation && epoch <= peerEpoch.epoch) return;
    peerEpoch.generation = generation;
    peerEpoch.epoch = epoch;
  }

  private takeParcels(bytes: Buffer, start: number, end: number): void {
    this.incoming.receive(bytes, start, end);
    // What they brought may have led to the connection's end.
    if (!this.connected) return;
    this.incoming.acknowledge(this.section(SectionKind.ACKNOWLEDGED));
    this.host.flushOwed(this);
  }

  private parcelsTaken(bytes: Buffer, start: number, end: number): void {
    if ((end - start) % 4 !== 0) throw new MalformedSectionError('an acknowledgement is cut short');
    for (let at = start; at < end; at += 4) this.outgoing.acknowledged(bytes.readUInt32LE(at));
    this.host.flushOwed(this);
    this.host.handler.onParcelsTaken(this);
  }

  /** `reason`: why this node cut it. */
  private lost(channel: LinkChannel, connection: Connection, reason?: string): void {
    if (this.sockets[channel] !== connection) return;
    this.sockets[channel] = null;
    const fields = { ...this.who, ...(reason === undefined ? {} : { reason }) };
    if (this.closed || channel === 'bulk') this.host.log.debug('peer-disconnected', { ...fields, channel });
    else this.host.log.warn('peer-disconnected', fields);
    if (channel === 'control') {
      this.frame.clear();
      this.outgoing.clear();
      this.incoming.clear();
      this.host.handler.onDisconnected(this);
    }
    this.planDial(channel);
  }

  private planDial(channel: LinkChannel): void {
    const redial = this.redials[channel];
    if (this.closed || redial.timer !== null || redial.dialing !== null) return;
    redial.timer = this.host.after(this.dialDelayMs(redial), () => {
      redial.timer = null;
      redial.dialing = this.host.dial(this, channel, this.address, (unreachable) => {
        redial.dialing = null;
        redial.failures += 1;
        if (unreachable !== null && channel === 'control' && redial.failures === UNREACHABLE_AFTER_FAILURES)
          this.host.log.warn('peer-unreachable', { ...this.who, reason: unreachable.message });
        if (this.sockets[channel] === null) this.planDial(channel);
      });
    });
  }

  /** Doubles with each failure; the jitter keeps nodes that lost each other at once from meeting at once. */
  private dialDelayMs(redial: Redial): number {
    const { redialMinMs, redialMaxMs, reverseDialMs } = this.host.limits;
    const ceilingMs = Math.min(redialMaxMs, redialMinMs * 2 ** Math.min(redial.failures, 20));
    const jitteredMs = ceilingMs * (0.5 + this.host.random() / 2);
    if (this.dials) return redial.failures === 0 ? jitteredMs * this.host.random() : jitteredMs;
    return reverseDialMs * (1 + this.host.random()) + jitteredMs;
  }

  private stopDialing(channel: LinkChannel): void {
    const redial = this.redials[channel];
    redial.timer?.cancel();
    redial.dialing?.cancel();
    redial.timer = null;
    redial.dialing = null;
  }
}
