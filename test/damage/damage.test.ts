import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { segmentSequence } from '../../src/wal/segment.ts';
import type { Damage, DamagedFile } from './damage.ts';
import { Trial, type Outcome } from './trial.ts';

/** The runs are the same each time; `npm run damage` tries others. */
const SEED = 20_261_121;
const PLACES = 1_000_000;
/** Where the head of a file of the log tells its number. */
const SEQUENCE_AT = 16;

const place = fc.integer({ min: 0, max: PLACES - 1 });

function fileAt(trial: Trial, at: number): DamagedFile {
  const files = trial.files.filter(({ sizeBytes }) => sizeBytes > 0);
  return files[Math.floor((at / PLACES) * files.length)];
}

/** A file of the log that has not been begun yet: its head does not tell the number that its name does (src/wal/segment.ts). */
function isSpare(trial: Trial, path: string): boolean {
  const head = readFileSync(join(trial.original, path));
  return head.readUInt32LE(SEQUENCE_AT) !== segmentSequence(basename(path));
}

/** A bit of a file, each file as likely as any other. */
function flips(trial: Trial): fc.Arbitrary<Damage> {
  return fc
    .record({ file: place, at: place, bit: fc.integer({ min: 0, max: 7 }) })
    .map(({ file, at, bit }) => {
      const { path, sizeBytes } = fileAt(trial, file);
      return { kind: 'flip', path, offset: Math.floor((at / PLACES) * sizeBytes), bit };
    });
}

function others(trial: Trial): fc.Arbitrary<Damage> {
  const block = fc.constantFrom(8, 64, 512, 4096);
  const kind = fc.constantFrom('truncate' as const, 'zero' as const, 'delete' as const);
  return fc.record({ file: place, at: place, kind, block }).map(({ file, at, kind: how, block: size }) => {
    const { path, sizeBytes } = fileAt(trial, file);
    const offset = Math.floor((at / PLACES) * sizeBytes);
    if (how === 'delete') return { kind: how, path };
    if (how === 'truncate') return { kind: how, path, sizeBytes: offset };
    const from = Math.floor(offset / size) * size;
    return { kind: how, path, offset: from, sizeBytes: Math.min(size, sizeBytes - from) };
  });
}

describe.each([
  ['clean', 1],
  ['clean', 4],
  ['kill', 2],
  ['kill', 3],
] as const)('a directory after a %s stop (%i), damaged anywhere', (stop, seed) => {
  let trial: Trial;
  beforeAll(async () => {
    trial = await Trial.begin(stop, seed);
  });
  afterAll(() => trial.end());

  async function outcomesOf(
    damages: fc.Arbitrary<Damage>,
    numRuns: number,
  ): Promise<Record<Outcome, number>> {
    const outcomes = { refused: 0, same: 0, cut: 0 };
    await fc.assert(
      fc.asyncProperty(damages, async (damage) => {
        outcomes[await trial.run(damage)] += 1;
      }),
      { numRuns, seed: SEED + seed },
    );
    return outcomes;
  }

  test('by a bit, is refused with file, offset and remedy, or comes up with what it had', async () => {
    const { refused, same } = await outcomesOf(flips(trial), 100);
    expect(refused).toBeGreaterThan(20);
    expect(same).toBeGreaterThan(0);
  });

  test('by a file that is truncated, zeroed or gone, too', async () => {
    const { refused, same } = await outcomesOf(others(trial), 50);
    expect(refused).toBeGreaterThan(10);
    expect(same).toBeGreaterThan(0);
  });
});

describe('each file', () => {
  test('is damaged in its first bytes, and noticed where they count', async () => {
    const trial = await Trial.begin('clean', 6);
    const logs = trial.files.filter(({ path }) => path.endsWith('.wal')).map(({ path }) => path);
    const spares = logs.filter((path) => isSpare(trial, path));
    // The last ones: one that was made ahead, and one that may have been recycled.
    expect([1, 2]).toContain(spares.length);
    expect(logs.slice(-spares.length)).toEqual(spares);
    for (const { path, sizeBytes } of trial.files) {
      // Of a spare file nothing counts, and what topologies were is kept for people.
      const counts = !spares.includes(path) && !path.includes('topologies/');
      if (sizeBytes === 0 || !counts) continue;
      const outcomes = new Set<Outcome>();
      for (const offset of [0, 4, 9].filter((at) => at < sizeBytes))
        outcomes.add(await trial.run({ kind: 'flip', path, offset, bit: 1 }));
      expect([...outcomes], path).toEqual(['refused']);
    }
    await trial.end();
  });

  test('of the log that is gone is missed, after a kill, too', async () => {
    for (const [stop, seed] of [
      ['clean', 8],
      ['clean', 9],
      ['kill', 10],
      ['kill', 11],
    ] as const) {
      const trial = await Trial.begin(stop, seed);
      const files = trial.files.filter(({ path }) => path.endsWith('.wal'));
      for (const [at, { path }] of files.entries()) {
        const outcome = await trial.run({ kind: 'delete', path });
        // The oldest may be about to be recycled; the last one is a spare.
        if (at > 0) expect([at, outcome]).toEqual([at, at === files.length - 1 ? 'same' : 'refused']);
      }
      await trial.end();
    }
  });
});
