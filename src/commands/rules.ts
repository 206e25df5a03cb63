/**
 * What entries are applied by, version by version: each entry of a log names one, and is applied by the commands of that version, when it is
 * new and when it is replayed. The cluster version, which an operator raises when all nodes run it, says which version new entries name.
 */
import { assert } from '../assert.ts';
import { FIRST_VERSION, type VersionRange } from '../topology/cluster-version.ts';
import { CommandTable } from './command-table.ts';
import type { CommandRow, KeyCommand } from './types.ts';

/** What a version applies differently than the one before. A row that entries were applied by stays as it was. */
export interface RulesChange {
  version: number;
  /** Rows that take the place of those of the same name, and new ones. */
  commands: readonly KeyCommand[];
}

export class RulesTable implements VersionRange {
  /** The newest version that this build runs: it runs with nodes of the one before, and replays all. */
  readonly newest: number;
  readonly first: readonly (readonly CommandRow[])[];
  readonly changes: readonly RulesChange[];
  private readonly tables: readonly CommandTable[];

  /** `first`: the commands of the first version, family by family. */
  constructor(first: readonly (readonly CommandRow[])[], changes: readonly RulesChange[]) {
    this.first = first;
    this.changes = changes;
    const tables = [new CommandTable(first)];
    for (const { version, commands } of changes) {
      assert(version === FIRST_VERSION + tables.length, 'versions follow each other');
      tables.push(new CommandTable([changedRows(tables[tables.length - 1].rows, commands)]));
    }
    this.tables = tables;
    this.newest = FIRST_VERSION + changes.length;
  }

  /** The commands of a version that this build knows. Places of commands are the same in all. */
  commandsAt(version: number): CommandTable {
    assert(version >= FIRST_VERSION && version <= this.newest, 'the version is one that this build knows');
    return this.tables[version - FIRST_VERSION];
  }

  /** The oldest version of a peer that this build speaks with: nodes of two adjacent versions can be mixed. */
  get oldestPeer(): number {
    return Math.max(FIRST_VERSION, this.newest - 1);
  }
}

function changedRows(before: readonly CommandRow[], changes: readonly KeyCommand[]): CommandRow[] {
  const changed = new Map(changes.map((row) => [row.name, row]));
  const kept = before.map((row) => {
    const change = changed.get(row.name);
    if (change !== undefined) assertReplaces(row, change);
    return change ?? row;
  });
  const names = new Set(before.map(({ name }) => name));
  return [...kept, ...changes.filter(({ name }) => !names.has(name))];
}

/** Entries may be made by a node that does not know yet that its group goes by the new version: what it takes must be known there. */
function assertReplaces(row: CommandRow, by: KeyCommand): void {
  assert(row.kind === 'key', 'only commands on keys are applied');
  const isWrite = (one: KeyCommand): boolean => one.flags.includes('write');
  assert(isWrite(row) === isWrite(by), 'a command stays a write or a read');
  const takesAll = row.arity === by.arity || (by.arity < 0 && -by.arity <= Math.abs(row.arity));
  assert(takesAll, 'a later version takes all arguments that an earlier one took');
}
