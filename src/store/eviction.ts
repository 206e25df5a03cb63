/**
 * Whom to evict, as Redis approximates it: a few keys are sampled into a small pool of the best candidates so far, and the best of the pool
 * goes, until enough bytes are found. Where Redis keeps its pool from one eviction to the next, this one takes ten samples a victim.
 */
import { frequencyOf, idleMsOf, NEVER_USED } from './access-clock.ts';
import { END_OF_HASHES } from './dictionary.ts';
import type { KeyTable } from './key-table.ts';
import type { Handle } from './slab-pool.ts';
import { SLOT_COUNT, type SlotTable } from './slot-table.ts';
import type { EvictionPolicy, Victim } from './types.ts';

const POOL_SIZE = 16;
const SAMPLES_PER_PICK = 5;
const PICKS_PER_VICTIM = 2;
const MAX_FREQUENCY = 255;

/** The higher, the sooner it goes. */
type Score = (entry: Handle) => number;

export class Evictor {
  private readonly keys: KeyTable;
  private readonly chosen = new Set<Handle>();
  private readonly poolEntries: Handle[] = [];
  private readonly poolScores: number[] = [];

  constructor(keys: KeyTable) {
    this.keys = keys;
  }

  sample(
    policy: EvictionPolicy,
    needBytes: number,
    monotonicMs: number,
    picks: () => number,
    out: Victim[],
  ): number {
    if (policy === 'noeviction') return 0;
    const tables = this.tables(policy.startsWith('volatile-'));
    const score = this.score(policy, monotonicMs);
    const random = policy.endsWith('-random');
    let foundBytes = 0;
    while (foundBytes < needBytes) {
      const picked = random ? 1 : PICKS_PER_VICTIM;
      for (let pick = 0; pick < picked; pick += 1) {
        this.samplePlace(tables, random ? 1 : SAMPLES_PER_PICK, picks, score);
      }
      const victim = this.poolEntries.shift();
      if (victim === undefined) break;
      this.poolScores.shift();
      this.chosen.add(victim);
      foundBytes += this.keys.entryBytes(victim);
      out.push(this.keys.victim(victim));
    }
    this.chosen.clear();
    this.poolEntries.length = 0;
    this.poolScores.length = 0;
    return foundBytes;
  }

  private tables(volatile: boolean): SlotTable[] {
    const tables: SlotTable[] = [];
    for (const database of this.keys.databases) {
      const table = volatile ? database?.volatile : database?.keys;
      if (table !== undefined && table.total > 0) tables.push(table);
    }
    return tables;
  }

  private score(policy: EvictionPolicy, monotonicMs: number): Score {
    const { entries } = this.keys;
    if (policy === 'volatile-ttl') return (entry) => -entries.expireAtMs(entry);
    if (policy.endsWith('-lfu'))
      return (entry) => MAX_FREQUENCY - frequencyOf(entries.access(entry), monotonicMs);
    if (policy.endsWith('-random')) return () => 0;
    // What this leader has never seen used goes before what it has.
    return (entry) => {
      const access = entries.access(entry);
      return access === NEVER_USED ? Infinity : idleMsOf(access, monotonicMs);
    };
  }

  /** Offers to the pool up to `wanted` keys from a random place on that are neither chosen nor in the pool. */
  private samplePlace(tables: readonly SlotTable[], wanted: number, picks: () => number, score: Score): void {
    let total = 0;
    for (const table of tables) total += table.total;
    if (this.chosen.size + this.poolEntries.length >= total) return;
    let rank = Math.floor((picks() * total) / END_OF_HASHES);
    let index = 0;
    while (rank >= tables[index].total) rank -= tables[index++].total;
    let slot = tables[index].slotOfRank(rank);
    let hash = picks();
    let left = wanted;
    while (left > 0 && this.chosen.size + this.poolEntries.length < total) {
      left -= this.offerFrom(tables[index], slot, hash, left, score);
      hash = this.keys.dictionary.nextHash;
      if (hash < END_OF_HASHES) continue;
      hash = 0;
      slot = tables[index].nextSlot(slot + 1, SLOT_COUNT - 1);
      if (slot < SLOT_COUNT) continue;
      index = (index + 1) % tables.length;
      slot = tables[index].nextSlot(0, SLOT_COUNT - 1);
    }
  }

  private offerFrom(table: SlotTable, slot: number, hash: number, limit: number, score: Score): number {
    const found = table.collect(slot, hash, limit);
    let offered = 0;
    for (let index = 0; index < found; index += 1) {
      const entry = this.keys.dictionary.collected[index];
      if (this.chosen.has(entry) || this.poolEntries.includes(entry)) continue;
      this.offer(entry, score(entry));
      offered += 1;
    }
    return offered;
  }

  /** Keeps the pool sorted, the first to go first. */
  private offer(entry: Handle, score: number): void {
    let place = this.poolEntries.length;
    while (place > 0 && this.poolScores[place - 1] < score) place -= 1;
    this.poolEntries.splice(place, 0, entry);
    this.poolScores.splice(place, 0, score);
    if (this.poolEntries.length <= POOL_SIZE) return;
    this.poolEntries.pop();
    this.poolScores.pop();
  }
}
