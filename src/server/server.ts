/** The clients of a node: its connections on both ports, and what becomes of their commands. */
import { slotOf } from '../../ring/index.ts';
import { assert } from '../assert.ts';
import { lastKeyArgument, type CommandTable } from '../commands/command-table.ts';
import type { RulesTable } from '../commands/rules.ts';
import type { ClientSession, NodeView, PortKind } from '../commands/local-context.ts';
import type { Subscriptions } from '../commands/pubsub-registry.ts';
import type { LongRead } from '../commands/long-read.ts';
import type { ByteStream, Clock } from '../env/contracts.ts';
import type { Log } from '../log.ts';
import type { Instant } from '../raft/types.ts';
import { Args } from '../resp/args.ts';
import { DEFAULT_READER_LIMITS, type ReaderLimits } from '../resp/reader.ts';
import { ReplyWriter } from '../resp/reply-writer.ts';
import type { Waiter } from '../shard/waiter.ts';
import type { Engine } from '../shard/engine.ts';
import { COMMAND_MAX_BYTES, commandArgs, commandItemBytes } from '../shard/command-item.ts';
import { compileCommands, type CompiledCommand, type CompiledCommands } from './compiled-command.ts';
import { Connection } from './connection.ts';
import { Gather } from './gather.ts';
import type { Merge } from './merged-reply.ts';
import { pickArgs } from './parting.ts';
import { ReadScope, RequestState, type Request, type Span } from './request.ts';
import { CROSS_SLOT, type Router, type ShardWay } from './router.ts';
import { RandomKeyWalk, ScanWalk, type WalkHost } from './shard-walk.ts';
import { KeysWalk, keysAsScan } from './keys-walk.ts';
import { SlotsWalk } from './slots-walk.ts';
import type { SlowLogRing } from './slow-log.ts';
import { Statistics } from './statistics.ts';

const CROSS_SLOT_TEXT = "CROSSSLOT Keys in request don't hash to the same slot";
/** A shorter command fits into an item, however many arguments it has. */
const LONG_COMMAND_BYTES = COMMAND_MAX_BYTES / 8;
const TOO_LONG_TEXT = `ERR command is too long: at most ${COMMAND_MAX_BYTES} bytes`;
const TOO_MANY_CLIENTS = Buffer.from('-ERR max number of clients reached\r\n');
const READ_LOST = Buffer.from('-CLUSTERDOWN The read was given up; nothing was changed\r\n');
const WRITERS_KEPT = 1024;
/** A writer that has grown beyond this is not kept. */
const WRITER_KEPT_BYTES = 256 * 1024;

/** Reply buffers, lent to connections while they have something to write. */
export class WriterPool {
  private readonly free: ReplyWriter[] = [];

  take(): ReplyWriter {
    return this.free.pop() ?? new ReplyWriter();
  }

  /** `isTaken` false: the system still needs the bytes, so the buffer is left to it. */
  give(writer: ReplyWriter, isTaken: boolean): void {
    if (!isTaken || writer.buffer.length > WRITER_KEPT_BYTES || this.free.length >= WRITERS_KEPT) return;
    writer.reset();
    this.free.push(writer);
  }
}

/** Keys of one command, by the places of their arguments, that are asked for in one request. */
interface KeysOfShard {
  way: ShardWay;
  keys: number[];
  /** Of the first key. */
  slot: number;
  /** All, when they are several. */
  slots: Set<number> | null;
}

export interface ServerSettings {
  readonly maxclients: number;
  readonly requirepass: string;
  readonly outputBufferLimitBytes: number;
  readonly slowlogSlowerThanUs: number;
  readonly idleTimeoutSeconds: number;
  readonly protoMaxBulkLenBytes: number;
  readonly queryBufferLimitBytes: number;
}

export interface ServerDeps {
  rules: RulesTable;
  /** Whose commands clients are offered: the cluster's. */
  version: number;
  engine: Engine;
  router: Router;
  clock: Clock;
  log: Log;
  random: () => number;
  /** Read at each use: some change while the node runs. */
  settings: ServerSettings;
  slowLog: SlowLogRing;
  self: string;
  /** `host:port` that MOVED names. */
  redirectAddress(node: string): string;
}

export class ClientServer implements WalkHost {
  table: CommandTable;
  /** Commands on keys, by their places in the table. */
  commands: CompiledCommands;
  readonly router: Router;
  readonly readerLimits: ReaderLimits;
  readonly writers = new WriterPool();
  readonly scratch = new ReplyWriter();
  readonly statistics: Statistics;
  readonly connections = new Map<number, Connection>();
  /** The engine's latest reading. */
  readonly now: Instant;
  /** What local commands see of the node; set once the node is composed. */
  view: NodeView | null = null;
  onClosed: (connection: Connection) => void = () => {};

  private readonly deps: ServerDeps;
  private nextId = 1;
  private dirtyConnections: Connection[] = [];
  private resumable: Connection[] = [];
  /** Reads answered at once in this chunk, by their numbers, so many of them: they share its time. */
  private readonly direct: number[] = [];
  private directCount = 0;
  private chunkStartMs = 0;
  private readonly slowArgs = new Args();

  constructor(deps: ServerDeps) {
    this.deps = deps;
    this.table = deps.rules.commandsAt(deps.version);
    this.router = deps.router;
    this.now = deps.engine.now;
    this.readerLimits = { ...DEFAULT_READER_LIMITS };
    this.settingsChanged();
    this.commands = compileCommands(this.table.rows);
    this.statistics = new Statistics(deps.rules.commandsAt(deps.rules.newest).rows);
  }

  /** The cluster version was raised. Places in the table stay as they were. */
  offer(version: number): void {
    this.table = this.deps.rules.commandsAt(version);
    this.commands = compileCommands(this.table.rows);
  }

  /** For connections from now on; those that are open stay as they are. */
  get passwordRequired(): boolean {
    return this.deps.settings.requirepass !== '';
  }

  /** All connections read by the same limits. */
  settingsChanged(): void {
    const { protoMaxBulkLenBytes, queryBufferLimitBytes } = this.deps.settings;
    this.readerLimits.bulkMaxBytes = protoMaxBulkLenBytes;
    this.readerLimits.commandMaxBytes = queryBufferLimitBytes;
  }

  get outputLimitBytes(): number {
    return this.deps.settings.outputBufferLimitBytes;
  }

  wake(): void {
    this.deps.engine.wake();
  }

  accept(stream: ByteStream, port: PortKind): Connection {
    const now = this.deps.engine.readClock();
    const connection = new Connection(this, stream, this.nextId++, port, now.wallMs);
    this.statistics.connectionsReceived += 1;
    if (this.connections.size >= this.deps.settings.maxclients) {
      this.statistics.connectionsRejected += 1;
      stream.write(TOO_MANY_CLIENTS);
      connection.closeAfterReply = true;
      stream.end();
      return connection;
    }
    this.connections.set(connection.id, connection);
    return connection;
  }

  // --- commands

  beginChunk(): number {
    this.chunkStartMs = this.deps.engine.readClock().monotonicMs;
    return this.chunkStartMs;
  }

  endChunk(): void {
    const { direct, directCount, statistics } = this;
    if (directCount === 0) return;
    const eachMs = (this.deps.clock.monotonicMs() - this.chunkStartMs) / directCount;
    for (let i = 0; i < directCount; i++) statistics.timed(direct[i], eachMs);
    this.directCount = 0;
  }

  runKeyCommand(connection: Connection, command: CompiledCommand, args: Args): void {
    const spanBytes = args.end[args.count - 1] - args.start[0];
    if (spanBytes > LONG_COMMAND_BYTES && commandItemBytes(args) > COMMAND_MAX_BYTES) {
      this.reject(connection, command, TOO_LONG_TEXT);
      return;
    }
    if (command.isOfOneSlot) this.runOnSlot(connection, command, args);
    else this.runOnMany(connection, command, args);
  }

  private runOnMany(connection: Connection, command: CompiledCommand, args: Args): void {
    const { by } = command.row.spread;
    if ((by === 'scan' || by === 'random') && !connection.openSpans.isEmpty) {
      connection.postpone(command, args, 'span');
      return;
    }
    switch (command.row.spread.by) {
      case 'slot':
        this.runOnSlot(connection, command, args);
        break;
      case 'keys':
        this.runOnKeys(connection, command, args, command.row.spread.merge);
        break;
      case 'shards':
        this.runOnShards(connection, command, args, command.row.spread.merge);
        break;
      case 'scan':
        new ScanWalk(this, connection, this.place(connection, command, args), command, args).start();
        break;
      case 'random': {
        const place = this.place(connection, command, args);
        new RandomKeyWalk(this, connection, place, command, args, this.deps.random).start();
        break;
      }
    }
  }

  private runOnSlot(connection: Connection, command: CompiledCommand, args: Args): void {
    const slot = this.router.slotOfKeys(command, args);
    if (slot === CROSS_SLOT) {
      this.reject(connection, command, CROSS_SLOT_TEXT);
      return;
    }
    this.runOn(connection, command, args, slot, null);
  }

  private runOn(
    connection: Connection,
    command: CompiledCommand,
    args: Args,
    slot: number,
    span: Span | null,
  ): void {
    const scope = span === null ? ReadScope.SLOT : ReadScope.SHARD;
    const way = this.router.wayOfSlot(slot);
    if (connection.port === 'redirect' && this.refusesInCluster(connection, command, args, slot, way)) return;
    const { replica } = way;
    const readsNow = !command.isWrite && !connection.hasQueue && replica?.canReadNow(this.now) === true;
    if (readsNow && replica.serves(command, args, slot)) {
      this.readNow(connection, command, args, slot, way);
      return;
    }
    if (span === null && connection.openSpans.has(slot)) {
      connection.postpone(command, args, 'span');
      return;
    }
    if (command.isWrite && connection.mustFollowReads(way.index, slot, scope)) {
      connection.postpone(command, args, 'read');
      return;
    }
    const request = connection.enqueue();
    request.way = way.index;
    request.span = span;
    const rides = connection.hasWritesTo(way.index);
    if (command.isWrite) {
      connection.countWrite(way.index);
      if (span !== null) connection.openSpans.open(span);
      this.statistics.writes += 1;
    } else {
      connection.countRead(request, scope);
      this.statistics.reads += 1;
    }
    const { db, protocol } = connection;
    this.router.submit(request, connection, way, command, args, db, protocol === 3, slot, rides);
  }

  /** What a node of Redis Cluster answers instead of running the command. */
  private refusesInCluster(
    connection: Connection,
    command: CompiledCommand,
    args: Args,
    slot: number,
    way: ShardWay,
  ): boolean {
    const { leader } = way;
    // A leader that cannot be reached is no place to send a client to: the command waits for the next one.
    if (way.route.hasTarget && leader !== null && leader !== this.deps.self) {
      this.statistics.redirected += 1;
      this.reject(connection, command, `MOVED ${slot} ${this.deps.redirectAddress(leader)}`);
      return true;
    }
    const refusal = command.clusterRefusal?.(args) ?? null;
    if (refusal !== null) this.reject(connection, command, refusal);
    return refusal !== null;
  }

  private readNow(
    connection: Connection,
    command: CompiledCommand,
    args: Args,
    slot: number,
    way: ShardWay,
  ): void {
    const isSilent = connection.takeSilence();
    const reply = isSilent ? this.silenced(connection) : connection.writer();
    const start = reply.size;
    // A fast one takes too little to be worth a look at the clock: it is noted only where all are.
    const isTimed = !command.isFast || this.deps.settings.slowlogSlowerThanUs === 0;
    const startedMs = isTimed ? this.deps.clock.monotonicMs() : 0;
    const long = way.replica?.readNow(command, args, connection.db, slot, this.now, reply) ?? null;
    if (long !== null) {
      this.readOn(connection, command, args, long, isSilent, way);
      return;
    }
    if (isTimed) this.noteSlow(connection, args, this.deps.clock.monotonicMs() - startedMs);
    this.statistics.reads += 1;
    this.statistics.replied(command.ordinal, reply.buffer, start);
    this.direct[this.directCount++] = command.ordinal;
  }

  /** A long read goes on in later turns; its reply has its place among those of the connection. */
  private readOn(
    connection: Connection,
    command: CompiledCommand,
    args: Args,
    long: LongRead,
    isSilent: boolean,
    way: ShardWay,
  ): void {
    const place = this.place(connection, command, args);
    place.silent = isSilent;
    this.statistics.reads += 1;
    const finish = ([first, ...tail]: readonly Buffer[]): void => {
      place.setTail(tail);
      this.finishPlace(connection, place, first, 0, first.length);
    };
    const waiter: Waiter = {
      get isGone() {
        return connection.isGone;
      },
      reply: (bytes, start, end) => finish([Buffer.from(bytes.subarray(start, end))]),
      replyLong: finish,
      // It has its view (`isPinned`), and goes on wherever leadership is; still nobody may wait for ever.
      refuse: () => finish([READ_LOST]),
    };
    way.replica?.readOn(waiter, long, connection.protocol, this.now);
    this.wake();
  }

  private silenced(connection: Connection): ReplyWriter {
    this.scratch.reset();
    this.scratch.protocol = connection.protocol;
    return this.scratch;
  }

  private isSlow(durationMs: number): boolean {
    const limitUs = this.deps.settings.slowlogSlowerThanUs;
    return limitUs >= 0 && durationMs * 1000 >= limitUs;
  }

  /** A read that runs here is told with the time that it took; what goes through the log or to another node, with that from arrival to reply. */
  private noteSlow(connection: Connection, args: Args, durationMs: number): void {
    if (!this.isSlow(durationMs)) return;
    this.deps.slowLog.add(args, durationMs * 1000, this.now.wallMs, connection.address, connection.name);
  }

  private runOnKeys(
    connection: Connection,
    command: CompiledCommand,
    args: Args,
    merge: 'sum' | 'array',
  ): void {
    const { row } = command;
    const firstSlot = this.slotOfArgument(args, row.firstKey);
    if (connection.port === 'redirect') {
      this.runOnSlot(connection, command, args);
      return;
    }
    const last = lastKeyArgument(row, args.count);
    // A slot on the move goes by itself, since it may be refused while the others of its shard are not.
    const partOf = new Map<ShardWay | number, number>();
    const parts: KeysOfShard[] = [];
    const order: number[] = [];
    for (let i = row.firstKey; i <= last; i += row.keyStep) {
      const slot = i === row.firstKey ? firstSlot : this.slotOfArgument(args, i);
      if (connection.openSpans.has(slot)) {
        connection.postpone(command, args, 'span');
        return;
      }
      const way = this.router.wayOfSlot(slot);
      const group = this.router.owners.isMoving(slot) ? slot : way;
      let part = partOf.get(group);
      if (part === undefined) {
        partOf.set(group, (part = parts.length));
        parts.push({ way, keys: [], slot, slots: null });
      }
      const of = parts[part];
      of.keys.push(i);
      if (slot !== of.slot) (of.slots ??= new Set([of.slot])).add(slot);
      order.push(part);
    }
    if (parts.length === 1) {
      this.runOn(connection, command, args, firstSlot, spanOf(command, parts[0].slots));
      return;
    }
    const ways = parts.map(({ way }) => way);
    if (this.postponed(connection, command, args, ways)) return;
    const gather = this.gather(connection, command, args, merge, parts.length, order);
    for (const [part, { way, keys, slot, slots }] of parts.entries()) {
      const picked = pickArgs(args, command, keys);
      this.ask(connection, gather, part, way, command, picked, slot, spanOf(command, slots));
    }
  }

  /** What was sent before may go to any shard, and from one to the other with its slot: it is answered first. */
  private runOnShards(
    connection: Connection,
    command: CompiledCommand,
    args: Args,
    merge: 'sum' | 'concat' | 'ok',
  ): void {
    if (connection.hasQueue) {
      connection.postpone(command, args, 'all');
      return;
    }
    if (merge !== 'concat') {
      new SlotsWalk(this, connection, this.place(connection, command, args), command, args).start();
      return;
    }
    if (this.router.owners.hasMoves) {
      const [scan, scanArgs] = this.scanOf(args);
      new KeysWalk(this, connection, this.place(connection, command, args), scan, scanArgs).start();
      return;
    }
    const ways = this.router.ways.filter((way) => way.slotCount > 0 && this.covers(connection, way));
    if (ways.length === 0) {
      this.reject(connection, command, 'CLUSTERDOWN This node leads no shard now');
      return;
    }
    const gather = this.gather(connection, command, args, merge, ways.length, []);
    for (const [part, way] of ways.entries()) {
      this.ask(connection, gather, part, way, command, args, way.runs[0].from, null);
    }
  }

  /** KEYS, as SCAN asks for the same. */
  private scanOf(keys: Args): [CompiledCommand, Args] {
    const args = keysAsScan(keys);
    const scan = this.commands[this.table.placeOf(args)];
    assert(scan !== null, 'SCAN is a command on keys');
    return [scan, args];
  }

  /** A write over several shards waits for all reads before it in any of them. */
  private postponed(
    connection: Connection,
    command: CompiledCommand,
    args: Args,
    ways: readonly ShardWay[],
  ): boolean {
    if (!command.isWrite) return false;
    if (!ways.some((way) => connection.mustFollowReads(way.index, 0, ReadScope.SHARD))) return false;
    connection.postpone(command, args, 'read');
    return true;
  }

  private gather(
    connection: Connection,
    command: CompiledCommand,
    args: Args,
    merge: Merge,
    parts: number,
    order: readonly number[],
  ): Gather {
    const place = this.place(connection, command, args);
    return new Gather(connection, place, merge, command.isWrite, parts, order, (request, reply, tail) => {
      request.setTail(tail);
      this.finishPlace(connection, request, reply.buffer, 0, reply.size);
    });
  }

  private ask(
    connection: Connection,
    gather: Gather,
    part: number,
    way: ShardWay,
    command: CompiledCommand,
    args: Args,
    slot: number,
    span: Span | null,
  ): void {
    const request = this.router.pool.take();
    request.part = part;
    request.span = span;
    request.isOfShard = command.row.spread.by === 'shards';
    request.way = way.index;
    const rides = connection.hasWritesTo(way.index);
    if (command.isWrite) {
      connection.countWrite(way.index);
      if (span !== null) connection.openSpans.open(span);
    } else connection.countRead(request, ReadScope.SHARD);
    const { db, protocol } = connection;
    this.router.submit(request, gather, way, command, args, db, protocol === 3, slot, rides);
  }

  /** The place in the order of replies of a command whose parts are asked elsewhere. */
  private place(connection: Connection, command: CompiledCommand, args: Args): Request {
    const place = connection.enqueue();
    // For the slow log: its parts tell only of their own keys.
    this.router.keep(place, args);
    place.command = command.ordinal;
    place.sinceMs = this.now.monotonicMs;
    return place;
  }

  finishPlace(connection: Connection, place: Request, bytes: Buffer, start: number, end: number): void {
    place.state = RequestState.DONE;
    place.replyBytes = bytes;
    place.replyStart = start;
    place.replyEnd = end;
    connection.finished(place);
  }

  covers(connection: Connection, way: ShardWay): boolean {
    return connection.port === 'client' || way.leader === this.deps.self;
  }

  private slotOfArgument(args: Args, index: number): number {
    return slotOf(args.bytes, args.start[index], args.end[index]);
  }

  private reject(connection: Connection, command: CompiledCommand, text: string): void {
    this.statistics.rejected[command.ordinal] += 1;
    connection.replyError(text);
  }

  // --- counting

  countLocal(ordinal: number, reply: ReplyWriter): void {
    this.statistics.timed(ordinal, 0);
    this.statistics.replied(ordinal, reply.buffer, 0);
  }

  countAnswered(connection: Connection, request: Request): void {
    if (request.command < 0) return;
    const durationMs = this.now.monotonicMs - request.sinceMs;
    this.statistics.timed(request.command, durationMs);
    this.statistics.replied(request.command, request.replyBytes, request.replyStart);
    if (request.end === request.start || !this.isSlow(durationMs)) return;
    commandArgs(request.bytes, request.start, this.slowArgs);
    this.noteSlow(connection, this.slowArgs, durationMs);
  }

  logSlowReader(connection: Connection): void {
    this.deps.log.warn('client-too-slow', {
      client: connection.address,
      bufferedBytes: connection.stream.bufferedBytes,
    });
  }

  logWebRequest(connection: Connection): void {
    this.deps.log.warn('web-request-refused', { client: connection.address });
  }

  // --- the turn

  dirty(connection: Connection): void {
    this.dirtyConnections.push(connection);
    this.deps.engine.wake();
  }

  resumeLater(connection: Connection): void {
    this.resumable.push(connection);
    this.deps.engine.wake();
  }

  /** Connections that were held back go on. */
  resumeHeld(): void {
    if (this.resumable.length === 0) return;
    const { resumable } = this;
    this.resumable = [];
    this.chunkStartMs = this.deps.clock.monotonicMs();
    for (const connection of resumable) connection.resume();
    this.endChunk();
  }

  flush(): void {
    const { dirtyConnections } = this;
    if (dirtyConnections.length === 0) return;
    this.dirtyConnections = [];
    for (const connection of dirtyConnections) connection.flush();
  }

  closed(connection: Connection): void {
    this.onClosed(connection);
    this.connections.delete(connection.id);
  }

  /** Closes connections that have been silent too long (`timeout`). */
  closeIdle(): void {
    const limitMs = this.deps.settings.idleTimeoutSeconds * 1000;
    if (limitMs === 0) return;
    const nowMs = this.now.monotonicMs;
    for (const connection of this.connections.values()) {
      const isIdle = nowMs - connection.lastCommandMonotonicMs > limitMs && !connection.hasQueue;
      if (isIdle && connection.channels.size + connection.patterns.size === 0) connection.kill();
    }
  }

  subscriptionsOf(session: ClientSession): Subscriptions {
    const connection = this.connections.get(session.id);
    return connection ?? { channels: new Set(), patterns: new Set() };
  }

  /** Reads no more commands; true once those that were read are answered. */
  drain(): boolean {
    let isDone = true;
    for (const connection of this.connections.values()) {
      connection.stopReading();
      if (connection.hasQueue && !connection.blocked) isDone = false;
    }
    return isDone;
  }

  closeAll(): void {
    for (const connection of this.connections.values()) connection.kill();
  }
}

function spanOf(command: CompiledCommand, slots: ReadonlySet<number> | null): Span | null {
  return slots === null ? null : { command, slots };
}
