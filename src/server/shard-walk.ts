/**
 * SCAN and RANDOMKEY over all shards: one shard after the other, each asked by a request of its own. The connection's next commands wait
 * meanwhile: a shard that is asked late must not have run them before.
 */
import type { Args } from '../resp/args.ts';
import { ReplyWriter } from '../resp/reply-writer.ts';
import type { CompiledCommand } from './compiled-command.ts';
import type { Connection } from './connection.ts';
import type { Request, RequestOwner } from './request.ts';
import type { Instant } from '../raft/types.ts';
import { runEndOf, type Router, type ShardWay } from './router.ts';
import type { SlotRange } from '../topology/types.ts';

const SLOT_STRIDE = 2 ** 32;
const MINUS = 45;
/** Empty runs of slots that one SCAN passes before it answers with an empty page. */
const RUNS_PER_CALL = 64;

/** What a walk needs of the server. */
export interface WalkHost {
  readonly router: Router;
  readonly now: Instant;
  /** Whether the connection's port covers this shard: the redirect port covers what this node leads. */
  covers(connection: Connection, way: ShardWay): boolean;
  finishPlace(connection: Connection, place: Request, bytes: Buffer, start: number, end: number): void;
}

export abstract class Walk implements RequestOwner {
  protected readonly host: WalkHost;
  protected readonly connection: Connection;
  protected readonly place: Request;
  protected readonly command: CompiledCommand;
  protected readonly args: Args;
  protected readonly db: number;
  protected readonly resp3: boolean;

  constructor(host: WalkHost, connection: Connection, place: Request, command: CompiledCommand, args: Args) {
    this.host = host;
    this.connection = connection;
    this.place = place;
    this.command = command;
    this.args = args.copy();
    this.db = connection.db;
    this.resp3 = connection.protocol === 3;
    connection.hold();
  }

  hold(): void {
    this.connection.hold();
  }

  release(): void {
    this.connection.release();
  }

  rerouted(request: Request, way: number): void {
    this.connection.rerouted(request, way);
  }

  countPart(part: Request): void {
    this.connection.countPart(part);
  }

  partFinished(part: Request): void {
    this.connection.partFinished(part);
  }

  finished(request: Request): void {
    const reply = Buffer.from(request.replyBytes.subarray(request.replyStart, request.replyEnd));
    this.connection.partFinished(request);
    if (reply[0] === MINUS) this.answer(reply);
    else this.answered(reply);
  }

  protected abstract answered(reply: Buffer): void;

  protected answer(reply: Buffer): void {
    this.connection.release();
    this.host.finishPlace(this.connection, this.place, reply, 0, reply.length);
  }

  protected ask(way: ShardWay, slot: number): void {
    this.askWith(this.host.router.pool.take(), way, slot);
  }

  /** `slots`: those that it is about; null: it names none. */
  protected askWith(
    request: Request,
    way: ShardWay,
    slot: number,
    slots: readonly SlotRange[] | null = null,
  ): void {
    const { router } = this.host;
    request.isOfShard = this.command.row.spread.by !== 'scan';
    request.slots = slots;
    request.way = way.index;
    const rides = this.connection.hasWritesTo(way.index);
    router.submit(request, this, way, this.command, this.args, this.db, this.resp3, slot, rides);
  }
}

export class ScanWalk extends Walk {
  private hops = 0;

  start(): void {
    const text = this.args.text(1);
    const cursor = Number(text);
    // The shard refuses what is no cursor; one from beyond all slots is at the end.
    if (!/^\d{1,16}$/.test(text) || cursor >= SLOT_STRIDE * 16384) this.ask(this.host.router.wayOfSlot(0), 0);
    else this.go(cursor);
  }

  protected go(cursor: number): void {
    const { router } = this.host;
    let slot = Math.floor(cursor / SLOT_STRIDE);
    let at = cursor;
    while (slot < 16384 && !this.host.covers(this.connection, router.wayOfSlot(slot))) {
      slot = runEndOf(router.wayOfSlot(slot).runs, slot) + 1;
      at = slot * SLOT_STRIDE;
    }
    if (slot >= 16384) {
      this.answered(Buffer.from('*2\r\n$1\r\n0\r\n*0\r\n'));
      return;
    }
    replaceArg(this.args, 1, Buffer.from(String(at)));
    this.ask(router.wayOfSlot(slot), slot);
  }

  /** `*2 $n cursor *k …`: an empty page goes on at once. */
  protected answered(reply: Buffer): void {
    const lines = reply.toString('latin1', 0, Math.min(reply.length, 64)).split('\r\n');
    const cursor = Number(lines[2]);
    this.hops += 1;
    const isLastHop = cursor === 0 || lines[3] !== '*0' || this.hops >= RUNS_PER_CALL;
    if (!isLastHop) {
      this.go(cursor);
      return;
    }
    this.answer(reply);
  }
}

/** Asks the shards in a random order, each weighed by its slots, until one has a key. */
export class RandomKeyWalk extends Walk {
  private readonly left: ShardWay[] = [];
  private readonly random: () => number;

  constructor(
    host: WalkHost,
    connection: Connection,
    place: Request,
    command: CompiledCommand,
    args: Args,
    random: () => number,
  ) {
    super(host, connection, place, command, args);
    this.random = random;
  }

  start(): void {
    for (const way of this.host.router.ways) {
      if (way.slotCount > 0 && this.host.covers(this.connection, way)) this.left.push(way);
    }
    this.next();
  }

  private next(): void {
    const slots = this.left.reduce((sum, way) => sum + way.slotCount, 0);
    if (slots === 0) {
      const reply = new ReplyWriter(16);
      reply.protocol = this.resp3 ? 3 : 2;
      reply.null();
      this.answer(reply.buffer.subarray(0, reply.size));
      return;
    }
    let pick = this.random() % slots;
    let at = 0;
    while (pick >= this.left[at].slotCount) pick -= this.left[at++].slotCount;
    const [way] = this.left.splice(at, 1);
    this.ask(way, way.runs[0].from);
  }

  protected answered(reply: Buffer): void {
    const isNull = reply[0] === 95 || (reply[0] === 36 && reply[1] === MINUS);
    if (isNull && this.left.length > 0) this.next();
    else this.answer(reply);
  }
}

function replaceArg(args: Args, index: number, value: Buffer): void {
  const at = args.bytes.length;
  args.bytes = Buffer.concat([args.bytes, value]);
  args.start[index] = at;
  args.end[index] = at + value.length;
}
