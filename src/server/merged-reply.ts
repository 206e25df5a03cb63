/** One reply made of those of a command's parts. */
import { skipReply } from '../resp/reply-scan.ts';
import type { ReplyWriter } from '../resp/reply-writer.ts';
import { keptReply, type Request } from './request.ts';

const MINUS = 45;
const COLON = 58;
const STAR = 42;
const NO_REPLY = Buffer.alloc(0);
const INDETERMINATE = Buffer.from('-INDETERMINATE');

export type Merge = 'sum' | 'array' | 'concat' | 'ok';

export class MergedReply {
  private readonly merge: Merge;
  private readonly isWrite: boolean;
  private readonly replies: Buffer[];
  /** What follows of a part's reply, when it is long. */
  private readonly tails: (readonly Buffer[])[];
  /** For `array`: which part each element comes from, in order. */
  private readonly order: readonly number[];
  private missing: number;

  constructor(merge: Merge, isWrite: boolean, parts: number, order: readonly number[]) {
    this.merge = merge;
    this.isWrite = isWrite;
    this.replies = Array.from({ length: parts }, () => NO_REPLY);
    this.tails = Array.from({ length: parts }, () => []);
    this.order = order;
    this.missing = parts;
  }

  get isWhole(): boolean {
    return this.missing === 0;
  }

  /** Keeps the reply of a part; returns what it takes. */
  take(part: Request): number {
    const reply = keptReply(part);
    this.replies[part.part] = reply;
    this.tails[part.part] = part.tail;
    this.missing -= 1;
    return reply.length + part.tailBytes;
  }

  /** Writes the whole; returns what follows it. */
  write(reply: ReplyWriter): readonly Buffer[] {
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
  if (part[0] !== COLON && part[0] !== STAR) return 0;
  return Number(part.toString('latin1', 1, part.indexOf(13)));
}

function elementsAt(part: Buffer): number {
  return part.indexOf(10) + 1;
}
