import { entryChecksum, type Entry } from '../raft/entry.ts';
import type { GroupId, HardState, MemberId } from '../raft/types.ts';
import { headerChecksum } from './checksum.ts';
import {
  HARD_STATE_BYTES,
  LAST_INDEX_BYTES,
  MEMBER_BYTES,
  TIME_CEILING_BYTES,
  writeHardState,
  writeLastIndex,
  writeMember,
  writeTimeCeiling,
} from './payloads.ts';
import { RECORD_HEADER_BYTES, recordBytes, RecordKind, sealRecords, stageRecordHeader } from './record.ts';

const INITIAL_BYTES = 256 * 1024;
/** A buffer that grew beyond this is not kept. */
const KEPT_BYTES = 4 * 1024 * 1024;
const NO_GROUP = 0;

/** Records that are gathered to be written at once, in one buffer that is used again and again. */
export class Batch {
  #bytes = Buffer.allocUnsafeSlow(INITIAL_BYTES);
  #view = viewOf(this.#bytes);
  #lengthBytes = 0;
  /** The groups with entries in it, few, and the highest index staged of each: the first `groupCount` hold. */
  groupCount = 0;
  readonly groups: GroupId[] = [];
  readonly highest: number[] = [];
  /** The index staged last, of each: below the highest where entries were replaced. 0: nothing that counts. */
  readonly last: number[] = [];
  /** To be run, in this order, when the batch is durable. */
  callbacks: (() => void)[] = [];
  /** To be run when it is synced, in `buffered` too. */
  readonly awaitSync: (() => void)[] = [];
  /** Somebody waits for it. */
  flushed = false;

  get lengthBytes(): number {
    return this.#lengthBytes;
  }

  addEntry(group: GroupId, entry: Entry): void {
    const payload = entry.bytes;
    const offset = this.#reserve(RecordKind.ENTRY, group, payload.length, entryChecksum(entry));
    this.#bytes.set(payload, offset);
  }

  raiseHighest(group: GroupId, index: number): void {
    const { groups, highest } = this;
    let at = 0;
    while (at < this.groupCount && groups[at] !== group) at += 1;
    if (at === this.groupCount) {
      this.groupCount += 1;
      groups[at] = group;
      highest[at] = index;
    } else if (index > highest[at]) {
      highest[at] = index;
    }
    this.last[at] = index;
  }

  addHardState(group: GroupId, hardState: HardState): void {
    const offset = this.#lengthBytes + RECORD_HEADER_BYTES;
    this.#ensure(recordBytes(HARD_STATE_BYTES));
    writeHardState(this.#view, offset, hardState);
    const checksum = headerChecksum(this.#bytes, offset, offset + HARD_STATE_BYTES);
    this.#reserve(RecordKind.HARD_STATE, group, HARD_STATE_BYTES, checksum);
  }

  /** From here on the group's records are this member's: what was recorded for another is none of its. */
  addMember(group: GroupId, member: MemberId): void {
    const offset = this.#lengthBytes + RECORD_HEADER_BYTES;
    this.#ensure(recordBytes(MEMBER_BYTES));
    writeMember(this.#view, offset, member);
    const checksum = headerChecksum(this.#bytes, offset, offset + MEMBER_BYTES);
    this.#reserve(RecordKind.MEMBER, group, MEMBER_BYTES, checksum);
  }

  /** Nobody needs what is staged of the group. */
  forget(group: GroupId): void {
    for (let at = 0; at < this.groupCount; at += 1) {
      if (this.groups[at] !== group) continue;
      this.highest[at] = 0;
      this.last[at] = 0;
    }
  }

  /** The group's log goes up to here: recovery misses what a lost file held of it. */
  addLastIndex(group: GroupId, index: number): void {
    const offset = this.#lengthBytes + RECORD_HEADER_BYTES;
    this.#ensure(recordBytes(LAST_INDEX_BYTES));
    writeLastIndex(this.#view, offset, index);
    const checksum = headerChecksum(this.#bytes, offset, offset + LAST_INDEX_BYTES);
    this.#reserve(RecordKind.LAST_INDEX, group, LAST_INDEX_BYTES, checksum);
  }

  addTimeCeiling(timeMs: number): void {
    const offset = this.#lengthBytes + RECORD_HEADER_BYTES;
    this.#ensure(recordBytes(TIME_CEILING_BYTES));
    writeTimeCeiling(this.#view, offset, timeMs);
    const checksum = headerChecksum(this.#bytes, offset, offset + TIME_CEILING_BYTES);
    this.#reserve(RecordKind.TIME_CEILING, NO_GROUP, TIME_CEILING_BYTES, checksum);
  }

  /** The first `lengthBytes` of what is returned go to `position` of the log. */
  seal(position: number, start: number, mark: number): Buffer {
    sealRecords(this.#bytes, this.#view, 0, this.#lengthBytes, position, start, mark);
    return this.#bytes;
  }

  takeCallbacks(): (() => void)[] {
    return this.awaitSync.length === 0 ? this.callbacks : [...this.awaitSync, ...this.callbacks];
  }

  clear(): void {
    this.#lengthBytes = 0;
    this.groupCount = 0;
    if (this.callbacks.length > 0) this.callbacks = [];
    if (this.awaitSync.length > 0) this.awaitSync.length = 0;
    this.flushed = false;
    if (this.#bytes.length > KEPT_BYTES) this.#resize(INITIAL_BYTES);
  }

  /** Adds a record's header; returns where its payload goes. */
  #reserve(kind: RecordKind, group: GroupId, payloadBytes: number, payloadChecksum: number): number {
    const offset = this.#lengthBytes;
    const sizeBytes = recordBytes(payloadBytes);
    this.#ensure(sizeBytes);
    stageRecordHeader(this.#view, offset, kind, group, payloadBytes, payloadChecksum);
    this.#lengthBytes = offset + sizeBytes;
    return offset + RECORD_HEADER_BYTES;
  }

  #ensure(moreBytes: number): void {
    const neededBytes = this.#lengthBytes + moreBytes;
    if (neededBytes > this.#bytes.length) this.#resize(Math.max(neededBytes, this.#bytes.length * 2));
  }

  #resize(sizeBytes: number): void {
    const bytes = Buffer.allocUnsafeSlow(sizeBytes);
    this.#bytes.copy(bytes, 0, 0, this.#lengthBytes);
    this.#bytes = bytes;
    this.#view = viewOf(bytes);
  }
}

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}
