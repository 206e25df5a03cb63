/** The benchmark runs, and says what it measured. */
import { execFile } from 'node:child_process';
import { readFile, rm } from 'node:fs/promises';
import { promisify } from 'node:util';

import { expect, test } from 'vitest';

const run = promisify(execFile);

interface Written {
  results: { target: string; medians: { opsPerSecond: number; errors: number } }[];
}

test('measures the peers that are there', async () => {
  const words = ['tsx', 'bench/run.ts', '--no-torc', '--only', 'redis', '--rounds', '1', '--seconds', '0.2'];
  words.push('--warmup', '0.1', '--workloads', 'set', '--connections', '2', '--keys', '1000');
  const { stdout } = await run('npx', words, { timeout: 120_000 });
  const file = /^Written to (.*)$/m.exec(stdout)?.[1] ?? '';
  const { results } = JSON.parse(await readFile(file, 'utf8')) as Written;
  await rm(file);
  const peers = ['redis', 'redis + WAIT 1', 'redis always + WAIT 1'];
  expect(results.map(({ target }) => target)).toEqual([...peers, ...peers, 'redis', 'redis']);
  for (const { medians } of results) {
    expect(medians.opsPerSecond).toBeGreaterThan(0);
    expect(medians.errors).toBe(0);
  }
  expect(stdout).toContain('set, 50 connections, pipeline 16');
});
