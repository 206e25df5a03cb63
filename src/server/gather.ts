/**
 * A command over several shards: one part per shard, each a request of its own, and one reply made of theirs. Parts run at once and each is
 * atomic in its shard alone; if the outcome of one is unknown, so is the whole.
 */
import { ReplyWriter } from '../resp/reply-writer.ts';
import { skipReply } from '../resp/reply-scan.ts';
import type { Connection } from './connection.ts';
import { keptReply, type Request, type RequestOwner } from './request.ts';

const MINUS = 45;
const COLON = 58;
const NO_REPLY = Buffer.alloc(0);
const INDETERMINATE = Buffer.from('-INDETERMINATE');

export type Merge = 'sum' | 'array' | 'concat' | 'ok';

export class Gather implements RequestOwner {
  private readonly connection: Connection;
  private readonly place: Request;
  private readonly merge: Merge;
  private readonly isWrite: boolean;
  private readonly replies: Buffer[];
  /** What follows of a part's reply, when it is long. */
  private readonly tails: (readonly Buffer[])[];
  /** For `array`: which part each element comes from, in order. */
  private readonly order: readonly number[];
  private missing: number;
  private readonly done: (place: Request, reply: ReplyWriter, tail: readonly Buffer[]) => void;

  constructor(
    connection: Connection,
    place: Request,
    merge: Merge,
    isWrite: boolean,
    parts: number,
    order: readonly number[],
    done: (place: Request, reply: ReplyWriter, tail: readonly Buffer[]) => void,
  ) {
    this.connection = connection;
    this.place = place;
    this.merge = merge;
    this.isWrite = isWrite;
    this.replies = Array.from({ length: parts }, () => NO_REPLY);
    this.tails = Array.from({ length: parts }, () => []);
    this.order = order;
    this.missing = parts;
    this.done = done;
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

  finished(request: Request): void {
    const reply = keptReply(request);
    this.replies[request.part] = reply;
    this.tails[request.part] = request.tail;
    this.connection.keepPart(this.place, reply.length + request.tailBytes);
    this.connection.partFinished(request);
    this.missing -= 1;
    if (this.missing > 0) return;
    const whole = new ReplyWriter(256);
    whole.protocol = this.connection.protocol;
    this.done(this.place, whole, this.write(whole));
  }

  /** Returns what follows. */
  private write(reply: ReplyWriter): readonly Buffer[] {
    const error = this.error();
    if (error !== null) {
      reply.raw(error, 0, error.length);
      return [];
    }
    switch (this.merge) {
      case 'ok':
        reply.raw(this.replies[0], 0, this.replies[0].length);
        break;
      case 'sum':
        reply.integer(this.replies.reduce((sum, part) => sum + integerOf(part), 0));
        break;
      case 'array':
        this.writeInOrder(reply);
        break;
      case 'concat':
        return this.concatenate(reply);
    }
    return [];
  }

  /** An unknown outcome of one write is that of all; else the first error counts. */
  private error(): Buffer | null {
    let first: Buffer | null = null;
    for (const part of this.replies) {
      if (part[0] !== MINUS) continue;
      if (part.compare(INDETERMINATE, 0, INDETERMINATE.length, 0, INDETERMINATE.length) === 0) return part;
      first ??= part;
    }
    if (first === null || !this.isWrite || this.replies.every((part) => part[0] === MINUS)) return first;
    // Some shards have done their part: the command as a whole neither ran nor did not.
    return Buffer.from('-INDETERMINATE The command ran on some of its shards only\r\n');
  }

  private writeInOrder(reply: ReplyWriter): void {
    const at = this.replies.map((part) => elementsAt(part));
    reply.arrayHeader(this.order.length);
    for (const part of this.order) {
      const end = skipReply(this.replies[part], at[part]);
      reply.raw(this.replies[part], at[part], end);
      at[part] = end;
    }
  }

  private concatenate(reply: ReplyWriter): readonly Buffer[] {
    reply.arrayHeader(this.replies.reduce((sum, part) => sum + integerOf(part), 0));
    if (this.tails.every((tail) => tail.length === 0)) {
      for (const part of this.replies) reply.raw(part, elementsAt(part), part.length);
      return [];
    }
    return this.replies.flatMap((part, index) => [part.subarray(elementsAt(part)), ...this.tails[index]]);
  }
}

/** The number of an integer reply, or of an array's elements. */
function integerOf(part: Buffer): number {
  if (part[0] !== COLON && part[0] !== 42) return 0;
  return Number(part.toString('latin1', 1, part.indexOf(13)));
}

function elementsAt(part: Buffer): number {
  return part.indexOf(10) + 1;
}
