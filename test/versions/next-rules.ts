/** Builds of versions to come: under each, a command runs once more than under the one before, APPEND mostly. */
import { RulesTable } from '../../src/commands/rules.ts';
import { RULES } from '../../src/commands/table.ts';
import type { KeyCommand } from '../../src/commands/types.ts';

export const NEXT = after(RULES, 'append');
/** Two versions ahead of this build. */
export const AFTER_NEXT = after(NEXT, 'append');
/** Another next one, in which what the clients of simulations send, and check, is as it was. */
export const PROBED = after(RULES, 'decrby');

function after(rules: RulesTable, command: string): RulesTable {
  const row = rules.commandsAt(rules.newest).rows.find(({ name }) => name === command);
  if (row?.kind !== 'key') throw new Error(`there is no command ${command}`);
  const version = rules.newest + 1;
  return new RulesTable(rules.first, [...rules.changes, { version, commands: [runningOnceMore(row)] }]);
}

function runningOnceMore(row: KeyCommand): KeyCommand {
  return {
    ...row,
    run(context) {
      row.run(context);
      context.reply.reset();
      row.run(context);
    },
  };
}
