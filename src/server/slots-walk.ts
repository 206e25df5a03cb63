/**
 * DBSIZE and FLUSHALL: a command on all slots, each of which it is done for once, wherever slots are meanwhile. Each shard is asked about the slots that
 * it is known to have, by name, and says which of them it left out since they are not there, or not served now; their owners are asked next.
 */
import { skipReply } from '../resp/reply-scan.ts';
import { rangesIn } from '../shard/command-item.ts';
import { rangesOf, slotsOf } from '../topology/slot-ranges.ts';
import { SLOT_COUNT } from '../topology/types.ts';
import type { Request } from './request.ts';
import { NOTHING_DONE } from './route.ts';
import type { ShardWay } from './router.ts';
import { Walk } from './shard-walk.ts';

const MINUS = 45;
const COLON = 58;
const INDETERMINATE = '-INDETERMINATE';
const OUT_OF_REACH = Buffer.from('-CLUSTERDOWN Some slots are between two shards for too long\r\n');
const RAN_ON_SOME = Buffer.from('-INDETERMINATE The command ran on some of its shards only\r\n');
const LEADS_NONE = Buffer.from('-CLUSTERDOWN This node leads no shard now\r\n');

export class SlotsWalk extends Walk {
  /** By the parts that are asked now: what each is asked about. */
  private readonly asked = new Map<Request, readonly number[]>();
  private left: readonly number[] = [];
  private readonly sinceMs = this.host.now.monotonicMs;
  private sum = 0;
  /** Of a shard that has done its part. */
  private done: Buffer | null = null;
  private error: Buffer | null = null;

  start(): void {
    this.left = Array.from({ length: SLOT_COUNT }, (_, slot) => slot);
    this.askAll();
  }

  private askAll(): void {
    const slotsOfWay = new Map<ShardWay, number[]>();
    for (const slot of this.left) {
      const way = this.host.router.ownerOf(slot);
      // The redirect port covers what this node leads: what has gone elsewhere is another's to do.
      if (!this.host.covers(this.connection, way)) continue;
      const slots = slotsOfWay.get(way);
      if (slots === undefined) slotsOfWay.set(way, [slot]);
      else slots.push(slot);
    }
    this.left = [];
    if (slotsOfWay.size === 0) {
      this.end();
      return;
    }
    // All first: an answer may come at once.
    const parts = [...slotsOfWay].map(([way, slots]) => ({
      way,
      slots,
      request: this.host.router.pool.take(),
    }));
    for (const { request, slots } of parts) this.asked.set(request, slots);
    for (const { way, slots, request } of parts) {
      if (this.command.isWrite) this.connection.countWrite(way.index);
      this.askWith(request, way, slots[0], rangesOf(slots));
    }
  }

  override finished(request: Request): void {
    const { replyBytes: bytes, replyStart: start, replyEnd: end } = request;
    const slots = this.asked.get(request) ?? [];
    this.asked.delete(request);
    if (bytes === NOTHING_DONE) this.left = [...this.left, ...slots];
    else this.take(bytes, start, end);
    this.connection.partFinished(request);
    if (this.asked.size === 0) this.goOn();
  }

  private take(bytes: Buffer, start: number, end: number): void {
    const replyEnd = skipReply(bytes, start);
    const reply = Buffer.from(bytes.subarray(start, replyEnd));
    if (reply[0] === MINUS) {
      // An unknown outcome of one part is that of all.
      if (this.error === null || reply.indexOf(INDETERMINATE) === 0) this.error = reply;
      return;
    }
    if (reply[0] === COLON) this.sum += Number(reply.toString('latin1', 1, reply.length - 2));
    this.done = reply;
    this.left = [...this.left, ...slotsOf(rangesIn(bytes, replyEnd, end))];
  }

  private goOn(): void {
    if (this.error !== null || this.left.length === 0) {
      this.end();
    } else if (this.host.now.monotonicMs - this.sinceMs >= this.host.router.parkTimeoutMs) {
      this.error = OUT_OF_REACH;
      this.end();
    } else this.host.router.holds.later(() => this.askAll());
  }

  private end(): void {
    const { error, done, command } = this;
    if (error !== null) this.answer(command.isWrite && done !== null ? RAN_ON_SOME : error);
    else if (done === null) this.answer(LEADS_NONE);
    else this.answer(done[0] === COLON ? Buffer.from(`:${this.sum}\r\n`) : done);
  }

  protected answered(): void {}
}
