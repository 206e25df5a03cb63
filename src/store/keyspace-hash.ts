/**
 * A hash of all replicated content as it is when it begins, taken in slices while writes go on. It does not depend on an order: it is the sum
 * of two hashes per key over database, slot, type, encoding, version, expiry, key and value. The fields of a large hash are summed
 * likewise, those of a small one count in their order. The access clock is left out.
 */
import { hexOf, Lanes, LaneSum } from './lanes.ts';
import type { Handle } from './slab-pool.ts';
import type { KeyspaceHash } from './types.ts';
import { KeyspaceWalk, type OpenValue } from './walk.ts';

const BYTES_PER_ITEM = 256;

/** A value that is taken in parts. */
interface LongValue {
  readonly lanes: Lanes;
  /** Of a large hash. */
  readonly fields: LaneSum;
  /** Long fields of it that are not whole yet, and the walk of the table itself. */
  openParts: number;
  /** Of a long field. */
  readonly table: LongValue | null;
  readonly sizeBytes: number;
}

export class KeyspaceHasher extends KeyspaceWalk implements KeyspaceHash {
  private readonly lanes = new Lanes();
  private readonly sum = new LaneSum();
  private readonly long = new Map<OpenValue, LongValue>();
  protected takenBytes = 0;

  next(maxItems: number): string | null {
    let examined = 0;
    const fromBytes = this.takenBytes;
    while (!this.ended && examined + (this.takenBytes - fromBytes) / BYTES_PER_ITEM < maxItems) {
      examined += this.advance();
    }
    return this.ended && !this.overflowed ? hexOf(this.sum) : null;
  }

  protected takeKey(entry: Handle, value: OpenValue | null, length: number): void {
    const { entries } = this.keys;
    const lanes = value === null ? this.lanes : new Lanes();
    const keyStart = entries.keyStart(entry);
    const keyLength = entries.keyLength(entry);
    lanes.reset();
    lanes.word(entries.database(entry) | (entries.type(entry) << 4) | (entries.encoding(entry) << 8));
    lanes.word(entries.slot(entry));
    lanes.number(entries.version(entry));
    lanes.number(entries.expireAtMs(entry));
    lanes.number(length);
    lanes.number(keyLength);
    lanes.bytes(entries.bytes(entry), keyStart, keyStart + keyLength);
    this.takenBytes += keyLength;
    if (value !== null) {
      this.long.set(value, { lanes, fields: new LaneSum(), openParts: 1, table: null, sizeBytes: length });
      return;
    }
    const start = entries.valueStart(entry);
    lanes.bytes(entries.bytes(entry), start, start + length);
    lanes.finish();
    this.takenBytes += length;
    this.sum.add(lanes);
  }

  protected takePart(value: OpenValue, bytes: Buffer, start: number, end: number): void {
    this.longOf(value).lanes.bytes(bytes, start, end);
    this.takenBytes += end - start;
  }

  protected takeField(table: OpenValue, field: Handle): void {
    const { tables } = this.keys;
    const { lanes } = this;
    const start = tables.valueStart(field);
    const end = tables.valueEnd(field);
    this.hashName(lanes, field);
    lanes.bytes(tables.bytes(field), start, end);
    lanes.number(end - start);
    lanes.finish();
    this.takenBytes += end - start;
    this.longOf(table).fields.add(lanes);
  }

  protected takeLongField(table: OpenValue, field: Handle, value: OpenValue): void {
    const lanes = new Lanes();
    this.hashName(lanes, field);
    const owner = this.longOf(table);
    owner.openParts += 1;
    const { sizeBytes } = value;
    this.long.set(value, { lanes, fields: new LaneSum(), openParts: 1, table: owner, sizeBytes });
  }

  private hashName(lanes: Lanes, field: Handle): void {
    const { tables } = this.keys;
    const start = tables.fieldStart(field);
    const end = tables.valueStart(field);
    lanes.reset();
    lanes.bytes(tables.bytes(field), start, end);
    lanes.number(end - start);
    this.takenBytes += end - start;
  }

  protected close(value: OpenValue): void {
    const long = this.longOf(value);
    this.long.delete(value);
    this.closePart(long, value.kind === 'table');
  }

  /** A large hash is whole when its table is walked and its long fields are. */
  private closePart(long: LongValue, isTable: boolean): void {
    const { lanes, fields, table } = long;
    long.openParts -= 1;
    if (long.openParts > 0) return;
    if (isTable) {
      lanes.word(fields.low);
      lanes.word(fields.high);
    } else if (table !== null) {
      lanes.number(long.sizeBytes);
    }
    lanes.finish();
    if (table === null) {
      this.sum.add(lanes);
      return;
    }
    table.fields.add(lanes);
    this.closePart(table, true);
  }

  protected finish(): void {}

  private longOf(value: OpenValue): LongValue {
    const long = this.long.get(value);
    if (long === undefined) throw new TypeError('a value that is walked was announced');
    return long;
  }
}
