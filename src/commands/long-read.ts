/** Reads too long for one turn of the event loop: they go on in the turns that follow, a piece of the reply at a time. */
import type { ReplyWriter } from '../resp/reply-writer.ts';
import { Encoding, type FieldVisitor, type HashView, type Keyspace, type Ref } from '../store/types.ts';
import { matchesGlob } from './glob.ts';
import type { KeyContext } from './types.ts';

/** A hash that takes more is read in pieces; so much takes about a millisecond. */
const LONG_HASH_BYTES = 512 * 1024;
/** A database with more keys is. */
const LONG_KEYS = 5000;

/** One step: less than a millisecond. */
const STEP_BYTES = 64 * 1024;
const STEP_ITEMS = 2048;
/** Old fields that are kept for a view: above, it is read to its end at once. */
const KEPT_MAX_BYTES = 64 * 1024 * 1024;

const LAST_SLOT = 16383;
const NO_SCAN = -1;

export interface LongRead {
  /** Keeps so much that it must not wait. */
  readonly isUrgent: boolean;
  /** What it reads stays as it was, also when the shard's state is replaced by a snapshot. */
  readonly isPinned: boolean;
  /** Writes the next elements; true when there are no more. */
  step(reply: ReplyWriter): boolean;
  /** Writes what comes before the elements; called last. */
  head(reply: ReplyWriter): void;
  /** Called once, whatever became of it. */
  end(): void;
}

export function isLongHash({ mayBeLong, keyspace }: KeyContext, ref: Ref): boolean {
  if (!mayBeLong || keyspace.encodingOf(ref) !== Encoding.HASHTABLE) return false;
  return keyspace.keyUsedBytes(ref) > LONG_HASH_BYTES;
}

export function isLongDatabase({ mayBeLong, keyspace, db }: KeyContext): boolean {
  return mayBeLong && keyspace.keyCount(db) > LONG_KEYS;
}

/** Fields as they were at the start: one state of the hash, whatever is written meanwhile. */
abstract class FieldsRead implements LongRead {
  readonly isPinned = true;
  protected readonly view: HashView;

  constructor(view: HashView) {
    this.view = view;
  }

  get isUrgent(): boolean {
    return this.view.keptBytes > KEPT_MAX_BYTES;
  }

  step(reply: ReplyWriter): boolean {
    for (let items = 0; items < STEP_ITEMS && reply.size < STEP_BYTES; items += 1) {
      if (!this.next(reply)) return true;
    }
    return false;
  }

  abstract head(reply: ReplyWriter): void;

  end(): void {
    this.view.close();
  }

  /** False: there was no more. */
  protected abstract next(reply: ReplyWriter): boolean;
}

/** HGETALL, HKEYS and HVALS. */
export class AllFieldsRead extends FieldsRead {
  private readonly what: 'fields' | 'values' | 'both';
  private at = 0;

  constructor(view: HashView, what: 'fields' | 'values' | 'both') {
    super(view);
    this.what = what;
  }

  head(reply: ReplyWriter): void {
    if (this.what === 'both') reply.mapHeader(this.view.length);
    else reply.arrayHeader(this.view.length);
  }

  protected next(reply: ReplyWriter): boolean {
    if (this.at === this.view.length) return false;
    this.view.visit(this.at, (field, start, end, value, valueStart, valueEnd) => {
      if (this.what !== 'values') reply.bulk(field, start, end);
      if (this.what !== 'fields') reply.bulk(value, valueStart, valueEnd);
    });
    this.at += 1;
    return true;
  }
}

/** HRANDFIELD. `random` gives uint32s. */
abstract class RandomFieldsRead extends FieldsRead {
  protected readonly count: number;
  private readonly withValues: boolean;
  protected readonly random: () => number;
  protected left: number;

  constructor(view: HashView, count: number, withValues: boolean, random: () => number) {
    super(view);
    this.count = count;
    this.left = count;
    this.withValues = withValues;
    this.random = random;
  }

  head(reply: ReplyWriter): void {
    reply.arrayHeader(this.withValues && reply.protocol === 2 ? this.count * 2 : this.count);
  }

  protected write(reply: ReplyWriter, index: number): void {
    const visit: FieldVisitor = (field, start, end, value, valueStart, valueEnd) => {
      if (this.withValues && reply.protocol === 3) reply.arrayHeader(2);
      reply.bulk(field, start, end);
      if (this.withValues) reply.bulk(value, valueStart, valueEnd);
    };
    this.view.visit(index, visit);
    this.left -= 1;
  }
}

/** With repetition. */
export class RepeatedFieldsRead extends RandomFieldsRead {
  protected next(reply: ReplyWriter): boolean {
    if (this.left === 0) return false;
    this.write(reply, Math.floor((this.random() / 2 ** 32) * this.view.length));
    return true;
  }
}

/** Without: Knuth's selection sampling. */
export class DistinctFieldsRead extends RandomFieldsRead {
  private at = 0;

  protected next(reply: ReplyWriter): boolean {
    if (this.left === 0) return false;
    const unseen = this.view.length - this.at;
    if (this.left === unseen || (this.random() / 2 ** 32) * unseen < this.left) this.write(reply, this.at);
    this.at += 1;
    return true;
  }
}

/**
 * KEYS. A key that is there from the beginning to the end is told, and told once; one that comes or goes meanwhile may be. Each is told of a
 * state that was the shard's between question and answer.
 */
export class KeysRead implements LongRead {
  readonly isUrgent = false;
  readonly isPinned = false;
  private readonly keyspace: Keyspace;
  private readonly db: number;
  private readonly pattern: Buffer;
  private cursor = 0;
  private found = 0;

  constructor({ keyspace, db, args }: KeyContext) {
    this.keyspace = keyspace;
    this.db = db;
    this.pattern = Buffer.from(args.bytes.subarray(args.start[1], args.end[1]));
  }

  step(reply: ReplyWriter): boolean {
    for (let examined = 0; examined < STEP_ITEMS && reply.size < STEP_BYTES; examined += STEP_ITEMS / 8) {
      this.cursor = this.keyspace.scan(
        this.db,
        this.cursor,
        LAST_SLOT,
        STEP_ITEMS / 8,
        (bytes, start, end) => {
          if (!matchesGlob(this.pattern, 0, this.pattern.length, bytes, start, end)) return;
          reply.bulk(bytes, start, end);
          this.found += 1;
        },
      );
      if (this.cursor === NO_SCAN) return true;
    }
    return false;
  }

  head(reply: ReplyWriter): void {
    reply.arrayHeader(this.found);
  }

  end(): void {}
}
