import type { Handle } from './slab-pool.ts';
import type { SlotPart } from './slot-content.ts';

/** Who must know what was there before it changes: a walk under way, for a snapshot or a hash. */
export interface ChangeObserver {
  /** The entry is about to get a later version, or to go. Never told in vain. */
  beforeKey(entry: Handle): void;
  /** A field of a large hash is about to be replaced or removed. */
  beforeField(table: Handle, field: Handle, hash: number): void;
  /** Whether the observer still reads the value in this block, an entry or a field: then it must not change in place. */
  reads(block: Handle): boolean;
  /** An entry, field or table is out of use. True: the observer still reads it, and releases it when done. May be asked twice. */
  keeps(block: Handle): boolean;
  /** A slot's keys of one database have just gone out of the keyspace, as they are; they do not change while an observer holds them. */
  slotLeft(part: SlotPart): void;
  /** They are about to come in. */
  slotArrives(part: SlotPart): void;
}
