/** Commands of a peer that wait until it has taken more of its replies, in the order in which they came. */
import type { ShardId } from '../topology/types.ts';

/** When so much waits, what comes is refused, to be asked again. One that is longer is taken while less does: it was long on its way. */
const DELAYED_MAX_BYTES = 64 * 1024 * 1024;
/** What a record takes beside its bytes. */
const RECORD_BYTES = 128;

/** A record `bytes[at, itemEnd)`, with its item from `itemAt` on. */
export interface DelayedRecord {
  shard: ShardId;
  bytes: Buffer;
  at: number;
  itemAt: number;
  itemEnd: number;
}

export class DelayedRecords {
  private records: DelayedRecord[] = [];
  /** How many of the first are taken. */
  private taken = 0;
  private bytes = 0;
  private readonly countOf = new Map<ShardId, number>();

  get isEmpty(): boolean {
    return this.taken === this.records.length;
  }

  /** Whether one of this shard waits. */
  has(shard: ShardId): boolean {
    return (this.countOf.get(shard) ?? 0) > 0;
  }

  /** False when too much waits. */
  add(record: DelayedRecord): boolean {
    if (this.bytes >= DELAYED_MAX_BYTES) return false;
    this.bytes += keptBytes(record);
    this.countOf.set(record.shard, (this.countOf.get(record.shard) ?? 0) + 1);
    this.records.push(owned(record));
    return true;
  }

  take(): DelayedRecord | null {
    if (this.isEmpty) return null;
    const record = this.records[this.taken];
    this.taken += 1;
    this.bytes -= keptBytes(record);
    this.countOf.set(record.shard, (this.countOf.get(record.shard) ?? 0) - 1);
    // Once in a while, so that each is moved about once.
    if (this.taken * 2 > this.records.length) {
      this.records = this.records.slice(this.taken);
      this.taken = 0;
    }
    return record;
  }

  clear(): void {
    this.records = [];
    this.taken = 0;
    this.bytes = 0;
    this.countOf.clear();
  }
}

function keptBytes({ at, itemEnd }: DelayedRecord): number {
  return RECORD_BYTES + itemEnd - at;
}

/** With bytes of its own: one small record would keep the whole frame that it came in. */
function owned(record: DelayedRecord): DelayedRecord {
  const { shard, bytes, at, itemAt, itemEnd } = record;
  if (itemEnd - at === bytes.length) return record;
  const own = Buffer.from(bytes.subarray(at, itemEnd));
  return { shard, bytes: own, at: 0, itemAt: itemAt - at, itemEnd: itemEnd - at };
}
