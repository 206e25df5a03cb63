import { execFileSync } from 'node:child_process';

import { describe, expect, it } from 'vitest';

import type { Situation } from './counters.ts';
import type { Wanted } from './plan.ts';
import { runSeed } from './run.ts';
import { runInWorkers } from './workers.ts';

/** A taste: `npm run sim:ci` runs these and hundreds more. */
const SEEDS = Array.from({ length: 6 }, (_, i) => i + 1);
const REPLAYED = 4;

async function linesOf(seed: number): Promise<string[]> {
  const lines: string[] = [];
  const { failure } = await runSeed(seed, { told: (line) => lines.push(line) });
  expect(failure).toBeNull();
  return lines;
}

describe('whole clusters that live through a swarm of faults', () => {
  it.each(SEEDS)(
    'keep every invariant, tell clients the truth, and go on once they are healed (seed %i)',
    async (seed) => {
      const { failure, virtualMs, commands, counters } = await runSeed(seed);
      if (failure !== null) expect.fail(failure);
      expect(virtualMs).toBeGreaterThanOrEqual(60_000);
      expect(commands).toBeGreaterThanOrEqual(2000);
      expect(counters.faultsStruck).toBeGreaterThanOrEqual(5);
    },
  );
});

describe('a run that is made to', () => {
  it.each<[string, number, Wanted, Situation[]]>([
    [
      'have large values',
      2,
      { nodes: 3, hasLarge: true, faults: ['kill', 'two-way cut', 'pause'] },
      ['large command staged', 'read of many turns', 'snapshot installed'],
    ],
    [
      'be a cache',
      1,
      { nodes: 3, evictsAll: true, faults: ['kill', 'stop in good order'] },
      ['key evicted by an entry', 'key expired by an entry', 'snapshot made'],
    ],
    [
      'place shards anew',
      1,
      { nodes: 5, faults: ['shard placed anew', 'kill', 'one-way cut'] },
      ['replica created', 'replica removed', 'joint configuration committed'],
    ],
    [
      'move slots',
      5,
      { nodes: 3, faults: ['slots moved', 'move called back', 'kill', 'two-way cut', 'pause'] },
      ['slot went to another shard', 'move ended'],
    ],
    [
      'take a node in, and have nodes leave',
      1,
      {
        nodes: 5,
        faults: ['node leaves for a while', 'kill', 'two-way cut', 'shard placed anew'],
        joinsAfterMs: 9000,
      },
      ['node taken in by a cluster', 'replica created', 'replica removed'],
    ],
    [
      'have an empty node take the place of another',
      1,
      { nodes: 4, faults: ['node replaced by an empty one', 'kill', 'two-way cut', 'slots moved'] },
      ['node taken in by a cluster', 'replica created', 'slot went to another shard'],
    ],
    [
      'damage disks',
      1,
      { nodes: 3, faults: ['bit flipped in log', 'bit flipped in snapshot', 'power loss of all'] },
      ['start refused: damaged', 'node rebuilt by repair'],
    ],
  ])('%s keeps all promises', async (_, seed, wanted, situations) => {
    const { failure, counters } = await runSeed(seed, { wanted });
    if (failure !== null) expect.fail(failure);
    for (const situation of situations)
      expect([situation, counters.situations.get(situation)]).not.toEqual([situation, 0]);
  });
});

describe('a run', () => {
  it('is the same each time, line by line, in one process and in another', async () => {
    const first = await linesOf(REPLAYED);
    const second = await linesOf(REPLAYED);
    expect(second).toEqual(first);
    const output = execFileSync(
      process.execPath,
      ['--import', 'tsx', 'test/sim/main.ts', '--seed', String(REPLAYED)],
      { encoding: 'utf8' },
    );
    expect(output.split('\n').slice(0, first.length)).toEqual(first);
  });

  it('is the same in whichever process of a campaign, which tells of seeds in their order', async () => {
    const seeds = { from: REPLAYED - 1, count: 2, isOver: () => false };
    const digests: (string | undefined)[] = [];
    await runInWorkers(seeds, 2, (result) => digests.push('digest' in result ? result.digest : undefined));
    expect(digests).toEqual([(await runSeed(REPLAYED - 1)).digest, (await runSeed(REPLAYED)).digest]);
  });
});
