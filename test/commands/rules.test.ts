import { describe, expect, it } from 'vitest';

import { keyCommand, ONE_KEY } from '../../src/commands/rows.ts';
import { RulesTable } from '../../src/commands/rules.ts';
import { COMMANDS, RULES } from '../../src/commands/table.ts';
import type { CommandFlag } from '../../src/commands/types.ts';
import { NewerVersionError } from '../../src/errors.ts';
import { compiledRules } from '../../src/server/compiled-command.ts';
import { argsOf } from '../shard/encode.ts';

const row = (name: string, arity = 2, flags: readonly CommandFlag[] = ['write']) =>
  keyCommand(name, arity, flags, ['string'], ONE_KEY, ({ reply }) => reply.integer(1));

const A = row('a');
const B = row('b');
const LATER_B = row('b', -2);
const C = row('c');
const RULES_OF_TWO = new RulesTable([[A, B]], [{ version: 2, commands: [C, LATER_B] }]);

describe('the table of rules', () => {
  it('has the commands of each version, each at the same place in all', () => {
    expect(RULES_OF_TWO.commandsAt(1).rows).toEqual([A, B]);
    expect(RULES_OF_TWO.commandsAt(2).rows).toEqual([A, LATER_B, C]);
  });

  it('says what a build runs: its own version and the one before', () => {
    expect([RULES_OF_TWO.newest, RULES_OF_TWO.oldestPeer]).toEqual([2, 1]);
    const third = new RulesTable(RULES_OF_TWO.first, [...RULES_OF_TWO.changes, { version: 3, commands: [] }]);
    expect([third.newest, third.oldestPeer]).toEqual([3, 2]);
    expect(new RulesTable([[A]], []).oldestPeer).toBe(1);
  });

  it('is looked up by version', () => {
    const rules = compiledRules(RULES_OF_TWO);
    expect(rules.at(1)(argsOf('c', 'k'))).toBeNull();
    expect(rules.at(2)(argsOf('c', 'k'))?.row).toBe(C);
    expect(rules.at(1)(argsOf('b', 'k', 'more'))).toBeNull();
    expect(rules.at(2)(argsOf('b', 'k', 'more'))?.row).toBe(LATER_B);
    expect(() => rules.at(3)).toThrow(NewerVersionError);
  });

  it.each([
    ['a version is left out', 3, A, 'follow each other'],
    ['a write becomes a read', 2, row('a', 2, ['readonly']), 'a write or a read'],
    ['fewer arguments are taken', 2, row('a', 3), 'takes all arguments'],
  ])('is refused when %s', (_, version, changed, why) => {
    expect(() => new RulesTable([[A, B]], [{ version, commands: [changed] }])).toThrow(why);
  });

  it('of this build tells its newest commands', () => {
    expect(COMMANDS).toBe(RULES.commandsAt(RULES.newest));
  });
});
