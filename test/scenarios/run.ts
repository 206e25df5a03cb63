import { readFileSync, readdirSync, writeFileSync } from 'node:fs';

import { describe, expect, it } from 'vitest';

import { formatScenario, parseScenario } from '../raft/scenario.ts';

const isUpdate = process.env['UPDATE_SCENARIOS'] === '1';

/** Each file of the directory is a dialogue: commands, and what they print. `UPDATE_SCENARIOS=1` writes what they print now. */
export function testScenarios(
  title: string,
  directory: string,
  begin: () => { run(command: string): string },
): void {
  const files = new URL(`${directory}/`, import.meta.url);
  describe(title, () => {
    for (const name of readdirSync(files).sort()) {
      it(name, () => {
        const file = new URL(name, files);
        const blocks = parseScenario(readFileSync(file, 'utf8'));
        const scenario = begin();
        const actual = blocks.map((block) =>
          block.command === '' ? block : { ...block, expected: scenario.run(block.command) },
        );
        if (isUpdate) writeFileSync(file, formatScenario(actual));
        else expect(formatScenario(actual)).toBe(formatScenario(blocks));
      });
    }
  });
}
