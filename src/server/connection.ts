/**
 * One client connection: reads commands, keeps their replies in the order sent, writes what is ready once a turn. It stops reading while one
 * of its requests is parked or being retried, and while the client does not take its replies.
 */
import { isUnrestricted, refusalOf } from '../commands/gate.ts';
import type {
  ClientSession,
  Deferred,
  LocalContext,
  NodeView,
  PortKind,
  ReplyMode,
  SessionBuffers,
} from '../commands/local-context.ts';
import type { ByteStream, ByteStreamHandler } from '../env/contracts.ts';
import { Args } from '../resp/args.ts';
import { CommandReader } from '../resp/reader.ts';
import { ReplyWriter } from '../resp/reply-writer.ts';
import { LARGE_REPLY_BYTES } from '../shard/waiter.ts';
import type { BlockedCommand } from './blocked-command.ts';
import type { CompiledCommand } from './compiled-command.ts';
import { grown } from './grown.ts';
import { ReadScope, RequestState, keptReply, type Request, type RequestOwner, type Span } from './request.ts';
import { OpenSpans } from './open-spans.ts';
import type { ShardWay } from './router.ts';
import type { ClientServer } from './server.ts';
import { UnderWay } from './under-way.ts';
import { isWebRequest } from './web-request.ts';

/** While so much waits to be taken by the client, nothing more of it is read. */
const OUTPUT_PAUSE_BYTES = 1024 * 1024;
/** And while so much of it is unanswered, or answered behind what is unanswered. */
const QUEUE_PAUSE_BYTES = 8 * 1024 * 1024;
/** What is read ahead of a client that WAITs: a connection that is not read from cannot be seen to close. */
const READ_AHEAD_BYTES = 1024 * 1024;
/** What a command takes in the queue beside its bytes. */
const QUEUED_COMMAND_BYTES = 128;

const DEFERRED_REPLY_BYTES = 64;

export class Connection implements ByteStreamHandler, RequestOwner, ClientSession {
  readonly id: number;
  readonly port: PortKind;
  readonly address: string;
  readonly localAddress: string;
  readonly createdWallMs: number;
  lastCommandMonotonicMs: number;
  protocol: 2 | 3 = 2;
  db = 0;
  databaseRefused = false;
  transactionRefused = false;
  authenticated: boolean;
  user = 'default';
  name = '';
  libraryName = '';
  libraryVersion = '';
  replyMode: ReplyMode = 'on';
  noEvict = false;
  readonlyMode = false;
  asking = false;
  closeAfterReply = false;
  readonly channels = new Set<string>();
  readonly patterns = new Set<string>();
  /** Writes not answered yet, by the index of their shard; made with the first write. */
  private writesTo: Int32Array | null = null;
  /** 1 where there has been one. */
  private wroteTo: Uint8Array | null = null;
  /** Reads not answered yet, by the index of their shard; and those among them that have read in several slots of it. */
  private readsTo: Int32Array | null = null;
  private wideReadsTo: Int32Array | null = null;
  private openReads = 0;
  private postponed: { command: CompiledCommand; args: Args } | null = null;
  readonly openSpans = new OpenSpans();
  /** Until another read, or write over several slots, is answered, or all before it. */
  private awaits: 'read' | 'span' | 'all' | null = null;

  readonly stream: ByteStream;
  private readonly server: ClientServer;
  private readonly reader: CommandReader;
  private readonly args = new Args();
  private readonly context: LocalContext;
  private out: ReplyWriter | null = null;
  private isDirty = false;
  /** Not every command may run (`isUnrestricted`): its own local commands alone change that. */
  private isRestricted: boolean;
  /** Of the command that ran last, in the table; negative: none has. */
  private lastPlace = -1;
  /** Unanswered commands, in the order sent. */
  private head: Request | null = null;
  private tail: Request | null = null;
  /** Of commands that are unanswered, and of replies behind those; then of the replies alone. */
  private queuedBytes = 0;
  private keptBytes = 0;
  private readonly underWay = new UnderWay();
  private holds = 1; // This and the next are changed from the start, for the reason of `hasMoved` in slot-states.ts.
  private isPaused = true;
  private isStopping = false;
  private isReading = false;
  private isClosed = false;
  /** The client sends no more. */
  hasEnded = false;
  /** CLIENT REPLY SKIP was said right before the local command that runs. */
  private isSkipped = false;
  private waiting: BlockedCommand | null = null;
  private peakReplyBytes = 0;

  constructor(server: ClientServer, stream: ByteStream, id: number, port: PortKind, nowWallMs: number) {
    this.server = server;
    this.stream = stream;
    this.id = id;
    this.port = port;
    this.address = `${stream.remoteAddress}:${stream.remotePort}`;
    this.localAddress = `${stream.localAddress}:${stream.localPort}`;
    this.createdWallMs = nowWallMs;
    this.lastCommandMonotonicMs = server.now.monotonicMs;
    this.authenticated = !server.passwordRequired;
    this.reader = new CommandReader(server.readerLimits);
    this.reader.authenticated = this.authenticated;
    this.isRestricted = !isUnrestricted(this);
    this.holds = 0;
    this.isPaused = false;
    this.context = {
      args: this.args,
      reply: server.scratch,
      session: this,
      node: server.view as NodeView,
      defer: () => this.defer(),
    };
  }

  get blocked(): boolean {
    return this.waiting !== null;
  }

  get lastCommand(): string {
    return this.lastPlace < 0 ? '' : this.server.table.rows[this.lastPlace].name;
  }

  get isGone(): boolean {
    return this.isClosed;
  }

  get hasQueue(): boolean {
    return this.head !== null;
  }

  // --- input

  onData(bytes: Buffer, start: number, end: number): void {
    this.server.statistics.inputBytes += end - start;
    this.lastCommandMonotonicMs = this.server.beginChunk();
    this.reader.feed(bytes, start, end);
    this.read();
    this.server.endChunk();
  }

  /** Runs what has been read until it must wait: a few bytes can ask for gigabytes, so replies not taken yet end it, too. */
  private read(): void {
    if (this.isReading) return;
    this.isReading = true;
    this.runPostponed();
    while (!this.mustWait()) {
      const outcome = this.reader.next(this.args);
      if (outcome === 'more') break;
      if (outcome === 'error') {
        this.refuseInput(this.reader.errorText);
        break;
      }
      this.execute(this.args);
    }
    this.isReading = false;
    if (this.hasEnded) this.markDirty();
    this.throttle();
  }

  private runPostponed(): void {
    if (this.postponed === null || this.mustWait()) return;
    const { command, args } = this.postponed;
    this.postponed = null;
    this.server.runKeyCommand(this, command, args);
  }

  /** Whether no further command may be run now. */
  private mustWait(): boolean {
    return this.holds > 0 || this.underWay.isFull || this.isFull || this.closeAfterReply || this.isClosed;
  }

  private throttle(): void {
    if (this.isClosed) return;
    const mustWait = this.mustWait();
    if (mustWait) this.reader.hold();
    const mustPause = mustWait && !(this.blocked && this.reader.bufferedBytes < READ_AHEAD_BYTES);
    if (mustPause === this.isPaused) return;
    this.isPaused = mustPause;
    if (mustPause) this.stream.pause();
    else this.stream.resume();
  }

  private get isFull(): boolean {
    return this.queuedBytes > QUEUE_PAUSE_BYTES || this.outputBytes > OUTPUT_PAUSE_BYTES;
  }

  private execute(args: Args): void {
    const { server } = this;
    const place = server.table.placeOf(args);
    if (place < 0) {
      this.refuseCommand(args);
      return;
    }
    if (this.isRestricted && this.refuses(place)) return;
    this.lastPlace = place;
    const command = server.commands[place];
    if (command === null) this.runLocal(place, args);
    else server.runKeyCommand(this, command, args);
    this.asking = false;
  }

  private refuseCommand(args: Args): void {
    const { server } = this;
    const place = server.table.placeOfName(args);
    if (place >= 0) server.statistics.rejected[place] += 1;
    else if (isWebRequest(args)) {
      server.logWebRequest(this);
      this.kill();
      return;
    }
    this.replyError(server.table.refusal(args));
  }

  private refuses(place: number): boolean {
    const { server } = this;
    const refusal = refusalOf(this, server.table.rows[place]);
    if (refusal === null) return false;
    server.statistics.rejected[place] += 1;
    this.replyError(refusal);
    return true;
  }

  private runLocal(place: number, args: Args): void {
    const { server, context } = this;
    const row = server.table.rows[place];
    if (row.kind !== 'local') throw new TypeError(`${row.name} was not compiled`);
    const reply = server.scratch;
    const mode = this.replyMode;
    const before = this.tail;
    reply.reset();
    reply.protocol = this.protocol;
    context.args = args;
    // Before it runs: it may be another CLIENT REPLY SKIP.
    this.isSkipped = mode === 'skip-next';
    if (this.isSkipped) this.replyMode = 'on';
    row.run(context);
    this.reader.authenticated = this.authenticated;
    this.isRestricted = !isUnrestricted(this);
    server.countLocal(place, reply);
    if (reply.size === 0 && this.tail !== before) return;
    const isSilent = !row.isPush && (this.isSkipped || (mode === 'off' && this.replyMode === 'off'));
    if (reply.size > 0 && !isSilent) this.replyBytes(reply.buffer, 0, reply.size);
  }

  // --- replies

  /** Where a reply may be written at once; only while nothing is queued before it. */
  writer(): ReplyWriter {
    const out = (this.out ??= this.server.writers.take());
    this.markDirty();
    out.protocol = this.protocol;
    return out;
  }

  /** Whether the next reply goes to the client. Clears CLIENT REPLY SKIP. */
  takeSilence(): boolean {
    if (this.replyMode === 'on') return false;
    if (this.replyMode === 'skip-next') this.replyMode = 'on';
    return true;
  }

  replyError(text: string): void {
    const reply = this.server.scratch;
    reply.reset();
    reply.error(text);
    this.server.statistics.countError(reply.buffer, 1);
    if (!this.takeSilence()) this.replyBytes(reply.buffer, 0, reply.size);
  }

  /** A reply that is at hand, in its place behind those still awaited. */
  replyBytes(bytes: Buffer, start: number, end: number): void {
    if (this.head === null) {
      this.writer().raw(bytes, start, end);
      return;
    }
    const request = this.enqueue();
    request.state = RequestState.DONE;
    // Also a large one: it lies where the next will be written.
    this.keepReply(request, Buffer.from(bytes.subarray(start, end)));
  }

  /** Takes the next place in the order of replies. */
  enqueue(silent = this.takeSilence(), argumentBytes = this.args.spanBytes): Request {
    const request = this.server.router.pool.take();
    request.owner = this;
    this.underWay.begin();
    if (this.tail === null) this.head = request;
    else this.tail.next = request;
    this.tail = request;
    request.silent = silent;
    request.queuedBytes = QUEUED_COMMAND_BYTES + argumentBytes;
    this.queuedBytes += request.queuedBytes;
    return request;
  }

  finished(request: Request): void {
    this.deliver(request);
    // Only now: what WAIT answers is written where the reply of this request may lie.
    this.waiting?.check();
  }

  private deliver(request: Request): void {
    const { server } = this;
    this.countDone(request);
    server.countAnswered(this, request);
    if (this.isClosed) {
      server.router.pool.give(request);
      return;
    }
    if (request !== this.head) {
      this.keepReply(request, keptReply(request));
      if (this.keptBytes > server.outputLimitBytes) this.killSlowReader();
      return;
    }
    const isLarge = request.replyEnd - request.replyStart >= LARGE_REPLY_BYTES;
    this.send(request);
    while (this.head !== null && this.head.state === RequestState.DONE) this.send(this.head);
    // Replies of one turn alone may be too many.
    const outputBytes = isLarge ? this.outputBytes : (this.out?.size ?? 0);
    if (outputBytes > server.outputLimitBytes) this.killSlowReader();
  }

  /** A part of the reply at `place` is kept until the others come. */
  keepPart(place: Request, sizeBytes: number): void {
    if (this.isClosed) return;
    this.countKept(place, sizeBytes);
    if (this.keptBytes > this.server.outputLimitBytes) this.killSlowReader();
  }

  /** A part of a gathered command is answered: its request can go. */
  partFinished(request: Request): void {
    this.countDone(request);
    this.server.router.pool.give(request);
    this.waiting?.check();
  }

  countPart(part: Request): void {
    if (part.isWrite) this.countWrite(part.way);
    else this.countRead(part, ReadScope.SHARD);
  }

  /** A write is about to be sent to the shard. */
  countWrite(way: number): void {
    if (this.writesTo === null || way >= this.writesTo.length) this.makeRoomForWays();
    if (this.writesTo === null || this.wroteTo === null) return;
    this.writesTo[way] += 1;
    this.wroteTo[way] = 1;
  }

  /** Shards may have come since. */
  private makeRoomForWays(): void {
    const { length } = this.server.router.ways;
    const { writesTo, wroteTo, readsTo, wideReadsTo } = this;
    this.writesTo = grown(new Int32Array(length), writesTo);
    this.wroteTo = grown(new Uint8Array(length), wroteTo);
    this.readsTo = grown(new Int32Array(length), readsTo);
    this.wideReadsTo = grown(new Int32Array(length), wideReadsTo);
  }

  rerouted(request: Request, way: number): void {
    if (request.way < 0) return;
    if (request.scope !== ReadScope.NONE) {
      this.uncountRead(request);
      this.tallyRead(way, request.scope);
    } else if (request.isWrite) {
      if (this.writesTo !== null) this.writesTo[request.way] -= 1;
      this.countWrite(way);
    }
  }

  get redirects(): boolean {
    return this.port === 'redirect';
  }

  /** Those that it has ever written to, for WAIT. */
  waysWritten(): readonly ShardWay[] {
    return this.server.router.ways.filter(({ index }) => this.wroteTo?.[index] === 1);
  }

  hasWritesTo(way: number): boolean {
    return this.writesTo !== null && this.writesTo[way] > 0;
  }

  private countDone(request: Request): void {
    if (request.way < 0) return;
    if (request.span !== null) this.closeSpan(request.span);
    if (request.scope !== ReadScope.NONE) this.countReadDone(request);
    else if (request.isWrite && this.writesTo !== null) this.writesTo[request.way] -= 1;
  }

  /** A read is about to be sent to the shard. */
  countRead(request: Request, scope: ReadScope): void {
    request.scope = scope;
    this.tallyRead(request.way, scope);
  }

  private tallyRead(way: number, scope: ReadScope): void {
    if (this.readsTo === null || way >= this.readsTo.length) this.makeRoomForWays();
    this.openReads += 1;
    if (this.readsTo !== null) this.readsTo[way] += 1;
    if (scope === ReadScope.SHARD && this.wideReadsTo !== null) this.wideReadsTo[way] += 1;
  }

  private uncountRead({ way, scope }: Request): void {
    this.openReads -= 1;
    if (this.readsTo !== null) this.readsTo[way] -= 1;
    if (scope === ReadScope.SHARD && this.wideReadsTo !== null) this.wideReadsTo[way] -= 1;
  }

  private countReadDone(request: Request): void {
    this.uncountRead(request);
    if (this.awaits !== 'read') return;
    this.awaits = null;
    this.release();
  }

  /**
   * Whether a write to the slot (to several of the shard, when `scope` says so) must wait: a read before it is not answered. Were that read
   * lost with its leader, it would run again, and see a write that was proposed already.
   */
  mustFollowReads(way: number, slot: number, scope: ReadScope): boolean {
    if (this.openReads === 0 || this.readsTo === null || this.readsTo[way] === 0) return false;
    if (scope === ReadScope.SHARD || (this.wideReadsTo !== null && this.wideReadsTo[way] > 0)) return true;
    for (let request = this.head; request !== null; request = request.next) {
      if (request.slot !== slot || request.scope === ReadScope.NONE) continue;
      if (request.state !== RequestState.DONE && request.way === way) return true;
    }
    return false;
  }

  private closeSpan(span: Span): void {
    this.openSpans.close(span);
    if (this.awaits !== 'span') return;
    this.awaits = null;
    this.release();
  }

  /** Runs the command once more when what is named is answered, and nothing of the connection before it. */
  postpone(command: CompiledCommand, args: Args, until: 'read' | 'span' | 'all'): void {
    this.postponed = { command, args: args.copy() };
    this.awaits = until;
    this.hold();
  }

  get hasWrites(): boolean {
    return this.writesTo !== null && this.writesTo.some((count) => count > 0);
  }

  private keepReply(request: Request, reply: Buffer): void {
    request.replyBytes = reply;
    request.replyStart = 0;
    request.replyEnd = reply.length;
    // Its parts are counted already.
    this.countKept(request, reply.length + request.tailBytes - request.keptBytes);
  }

  private countKept(request: Request, sizeBytes: number): void {
    request.keptBytes += sizeBytes;
    this.keptBytes += sizeBytes;
    this.queuedBytes += sizeBytes;
  }

  private send(request: Request): void {
    this.leaves(request);
    const { replyBytes, replyStart, replyEnd } = request;
    if (!request.silent) {
      if (replyEnd - replyStart < LARGE_REPLY_BYTES) this.writer().raw(replyBytes, replyStart, replyEnd);
      else this.sendLarge(replyBytes.subarray(replyStart, replyEnd));
      for (const piece of request.tail) this.sendLarge(piece);
    }
    this.queuedBytes -= request.queuedBytes + request.keptBytes;
    this.keptBytes -= request.keptBytes;
    this.head = request.next;
    if (this.head === null) this.emptied();
    this.server.router.pool.give(request);
  }

  private emptied(): void {
    this.tail = null;
    if (this.hasEnded) this.markDirty();
    if (this.awaits !== 'all') return;
    this.awaits = null;
    this.release();
  }

  /** As it is, behind what was written before it: it does not change any more, and to copy it would hold the loop. */
  private sendLarge(reply: Buffer): void {
    this.writeOut();
    this.write(reply);
    this.markDirty();
  }

  private leaves({ replyStart, replyEnd, tailBytes }: Request): void {
    this.underWay.end(replyEnd - replyStart + tailBytes);
    // The end of the turn sees whether reading goes on.
    if (this.isPaused) this.markDirty();
  }

  private defer(): Deferred {
    const request = this.enqueue();
    if (this.isSkipped) request.silent = true;
    let isAnswered = false;
    return {
      answer: (write) => {
        if (isAnswered) return;
        isAnswered = true;
        // Not the server's: the command may still be running, and what is written there would count as its reply, too.
        const reply = new ReplyWriter(DEFERRED_REPLY_BYTES);
        reply.protocol = this.protocol;
        write(reply);
        request.state = RequestState.DONE;
        request.replyBytes = reply.buffer;
        request.replyStart = 0;
        request.replyEnd = reply.size;
        this.finished(request);
        this.server.wake();
      },
    };
  }

  // --- holding back

  hold(): void {
    this.holds += 1;
  }

  release(): void {
    this.holds -= 1;
    if (this.holds === 0 && !this.isClosed) this.server.resumeLater(this);
  }

  /** The node stops: what was read is answered, and no more is. */
  stopReading(): void {
    if (this.isStopping) return;
    this.isStopping = true;
    this.hold();
    this.throttle();
  }

  /** Goes on with what was held back. */
  resume(): void {
    if (this.isClosed || this.holds > 0) return;
    this.read();
  }

  // --- output

  get outputBytes(): number {
    return this.stream.bufferedBytes + (this.out?.size ?? 0);
  }

  private markDirty(): void {
    if (this.isDirty) return;
    this.isDirty = true;
    this.server.dirty(this);
  }

  /** Writes what is ready to the socket. */
  flush(): void {
    this.isDirty = false;
    if (this.isClosed) return;
    this.writeOut();
    if (this.stream.bufferedBytes > this.server.outputLimitBytes) {
      this.killSlowReader();
      return;
    }
    if ((this.closeAfterReply || this.isDone) && this.head === null) this.stream.end();
    this.throttle();
    if (!this.isPaused && (this.reader.holdsInput || this.postponed !== null)) this.server.resumeLater(this);
  }

  private writeOut(): void {
    const { out } = this;
    if (out === null || out.size === 0) return;
    const isTaken = this.write(out.written);
    this.server.writers.give(out, isTaken);
    this.out = null;
  }

  private write(bytes: Buffer): boolean {
    this.server.statistics.outputBytes += bytes.length;
    this.peakReplyBytes = Math.max(this.peakReplyBytes, bytes.length);
    return this.stream.write(bytes);
  }

  onDrain(): void {
    this.throttle();
    if (!this.isPaused) this.server.resumeLater(this);
  }

  /** What the client sent before is answered, as by Redis: ioredis ends connections so, and sends again what it got no answer to. */
  onEnd(): void {
    this.hasEnded = true;
    this.waiting?.check();
    this.markDirty();
  }

  private get isDone(): boolean {
    return this.hasEnded && !this.mustWait() && this.postponed === null && !this.reader.holdsInput;
  }

  onClose(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.waiting?.end('timeout');
    if (this.out !== null) this.server.writers.give(this.out, true);
    this.out = null;
    // Requests under way keep this owner, and come back to the pool as they are answered; those that are answered already go now.
    for (let request = this.head; request !== null;) {
      const next: Request | null = request.next;
      if (request.state === RequestState.DONE) this.server.router.pool.give(request);
      request = next;
    }
    this.head = null;
    this.tail = null;
    this.postponed = null;
    this.server.closed(this);
  }

  kill(): void {
    this.stream.destroy();
    this.onClose();
  }

  private killSlowReader(): void {
    this.server.logSlowReader(this);
    this.kill();
  }

  private refuseInput(text: string): void {
    this.replyError(text);
    this.closeAfterReply = true;
    this.markDirty();
  }

  // --- ClientSession

  push(write: (reply: ReplyWriter) => void): void {
    if (this.isClosed) return;
    if (this.head === null || this.protocol === 3) write(this.writer());
    else this.keepMessage(write);
    this.server.wake();
  }

  /** In RESP2 it must not be taken for the reply that is awaited. */
  private keepMessage(write: (reply: ReplyWriter) => void): void {
    const reply = new ReplyWriter(DEFERRED_REPLY_BYTES);
    write(reply);
    const request = this.enqueue(false, 0);
    request.state = RequestState.DONE;
    this.keepReply(request, reply.written);
  }

  unblock(reason: 'timeout' | 'error'): boolean {
    if (this.waiting === null) return false;
    this.waiting.end(reason);
    return true;
  }

  /** A WAIT is under way; null: no more. */
  setBlocked(command: BlockedCommand | null): void {
    // As in Redis, nothing more of the connection runs meanwhile: a second WAIT would take the first one's place.
    if (command !== null && this.waiting === null) this.hold();
    if (command === null && this.waiting !== null) this.release();
    this.waiting = command;
  }

  buffers(): SessionBuffers {
    const queryBytes = this.reader.bufferedBytes;
    const queuedBytes = this.stream.bufferedBytes;
    const replyBufferBytes = this.out?.buffer.length ?? 0;
    return {
      queryBytes,
      queryFreeBytes: 0,
      argumentBytes: 0,
      replyBufferBytes,
      replyPeakBytes: this.peakReplyBytes,
      queuedReplies: queuedBytes > 0 ? 1 : 0,
      queuedBytes,
      totalBytes: queryBytes + queuedBytes + replyBufferBytes,
    };
  }
}
