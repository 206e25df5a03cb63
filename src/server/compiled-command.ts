/** What the server asks of a command's row at each call, answered once. */
import type { CommandRow } from '../commands/types.ts';
import type { ShardCommand } from '../shard/state-machine.ts';

export interface CompiledCommand extends ShardCommand {
  /** Its place in the table: its number in the statistics. */
  ordinal: number;
  /** Constant time: never worth a line in the slow log. */
  isFast: boolean;
}

export interface CommandNumbers {
  key: ReadonlyMap<CommandRow, CompiledCommand>;
  ordinal: ReadonlyMap<CommandRow, number>;
}

export function compileCommands(rows: readonly CommandRow[]): CommandNumbers {
  const key = new Map<CommandRow, CompiledCommand>();
  const ordinals = new Map<CommandRow, number>();
  for (const [ordinal, row] of rows.entries()) {
    ordinals.set(row, ordinal);
    if (row.kind !== 'key') continue;
    key.set(row, {
      row,
      ordinal,
      isWrite: row.flags.includes('write'),
      denyOom: row.flags.includes('denyoom'),
      isFast: row.flags.includes('fast'),
    });
  }
  return { key, ordinal: ordinals };
}
