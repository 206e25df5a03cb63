/** Moves, as dialogues with their expected outcome: test/scenarios/moves. With UPDATE_SCENARIOS=1 the outcome that came is written into them. */
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { formatScenario, parseScenario } from '../../raft/scenario.ts';
import { MoveScenario } from './move-scenario.ts';

const DIRECTORY = new URL('../../scenarios/moves/', import.meta.url);

describe('moves', () => {
  for (const file of readdirSync(DIRECTORY)) {
    it(file.replace('.txt', '').replaceAll('-', ' '), () => {
      const url = new URL(file, DIRECTORY);
      const text = readFileSync(url, 'utf8');
      const scenario = new MoveScenario();
      const blocks = parseScenario(text).map((block) =>
        block.command === '' ? block : { ...block, expected: scenario.run(block.command) },
      );
      if (process.env['UPDATE_SCENARIOS'] === '1') writeFileSync(url, formatScenario(blocks));
      else expect(formatScenario(blocks)).toBe(text);
    });
  }
});
