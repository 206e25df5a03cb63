import { expect, it } from 'vitest';

import { COMMANDS } from '../../src/commands/table.ts';
import { compiledLookup } from '../../src/server/compiled-command.ts';
import { CommandMemo } from '../../src/shard/command-memo.ts';
import { argsOf } from './encode.ts';

it('finds what the look-up finds, whatever was asked before', () => {
  const lookup = compiledLookup(COMMANDS);
  const memo = new CommandMemo(lookup);
  const names = [...new Set(COMMANDS.rows.flatMap(({ name }) => [name.split('|')[0], name.toUpperCase()]))];
  const others = ['', 'SET\0', 'se', 'nosuch', 'SeT', 'INCRBYFLOAT', 'PING'];
  for (let round = 0; round < 3; round++) {
    for (const name of [...names, ...others]) {
      for (const rest of [[], ['encoding', 'k'], ['freq', 'k'], ['k'], ['k', 'v', 'x']]) {
        const args = argsOf(name, ...rest);
        expect(memo.find(args), `${name} ${rest.join(' ')}`).toBe(lookup(args));
      }
    }
  }
});
