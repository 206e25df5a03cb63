import { readFileSync, readdirSync, writeFileSync } from 'node:fs';

import { describe, expect, it } from 'vitest';

import { formatScenario, parseScenario } from '../raft/scenario.ts';
import { Scenario } from './scenario.ts';

const DIRECTORY = new URL('../scenarios/paxos/', import.meta.url);
const isUpdate = process.env['UPDATE_SCENARIOS'] === '1';

/** Each file is a dialogue: commands, and what they print. `UPDATE_SCENARIOS=1` writes what they print now. */
describe('Paxos scenarios', () => {
  for (const name of readdirSync(DIRECTORY).sort()) {
    it(name, () => {
      const file = new URL(name, DIRECTORY);
      const blocks = parseScenario(readFileSync(file, 'utf8'));
      const scenario = new Scenario();
      const actual = blocks.map((block) =>
        block.command === '' ? block : { ...block, expected: scenario.run(block.command) },
      );
      if (isUpdate) writeFileSync(file, formatScenario(actual));
      else expect(formatScenario(actual)).toBe(formatScenario(blocks));
    });
  }
});
