import type { Handle } from './slab-pool.ts';

/** The keys of a slot in one database, out of any keyspace: dictionaries, whose entries are where they were. */
export interface SlotPart {
  readonly db: number;
  readonly slot: number;
  readonly keys: Handle;
  /** Of those that expire; NO_BLOCK when none does. */
  readonly volatile: Handle;
  readonly usedBytes: number;
}

/** A slot on its way from one keyspace of a node to another: handed over whole, in a time that does not hang on what it holds. */
export interface SlotContent {
  readonly slot: number;
  readonly parts: readonly SlotPart[];
}
