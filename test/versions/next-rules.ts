/** Builds of versions to come: under each, APPEND appends once more than under the one before. */
import { RulesTable } from '../../src/commands/rules.ts';
import { RULES } from '../../src/commands/table.ts';
import type { KeyCommand } from '../../src/commands/types.ts';

export const NEXT = after(RULES);
/** Two versions ahead of this build. */
export const AFTER_NEXT = after(NEXT);

function after(rules: RulesTable): RulesTable {
  const row = rules.commandsAt(rules.newest).rows.find(({ name }) => name === 'append');
  if (row?.kind !== 'key') throw new Error('there is no APPEND');
  const version = rules.newest + 1;
  return new RulesTable(rules.first, [...rules.changes, { version, commands: [appendingOnceMore(row)] }]);
}

function appendingOnceMore(row: KeyCommand): KeyCommand {
  return {
    ...row,
    run(context) {
      row.run(context);
      context.reply.reset();
      row.run(context);
    },
  };
}
