/**
 * Which keys entries that are not applied yet evict: found once more, they would be counted twice, and what is written in the room that only one of
 * them makes would lie above the budget.
 */
import type { Victim } from '../store/types.ts';

/** Of one entry. */
export type Evicted = readonly string[];
const NONE: Evicted = [];

export class EvictionsUnderWay {
  private readonly all = new Set<string>();
  /** Of the entry that is being made. */
  private next: string[] = [];

  /** False when an entry evicts it already. */
  add({ db, key }: Victim): boolean {
    const id = `${db}:${key.toString('latin1')}`;
    if (this.all.has(id)) return false;
    this.all.add(id);
    this.next.push(id);
    return true;
  }

  /** The entry is proposed. */
  take(): Evicted {
    if (this.next.length === 0) return NONE;
    const taken = this.next;
    this.next = [];
    return taken;
  }

  /** An entry is applied, or will not be. */
  end(evicted: Evicted): void {
    for (const id of evicted) this.all.delete(id);
  }

  clear(): void {
    this.all.clear();
    this.next = [];
  }
}
