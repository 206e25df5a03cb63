/** Frees large hashes and flushed databases bit by bit, first come, first freed. */
import { END_OF_HASHES } from './dictionary.ts';
import type { Database, KeyTable } from './key-table.ts';
import type { Handle } from './slab-pool.ts';
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

type Work = TableWork | DatabaseWork | FieldsWork;

export class Reclaimer {
  private readonly keys: KeyTable;
  private readonly work: Work[] = [];
  /** Of each walk under way: databases that it has not yet passed are not freed. */
  private held: ReadonlySet<Database>[] = [];

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

  /** The set may get smaller meanwhile. */
  hold(databases: ReadonlySet<Database>): void {
    this.held.push(databases);
  }

  letGo(databases: ReadonlySet<Database>): void {
    this.held = this.held.filter((other) => other !== databases);
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
    if (work.kind !== 'database') return this.keys.tables.isViewed;
    return this.held.some((databases) => databases.has(work.database));
  }

  private free(work: Work, limit: number): number {
    if (work.kind === 'table') return this.freeFields(work, limit);
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

  private freeKeys(work: DatabaseWork, limit: number): number {
    const { keys, volatile } = work.database;
    work.slot = keys.nextSlot(work.slot, SLOT_COUNT - 1);
    if (work.slot === SLOT_COUNT) return 1;
    const dictionary = this.keys.dictionary;
    const found = keys.collect(work.slot, work.nextHash, limit);
    for (let index = 0; index < found; index += 1) {
      this.keys.releaseTableOf(dictionary.collected[index]);
      this.keys.release(dictionary.collected[index]);
    }
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
  if (work.kind === 'table') return work.nextHash === END_OF_HASHES;
  return work.kind === 'database' ? work.slot === SLOT_COUNT : work.at === work.fields.length;
}
