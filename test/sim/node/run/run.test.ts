import { execFileSync } from 'node:child_process';

import { describe, expect, it } from 'vitest';

import { Counters, type Situation } from './counters.ts';
import type { Wanted } from './plan.ts';
import { runSeed } from './run.ts';
import { runInWorkers } from './workers.ts';

/** A taste: `npm run sim:ci` runs these and hundreds more. */
const SEEDS = Array.from({ length: 6 }, (_, i) => i + 1);
const REPLAYED = 4;
/** What a run comes to changes with all that is drawn: so many are tried until all that is wanted has come up, mostly in the first. */
const SEEDS_MOST = 6;
/** On a machine with much else to do. */
const SEED_MS = 30_000;

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
  it.each<[string, Wanted, Situation[]]>([
    [
      'have large values',
      { nodes: 3, hasLarge: true, faults: ['kill', 'two-way cut', 'pause'] },
      ['large command staged', 'read of many turns', 'snapshot installed'],
    ],
    [
      'be a cache',
      { nodes: 3, evictsAll: true, faults: ['kill', 'stop in good order'] },
      ['key evicted by an entry', 'key expired by an entry', 'snapshot made'],
    ],
    [
      'place shards anew',
      { nodes: 5, faults: ['shard placed anew', 'kill', 'one-way cut'] },
      ['replica created', 'replica removed', 'joint configuration committed'],
    ],
    [
      'move slots',
      { nodes: 3, faults: ['slots moved', 'move called back', 'kill', 'two-way cut', 'pause'] },
      ['slot went to another shard', 'move ended', 'command answered that met a fence'],
    ],
    [
      'take a node in, and have nodes leave',
      {
        nodes: 5,
        faults: ['node leaves for a while', 'kill', 'two-way cut', 'shard placed anew'],
        joinsAfterMs: 9000,
      },
      ['node taken in by a cluster', 'replica created', 'replica removed'],
    ],
    [
      'have an empty node take the place of another',
      { nodes: 4, faults: ['node replaced by an empty one', 'kill', 'two-way cut', 'slots moved'] },
      ['node taken in by a cluster', 'replica created', 'slot went to another shard'],
    ],
    [
      'have the cluster version raised',
      { nodes: 3, faults: ['kill', 'power loss', 'two-way cut', 'pause', 'slots moved'], raisedFromMs: 9000 },
      ['builds of two versions at once', 'command of a raised version', 'start refused: older build'],
    ],
    [
      'damage disks',
      { nodes: 3, faults: ['bit flipped in log', 'bit flipped in snapshot', 'power loss of all'] },
      ['start refused: damaged', 'node rebuilt by repair'],
    ],
  ])('%s keeps all promises', { timeout: SEEDS_MOST * SEED_MS }, async (_, wanted, situations) => {
    const seen = new Counters();
    const isMissing = (situation: Situation): boolean => seen.situations.get(situation) === 0;
    for (let seed = 1; seed <= SEEDS_MOST && situations.some(isMissing); seed += 1) {
      const { failure, counters } = await runSeed(seed, { wanted });
      if (failure !== null) expect.fail(`seed ${seed}: ${failure}`);
      seen.add(counters);
    }
    expect(situations.filter(isMissing)).toEqual([]);
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
