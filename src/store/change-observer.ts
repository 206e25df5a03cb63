import type { Handle } from './slab-pool.ts';

/** Who must know what was there before it changes: a snapshot under way. */
export interface ChangeObserver {
  /** The entry is about to get a later version, or to go. Never told in vain. */
  beforeKey(entry: Handle): void;
  /** A field of a large hash is about to be replaced or removed. */
  beforeField(table: Handle, field: Handle, hash: number): void;
  /** Whether the observer still reads the value's bytes: then they must not change in place. */
  reads(entry: Handle): boolean;
  /** The entry or table is out of use. True: the observer still reads it, and frees it when done. */
  keepsEntry(entry: Handle): boolean;
  keepsTable(table: Handle): boolean;
}
