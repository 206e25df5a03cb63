/** The active expiry cycle's eyes: walks the keys that have an expiry, a few at a time, round and round. The place is this node's alone. */
import { END_OF_HASHES } from './dictionary.ts';
import type { KeyTable } from './key-table.ts';
import { SLOT_COUNT } from './slot-table.ts';
import { DATABASE_COUNT, type Victim } from './types.ts';

export class ExpirySampler {
  private readonly keys: KeyTable;
  private db = 0;
  private slot = 0;
  private hash = 0;

  constructor(keys: KeyTable) {
    this.keys = keys;
  }

  sample(timeMs: number, examine: number, out: Victim[]): void {
    let all = 0;
    for (const database of this.keys.databases) all += database === null ? 0 : database.volatile.total;
    let left = Math.min(examine, all);
    while (left > 0) {
      const volatile = this.keys.databases[this.db]?.volatile;
      const next = volatile === undefined ? SLOT_COUNT : volatile.nextSlot(this.slot, SLOT_COUNT - 1);
      if (next !== this.slot) this.hash = 0;
      this.slot = next;
      if (volatile === undefined || next === SLOT_COUNT) {
        this.db = (this.db + 1) % DATABASE_COUNT;
        this.slot = 0;
        this.hash = 0;
        continue;
      }
      const found = volatile.collect(next, this.hash, left);
      this.note(found, timeMs, out);
      left -= found;
      this.hash = this.keys.dictionary.nextHash;
      if (this.hash === END_OF_HASHES) {
        this.slot += 1;
        this.hash = 0;
      }
    }
  }

  private note(found: number, timeMs: number, out: Victim[]): void {
    for (let index = 0; index < found; index += 1) {
      const entry = this.keys.dictionary.collected[index];
      if (this.keys.isExpired(entry, timeMs)) out.push(this.keys.victim(entry));
    }
  }
}
