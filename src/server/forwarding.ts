/**
 * Commands and replies between this node and another: what it forwards there, and what it is asked to do for the other as a leader.
 *
 * A large command or reply travels beside the others, as a section of its own (transport/parcels.ts).
 *
 * A FORWARD record: correlation u32, stream u32, shard u16, kind u8, 0 u8, then the item. A REPLIES record: correlation u32, refusal u32 (0: a reply
 * follows; PIECE: one of its pieces), size u32, the reply. With MOVED it says where the slot has gone, if that is known: slot u16, shard u16, move f64;
 * with PARTED the slots that are not served, as ranges.
 */
import { readF64, readU16, readU32, writeF64, writeU16, writeU32 } from '../little-endian.ts';
import type { Instant } from '../raft/types.ts';
import { sessionId, type SessionId } from '../shard/batch.ts';
import {
  ItemType,
  commandSlot,
  isCommandItem,
  itemSize,
  itemType,
  rangeBytes,
  rangesIn,
} from '../shard/command-item.ts';
import { eachFloor, isFloorsItem } from '../shard/prelude.ts';
import type { Replica } from '../shard/replica.ts';
import {
  LARGE_REPLY_BYTES,
  PROGRESS_INTERVAL_MS,
  Refusal,
  type Elsewhere,
  type Waiter,
} from '../shard/waiter.ts';
import { rangesOf, slotsOf } from '../topology/slot-ranges.ts';
import type { ShardId } from '../topology/types.ts';
import { SectionKind, type PeerLink } from '../transport/types.ts';
import { DelayedRecords } from './delayed-records.ts';
import { ForwardWindow } from './forward-window.ts';
import { IncomingReplies, OutgoingReplies, sizeOf } from './long-replies.ts';
import { elsewhereOf } from './moves/elsewhere.ts';
import type { Request } from './request.ts';
import type { Target } from './route.ts';

const FORWARD_HEADER_BYTES = 12;
const REPLY_HEADER_BYTES = 12;
const ELSEWHERE_BYTES = 12;

/** While so much is on its way to a peer its reads wait: a few bytes can ask for gigabytes. */
const UNSENT_MAX_BYTES = 128 * 1024 * 1024;
/** And while so much, one that had waited for the log already is refused, to be asked again. */
const UNSENT_LIMIT_BYTES = 4 * UNSENT_MAX_BYTES;
/**
 * While more waits for the line to a peer, commands for it wait here, and its reads there: heartbeats go behind all that waits. Parcels and
 * pieces of long replies have limits of their own.
 */
const QUEUED_MAX_BYTES = 4 * 1024 * 1024;
/** Large commands on their way to a leader; what would exceed them is refused. */
const SENDING_MAX_BYTES = 512 * 1024 * 1024;

const Kind = { WRITE: 0, READ: 1, RIDING_READ: 2, FLOORS: 3 } as const;

/** In the place of a refusal: a piece of a long reply, more follow. One with nothing in it says that the reply is being made. */
const PIECE = 0xffff_ffff;
/** What waits for the line to a peer looks so often whether it has taken some. */
const LINE_WAIT_MS = 2;

const NONE = Buffer.alloc(0);
const NOT_ADMITTED = Buffer.from(
  "-ERR the shard's leader does not know this command: it runs another version\r\n",
);
/** A reply that is longer is not forwarded: the peer has to keep it whole. */
const REPLY_MAX_BYTES = 512 * 1024 * 1024;
const REPLY_TOO_LONG = Buffer.from('-ERR the reply is too long to be sent from another node\r\n');

/** A write that has run cannot be asked again. */
const REPLY_LOST = Buffer.from(
  '-REPLYLOST the command ran; too many replies are on their way to the node that was asked\r\n',
);

function encodeElsewhere({ slot, shard, move }: Elsewhere): Buffer {
  const bytes = Buffer.alloc(ELSEWHERE_BYTES);
  writeU16(bytes, slot, 0);
  writeU16(bytes, shard, 2);
  writeF64(bytes, move, 4);
  return bytes;
}

function decodeElsewhere(bytes: Buffer, from: number, to: number): Elsewhere | undefined {
  if (to - from !== ELSEWHERE_BYTES) return undefined;
  return { slot: readU16(bytes, from), shard: readU16(bytes, from + 2), move: readF64(bytes, from + 4) };
}

/** A command that another node forwarded to a shard led here. */
export class ForwardedCommand implements Waiter {
  readonly peer: PeerForwarding;
  private readonly connection: number;
  private readonly correlation: number;
  readonly shard: ShardId;
  readonly stream: number;
  private readonly isRead: boolean;
  private readonly slot: number;

  constructor(
    peer: PeerForwarding,
    connection: number,
    correlation: number,
    shard: ShardId,
    stream: number,
    isRead: boolean,
    slot: number,
  ) {
    this.isRead = isRead;
    this.slot = slot;
    this.peer = peer;
    this.connection = connection;
    this.correlation = correlation;
    this.shard = shard;
    this.stream = stream;
  }

  get isGone(): boolean {
    return !this.peer.isOver(this.connection);
  }

  isOf(peer: PeerForwarding): boolean {
    return this.peer === peer;
  }

  reply(bytes: Buffer, start: number, end: number): void {
    const { peer, connection, correlation } = this;
    // A read can be asked again. What was sent before and after it may have run: as when leadership is lost.
    if (this.isRead && peer.holdsMoreThan(UNSENT_LIMIT_BYTES)) this.refuse(Refusal.LOST);
    else if (end - start >= LARGE_REPLY_BYTES && peer.holdsMoreThan(UNSENT_LIMIT_BYTES))
      peer.sendReply(connection, correlation, 0, REPLY_LOST, 0, REPLY_LOST.length);
    else if (end - start <= REPLY_MAX_BYTES) peer.sendReply(connection, correlation, 0, bytes, start, end);
    else peer.sendReply(connection, correlation, 0, REPLY_TOO_LONG, 0, REPLY_TOO_LONG.length);
  }

  replyLong(pieces: readonly Buffer[]): void {
    const { peer, connection, correlation } = this;
    if (peer.holdsMoreThan(UNSENT_LIMIT_BYTES)) this.refuse(Refusal.LOST);
    else if (sizeOf(pieces) <= REPLY_MAX_BYTES) peer.sendLong(connection, correlation, pieces);
    else peer.sendReply(connection, correlation, 0, REPLY_TOO_LONG, 0, REPLY_TOO_LONG.length);
  }

  /** A piece with nothing in it. */
  progress(): void {
    this.peer.sendReply(this.connection, this.correlation, PIECE, NONE, 0, 0);
  }

  refuse(refusal: Refusal, apart?: readonly number[]): void {
    if (refusal === Refusal.NOT_PROPOSED || refusal === Refusal.LOST || refusal === Refusal.READ_LOST)
      this.peer.endStream(this.shard, this.stream);
    const said = apart === undefined ? this.elsewhere(refusal) : rangeBytes(rangesOf(apart));
    this.peer.sendReply(this.connection, this.correlation, refusal, said, 0, said.length);
  }

  private elsewhere(refusal: Refusal): Buffer {
    const elsewhere = refusal === Refusal.MOVED ? this.peer.elsewhere(this.shard, this.slot) : undefined;
    return elsewhere === undefined ? NONE : encodeElsewhere(elsewhere);
  }
}

export interface ForwardingHost {
  /** Wants a turn, at the end of which `pump` is called; `after` runs after so long, and then there is one. */
  wake(): void;
  after(delayMs: number, run: () => void): void;
  replica(shard: ShardId): Replica | undefined;
  /** None of those whom `of` names waits for an answer any more. */
  disown(of: (waiter: Waiter) => boolean): void;
}

export interface ForwardingCounters {
  sent: number;
  served: number;
  malformed: number;
}

export class PeerForwarding {
  readonly link: PeerLink;
  private readonly host: ForwardingHost;
  private readonly counters: ForwardingCounters;
  private window = new ForwardWindow();
  private session: SessionId | null = null;
  /** Since the link was last found to hold little. */
  private repliedBytes = 0;
  /** The latest stream of each shard in which a command of the peer was refused: all that follow in it are refused, too. */
  private readonly endedStreams = new Map<ShardId, number>();
  /** By shard. */
  private targets: (Target | undefined)[] = [];
  private readonly longReplies = new OutgoingReplies();
  private readonly incoming = new IncomingReplies();
  /** No less than what waits for the line. */
  private writtenBytes = 0;
  /** Somebody waits for the line since this turn. */
  private isAwaited = false;
  private isWaiting = false;
  private toldMs = 0;
  private readonly delayed = new DelayedRecords();

  constructor(link: PeerLink, host: ForwardingHost, counters: ForwardingCounters) {
    this.link = link;
    this.host = host;
    this.counters = counters;
  }

  /** A new connection: nothing that was asked over an older one will be answered. */
  connected(): void {
    this.forget();
    this.session = sessionId(this.link.node, this.link.peerStart);
  }

  /** Whatever was asked of the peer or by it. */
  forget(): void {
    // It asks again what it wants: what it asked before is not worth the room.
    this.host.disown((waiter) => waiter instanceof ForwardedCommand && waiter.isOf(this));
    this.window = new ForwardWindow();
    this.endedStreams.clear();
    this.targets = [];
    this.longReplies.clear();
    this.incoming.clear();
    this.delayed.clear();
    this.writtenBytes = 0;
  }

  /** The way to the shard's leader over the present connection. Another connection gives another target. */
  target(shard: ShardId): Target {
    let target = this.targets[shard];
    if (target !== undefined) return target;
    // The window of this connection: in a later one the same correlation is another request's.
    const { window } = this;
    const isFull = (): boolean => this.isFull;
    target = {
      get isFull() {
        return isFull();
      },
      send: (request, stream) => this.forward(window, shard, request, stream),
      abandon: (of) => window.remove(of),
    };
    this.targets[shard] = target;
    return target;
  }

  sendFloors(shard: ShardId, item: Buffer): void {
    if (!this.link.connected) return;
    const section = this.link.section(SectionKind.FORWARD);
    section.u32(0);
    section.u32(0);
    section.u16(shard);
    section.u8(Kind.FLOORS);
    section.u8(0);
    section.bytes(item, 0, item.length);
    this.host.wake();
  }

  /** False when the section is malformed. */
  onReplies(bytes: Buffer, start: number, end: number, now: Instant): boolean {
    let at = start;
    while (at < end) {
      if (at + REPLY_HEADER_BYTES > end) return false;
      const correlation = readU32(bytes, at);
      const refusal = readU32(bytes, at + 4);
      const from = at + REPLY_HEADER_BYTES;
      const to = from + readU32(bytes, at + 8);
      if (to > end || (refusal > Refusal.PARTED && refusal !== PIECE)) return false;
      if (refusal === PIECE) this.takePiece(correlation, bytes.subarray(from, to), now);
      else this.answer(correlation, refusal, bytes, from, to);
      at = to;
    }
    return true;
  }

  private answer(correlation: number, refusal: number, bytes: Buffer, from: number, to: number): void {
    const pieces = this.incoming.take(correlation);
    const request = this.window.take(correlation);
    if (request === null) return;
    if (refusal === Refusal.PARTED) request.refuse(refusal, slotsOf(rangesIn(bytes, from, to)));
    else if (refusal !== 0) request.refuse(refusal as Refusal, undefined, decodeElsewhere(bytes, from, to));
    else if (pieces === null) request.reply(bytes, from, to);
    else request.replyLong([...pieces, Buffer.from(bytes.subarray(from, to))]);
  }

  private takePiece(correlation: number, piece: Buffer, now: Instant): void {
    const request = this.window.peek(correlation);
    if (request === null) return;
    request.progress(now.monotonicMs);
    if (piece.length > 0) this.incoming.add(correlation, piece);
  }

  sendLong(connection: number, correlation: number, pieces: readonly Buffer[]): void {
    if (!this.isOver(connection)) return;
    this.repliedBytes += sizeOf(pieces);
    this.longReplies.add(connection, correlation, pieces);
    this.host.wake();
  }

  /** For `longReplies`. */
  sendPiece(connection: number, correlation: number, isLast: boolean, bytes: Buffer): void {
    this.sendReply(connection, correlation, isLast ? 0 : PIECE, bytes, 0, bytes.length);
  }

  /** For `longReplies`: not what is left of parcels, which go between the pieces. */
  get queuedBytes(): number {
    return this.link.queuedBytes;
  }

  /** Sends what fits of long replies. Called at the end of each turn. */
  pump(now: Instant): void {
    if (!this.longReplies.isEmpty && now.monotonicMs - this.toldMs >= PROGRESS_INTERVAL_MS) {
      this.toldMs = now.monotonicMs;
      this.longReplies.tell(this);
    }
    const isTaken = this.longReplies.isEmpty || this.longReplies.pump(this);
    if (isTaken && !this.longReplies.isEmpty) this.host.wake();
    else if (!isTaken || this.isAwaited) this.wait();
    this.isAwaited = false;
  }

  private wait(): void {
    if (this.isWaiting) return;
    this.isWaiting = true;
    this.host.after(LINE_WAIT_MS, () => {
      this.isWaiting = false;
    });
  }

  /** Whether too much waits for the line; then there will be a turn when it may have taken some. Looks only when it could be. */
  get isFull(): boolean {
    if (this.writtenBytes <= QUEUED_MAX_BYTES) return false;
    this.writtenBytes = this.link.connected ? this.link.queuedBytes : 0;
    if (this.writtenBytes <= QUEUED_MAX_BYTES) return false;
    this.isAwaited = true;
    return true;
  }

  /** Part of a large reply has come: it is being answered, however long the rest takes. */
  onReplyPart(bytes: Buffer, filledBytes: number, now: Instant): void {
    const request = filledBytes < REPLY_HEADER_BYTES ? null : this.window.peek(readU32(bytes, 0));
    request?.progress(now.monotonicMs);
  }

  get hasDelayed(): boolean {
    return !this.delayed.isEmpty;
  }

  /** Serves what was delayed, as far as the peer has room for replies. */
  serveDelayed(now: Instant): void {
    while (!this.isFull && !this.holdsMoreThan(UNSENT_MAX_BYTES)) {
      const record = this.delayed.take();
      if (record === null) return;
      this.run(record.bytes, record.at, record.itemAt, record.itemEnd, now);
    }
  }

  /** Commands for shards led here. False when the section is malformed. */
  onForward(bytes: Buffer, start: number, end: number, now: Instant): boolean {
    let at = start;
    while (at < end) {
      const itemAt = at + FORWARD_HEADER_BYTES;
      if (itemAt + 8 > end) return false;
      const itemEnd = itemAt + itemSize(bytes, itemAt);
      if (itemEnd <= itemAt || itemEnd > end) return false;
      if (!this.serve(bytes, at, itemAt, itemEnd, now)) return false;
      at = itemEnd;
    }
    return true;
  }

  sendReply(
    connection: number,
    correlation: number,
    refusal: number,
    bytes: Buffer,
    start: number,
    end: number,
  ): void {
    const { link } = this;
    if (!this.isOver(connection)) return;
    this.repliedBytes += end - start;
    this.host.wake();
    if (end - start >= LARGE_REPLY_BYTES) {
      const head = Buffer.alloc(REPLY_HEADER_BYTES);
      writeU32(head, correlation, 0);
      writeU32(head, refusal, 4);
      writeU32(head, end - start, 8);
      link.sendParcel(SectionKind.REPLIES, head, bytes, start, end);
      return;
    }
    const section = link.section(SectionKind.REPLIES);
    section.u32(correlation);
    section.u32(refusal);
    section.u32(end - start);
    section.bytes(bytes, start, end);
    this.writtenBytes += REPLY_HEADER_BYTES + end - start;
  }

  /** Whether the peer is connected over this connection still. */
  isOver(connection: number): boolean {
    return this.link.connected && this.link.connection === connection;
  }

  /** Whether so much is on its way to the peer; sums up only when it could be. */
  holdsMoreThan(limitBytes: number): boolean {
    if (this.repliedBytes <= UNSENT_MAX_BYTES) return false;
    const unsentBytes = this.link.unsentBytes + this.longReplies.queuedBytes;
    if (unsentBytes <= UNSENT_MAX_BYTES) this.repliedBytes = 0;
    return unsentBytes > limitBytes;
  }

  elsewhere(shard: ShardId, slot: number): Elsewhere | undefined {
    return elsewhereOf(this.host.replica(shard), slot);
  }

  endStream(shard: ShardId, stream: number): void {
    if (stream > (this.endedStreams.get(shard) ?? 0)) this.endedStreams.set(shard, stream);
  }

  private forward(window: ForwardWindow, shard: ShardId, request: Request, stream: number): void {
    if (!this.link.connected || window !== this.window) {
      request.refuse(Refusal.NOT_PROPOSED);
      return;
    }
    const kind = request.isWrite ? Kind.WRITE : request.rides ? Kind.RIDING_READ : Kind.READ;
    this.counters.sent += 1;
    this.host.wake();
    if (request.isLarge) {
      this.forwardLarge(window, shard, request, stream, kind);
      return;
    }
    const correlation = window.add(request);
    const section = this.link.section(SectionKind.FORWARD);
    section.u32(correlation);
    section.u32(stream);
    section.u16(shard);
    section.u8(kind);
    section.u8(0);
    section.bytes(request.bytes, request.start, request.end);
    this.writtenBytes += FORWARD_HEADER_BYTES + request.end - request.start;
  }

  private forwardLarge(
    window: ForwardWindow,
    shard: ShardId,
    request: Request,
    stream: number,
    kind: number,
  ): void {
    const { bytes, start, end } = request;
    const { unsentBytes } = this.link;
    if (unsentBytes > 0 && unsentBytes + end - start > SENDING_MAX_BYTES) {
      request.refuse(Refusal.LOG_FULL);
      return;
    }
    const head = Buffer.alloc(FORWARD_HEADER_BYTES);
    writeU32(head, window.add(request), 0);
    writeU32(head, stream, 4);
    writeU16(head, shard, 8);
    head[10] = kind;
    request.parcel = this.link.sendParcel(SectionKind.FORWARD, head, bytes, start, end);
  }

  private serve(bytes: Buffer, at: number, itemAt: number, itemEnd: number, now: Instant): boolean {
    const shard = readU16(bytes, at + 8);
    const kind = bytes[at + 10];
    const replica = this.host.replica(shard);
    if (this.session === null) return false;
    if (kind === Kind.FLOORS) {
      const isGood =
        itemType(bytes, itemAt) === ItemType.FLOORS && isFloorsItem(bytes, itemAt, itemEnd - itemAt);
      if (!isGood) return false;
      this.serveFloors(bytes, itemAt, this.session, replica);
      return true;
    }
    if (!isCommandItem(bytes, itemAt, itemEnd)) return false;
    if (!this.mustDelay(shard, kind)) this.run(bytes, at, itemAt, itemEnd, now);
    else if (!this.delayed.add({ shard, bytes, at, itemAt, itemEnd }))
      this.waiterOf(bytes, at).refuse(Refusal.NOT_PROPOSED);
    return true;
  }

  /** Reads while the peer holds too much; and what comes behind one that waits for the same shard, since it must not be overtaken. */
  private mustDelay(shard: ShardId, kind: number): boolean {
    if (!this.delayed.isEmpty && this.delayed.has(shard)) return true;
    return kind !== Kind.WRITE && (this.isFull || this.holdsMoreThan(UNSENT_MAX_BYTES));
  }

  private run(bytes: Buffer, at: number, itemAt: number, itemEnd: number, now: Instant): void {
    const shard = readU16(bytes, at + 8);
    const kind = bytes[at + 10];
    const stream = readU32(bytes, at + 4);
    const replica = this.host.replica(shard);
    const waiter = this.waiterOf(bytes, at);
    this.counters.served += 1;
    const isEnded = stream <= (this.endedStreams.get(shard) ?? 0);
    if (replica === undefined || isEnded || this.session === null) {
      waiter.refuse(Refusal.NOT_PROPOSED);
    } else if (!replica.admits(bytes, itemAt, kind === Kind.WRITE)) {
      waiter.reply(NOT_ADMITTED, 0, NOT_ADMITTED.length);
    } else if (kind === Kind.WRITE) {
      replica.submitWrite(waiter, this.session, bytes, itemAt, itemEnd, now);
    } else if (kind === Kind.RIDING_READ) replica.submitRidingRead(waiter, bytes, itemAt, now);
    else replica.submitRead(waiter, bytes, itemAt, now);
  }

  private waiterOf(bytes: Buffer, at: number): ForwardedCommand {
    const correlation = readU32(bytes, at);
    const stream = readU32(bytes, at + 4);
    const isRead = bytes[at + 10] !== Kind.WRITE;
    const shard = readU16(bytes, at + 8);
    const slot = commandSlot(bytes, at + FORWARD_HEADER_BYTES);
    return new ForwardedCommand(this, this.link.connection, correlation, shard, stream, isRead, slot);
  }

  private serveFloors(bytes: Buffer, itemAt: number, session: SessionId, replica: Replica | undefined): void {
    const slots: number[] = [];
    const floors: number[] = [];
    eachFloor(bytes, itemAt, itemSize(bytes, itemAt), (slot, floor) => {
      slots.push(slot);
      floors.push(floor);
    });
    replica?.submitFloors(session, slots, floors);
  }
}
