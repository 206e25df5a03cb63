/** What the server asks of a command's row at each call, answered once, in objects of one shape: rows have many, and reading them costs more. */
import type { CommandTable } from '../commands/command-table.ts';
import type { RulesTable } from '../commands/rules.ts';
import { FIRST_VERSION } from '../topology/cluster-version.ts';
import type { CommandRow, KeyCommand } from '../commands/types.ts';
import { NewerVersionError } from '../errors.ts';
import type { Args } from '../resp/args.ts';
import type { ShardCommand, ShardCommandLookup, ShardRules } from '../shard/state-machine.ts';

export interface CompiledCommand extends ShardCommand {
  /** Its place in the table: its number in the statistics. */
  ordinal: number;
  /** Constant time: never worth a line in the slow log. */
  isFast: boolean;
  /** All its keys must lie in one slot, as those of most commands. */
  isOfOneSlot: boolean;
  firstKey: number;
  lastKey: number;
  keyStep: number;
  /** What Redis Cluster refuses of it. */
  clusterRefusal: KeyCommand['clusterRefusal'] | null;
}

/** By place in the table; null for those that are local. */
export type CompiledCommands = readonly (CompiledCommand | null)[];

export function compileCommands(rows: readonly CommandRow[]): CompiledCommands {
  return rows.map((row, ordinal) => (row.kind === 'key' ? compiled(row, ordinal) : null));
}

/** The commands on keys of each version that this build knows. */
export function compiledRules(table: RulesTable): ShardRules {
  const lookups: ShardCommandLookup[] = [];
  for (let version = FIRST_VERSION; version <= table.newest; version++)
    lookups[version] = compiledLookup(table.commandsAt(version));
  return {
    newest: table.newest,
    at(version) {
      if (version > table.newest) throw new NewerVersionError('what is to be applied', version, table.newest);
      return lookups[version];
    },
  };
}

/** Finds the command on keys that the arguments say; null: it is none, or has not so many arguments. */
export function compiledLookup(table: CommandTable): (args: Args) => CompiledCommand | null {
  const commands = compileCommands(table.rows);
  return (args) => {
    const place = table.placeOf(args);
    return place < 0 ? null : commands[place];
  };
}

function compiled(row: KeyCommand, ordinal: number): CompiledCommand {
  return {
    row,
    ordinal,
    isWrite: row.flags.includes('write'),
    denyOom: row.flags.includes('denyoom'),
    isFast: row.flags.includes('fast'),
    isOfOneSlot: row.spread.by === 'slot',
    firstKey: row.firstKey,
    lastKey: row.lastKey,
    keyStep: row.keyStep,
    clusterRefusal: row.clusterRefusal ?? null,
  };
}
