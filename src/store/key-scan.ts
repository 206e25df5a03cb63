/**
 * SCAN and RANDOMKEY. Keys are visited slot by slot in the order of their hashes; the cursor names the slot and the hash to go on from. A key
 * that is there throughout has the same slot and hash throughout, so it is visited, whatever is written meanwhile, and only once.
 */
import { END_OF_HASHES } from './dictionary.ts';
import type { KeyTable } from './key-table.ts';
import { SLOT_COUNT } from './slot-table.ts';
import { type KeyVisitor, NO_REF, type Ref } from './types.ts';

/** Random picks before the keyspace is walked from a random place on, for keys that have all but all expired. */
const RANDOM_TRIES = 32;
const WALK_KEYS = 10_000;
const WALK_STEP_KEYS = 100;

export class KeyScan {
  private readonly keys: KeyTable;

  constructor(keys: KeyTable) {
    this.keys = keys;
  }

  /** Returns the next cursor, or -1. */
  scan(db: number, cursor: number, slotTo: number, count: number, timeMs: number, visit: KeyVisitor): number {
    const database = this.keys.databases[db];
    if (database === null) return -1;
    const { entries, dictionary } = this.keys;
    let slot = Math.floor(cursor / END_OF_HASHES);
    let hash = cursor % END_OF_HASHES;
    let left = count;
    while (left > 0) {
      const next = database.keys.nextSlot(slot, slotTo);
      if (next > slotTo) return -1;
      if (next !== slot) hash = 0;
      slot = next;
      const found = database.keys.collect(slot, hash, left);
      hash = dictionary.nextHash;
      for (let index = 0; index < found; index += 1) {
        const entry = dictionary.collected[index];
        if (this.keys.isExpired(entry, timeMs)) continue;
        const start = entries.keyStart(entry);
        visit(entries.bytes(entry), start, start + entries.keyLength(entry), entry);
      }
      left -= found;
      if (hash === END_OF_HASHES) {
        slot += 1;
        hash = 0;
      }
    }
    return database.keys.nextSlot(slot, slotTo) > slotTo ? -1 : slot * END_OF_HASHES + hash;
  }

  /** A live key. Where nearly all have expired, NO_REF may come although one is left. */
  randomKey(db: number, timeMs: number, picks: () => number): Ref {
    const database = this.keys.databases[db];
    if (database === null || database.keys.total === 0) return NO_REF;
    const { keys } = database;
    for (let tries = 0; tries < RANDOM_TRIES; tries += 1) {
      const rank = Math.floor((picks() * keys.total) / END_OF_HASHES);
      const entry = keys.pick(keys.slotOfRank(rank), picks());
      if (!this.keys.isExpired(entry, timeMs)) return entry;
    }
    const slot = keys.slotOfRank(Math.floor((picks() * keys.total) / END_OF_HASHES));
    const after = this.firstLive(db, slot, timeMs);
    return after === NO_REF ? this.firstLive(db, 0, timeMs) : after;
  }

  private firstLive(db: number, fromSlot: number, timeMs: number): Ref {
    const live: Ref[] = [];
    const note: KeyVisitor = (_bytes, _start, _end, ref) => live.push(ref);
    let cursor = fromSlot * END_OF_HASHES;
    for (let walked = 0; walked < WALK_KEYS && cursor !== -1; walked += WALK_STEP_KEYS) {
      cursor = this.scan(db, cursor, SLOT_COUNT - 1, WALK_STEP_KEYS, timeMs, note);
      if (live.length > 0) return live[0];
    }
    return NO_REF;
  }
}
