/** Frees large hashes and flushed databases bit by bit, first come, first freed. */
import { END_OF_HASHES } from './dictionary.ts';
import type { Database, KeyTable } from './key-table.ts';
import { type Handle, NO_BLOCK } from './slab-pool.ts';
import type { SlotPart } from './slot-content.ts';
import { SLOT_COUNT } from './slot-table.ts';

interface TableWork {
  kind: 'table';
  table: Handle;
  nextHash: number;
}

interface DatabaseWork {
  kind: 'database';
  database: Database;
  slot: number;
  nextHash: number;
}

/** Fields that views kept. */
interface FieldsWork {
  kind: 'fields';
  fields: readonly Handle[];
  at: number;
}

interface SlotWork {
  kind: 'slot';
  part: SlotPart;
  nextHash: number;
}

type Work = TableWork | DatabaseWork | FieldsWork | SlotWork;

export class Reclaimer {
  private readonly keys: KeyTable;
  private readonly work: Work[] = [];
  /** Of each walk under way: databases, and slots gone from them, that it has not yet passed are not freed. */
  private held: ReadonlySet<Database | SlotPart>[] = [];

  constructor(keys: KeyTable) {
    this.keys = keys;
  }

  addTable(table: Handle): void {
    this.work.push({ kind: 'table', table, nextHash: 0 });
  }

  addFields(fields: readonly Handle[]): void {
    if (fields.length > 0) this.work.push({ kind: 'fields', fields, at: 0 });
  }

  addDatabase(database: Database): void {
    this.work.push({ kind: 'database', database, slot: 0, nextHash: 0 });
  }

  /** A slot that is out of the keyspace, and goes nowhere. */
  addSlot(part: SlotPart): void {
    this.work.push({ kind: 'slot', part, nextHash: 0 });
  }

  /** The set may change meanwhile. */
  hold(unpassed: ReadonlySet<Database | SlotPart>): void {
    this.held.push(unpassed);
  }

  letGo(unpassed: ReadonlySet<Database | SlotPart>): void {
    this.held = this.held.filter((other) => other !== unpassed);
  }

  /** Frees about `maxItems`. True while more can be freed now. */
  run(maxItems: number): boolean {
    if (this.work.length === 0) return false;
    let left = maxItems;
    while (left > 0) {
      const index = this.work.findIndex((work) => !this.isHeld(work));
      if (index < 0) return false;
      const work = this.work[index];
      left -= this.free(work, left);
      if (isDone(work)) this.work.splice(this.work.indexOf(work), 1);
    }
    return this.work.some((work) => !this.isHeld(work));
  }

  /** While fields are viewed they would only be set aside. */
  private isHeld(work: Work): boolean {
    if (work.kind === 'table' || work.kind === 'fields') return this.keys.tables.isViewed;
    const whole = work.kind === 'slot' ? work.part : work.database;
    return this.held.some((unpassed) => unpassed.has(whole));
  }

  private free(work: Work, limit: number): number {
    if (work.kind === 'table') return this.freeFields(work, limit);
    if (work.kind === 'slot') return this.freeSlot(work, limit);
    return work.kind === 'database' ? this.freeKeys(work, limit) : this.freeLeftover(work, limit);
  }

  private freeLeftover(work: FieldsWork, limit: number): number {
    const end = Math.min(work.fields.length, work.at + limit);
    for (let index = work.at; index < end; index += 1) this.keys.tables.release(work.fields[index]);
    const freed = end - work.at;
    work.at = end;
    return freed;
  }

  private freeFields(work: TableWork, limit: number): number {
    const tables = this.keys.tables;
    const found = tables.dictionary.collect(work.table, work.nextHash, limit);
    for (let index = 0; index < found; index += 1) tables.release(tables.dictionary.collected[index]);
    work.nextHash = tables.dictionary.nextHash;
    if (work.nextHash === END_OF_HASHES) tables.dictionary.free(work.table);
    return found + 1;
  }

  private freeSlot(work: SlotWork, limit: number): number {
    const { dictionary } = this.keys;
    const { keys, volatile } = work.part;
    const found = this.freeEntries(dictionary.collect(keys, work.nextHash, limit));
    work.nextHash = dictionary.nextHash;
    if (work.nextHash < END_OF_HASHES) return found + 1;
    dictionary.free(keys);
    if (volatile !== NO_BLOCK) dictionary.free(volatile);
    return found + 1;
  }

  private freeEntries(found: number): number {
    const { collected } = this.keys.dictionary;
    for (let index = 0; index < found; index += 1) {
      this.keys.releaseTableOf(collected[index]);
      this.keys.release(collected[index]);
    }
    return found;
  }

  private freeKeys(work: DatabaseWork, limit: number): number {
    const { keys, volatile } = work.database;
    work.slot = keys.nextSlot(work.slot, SLOT_COUNT - 1);
    if (work.slot === SLOT_COUNT) return 1;
    const dictionary = this.keys.dictionary;
    const found = this.freeEntries(keys.collect(work.slot, work.nextHash, limit));
    work.nextHash = dictionary.nextHash;
    if (work.nextHash === END_OF_HASHES) {
      keys.discard(work.slot);
      volatile.discard(work.slot);
      work.nextHash = 0;
      work.slot += 1;
    }
    return found + 1;
  }
}

function isDone(work: Work): boolean {
  if (work.kind === 'table' || work.kind === 'slot') return work.nextHash === END_OF_HASHES;
  return work.kind === 'database' ? work.slot === SLOT_COUNT : work.at === work.fields.length;
}
