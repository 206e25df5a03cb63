import { describe, expect, it } from 'vitest';

import { entriesOf, flush, SimulatedWorld } from './world.ts';

const GROUP = 7;
const SNAPSHOT = { index: 12, term: 1, membership: { voters: [1], votersOld: [], learners: [] } };
/** More than recycling takes. A file that was cut under its old name was found by seed 188 of `npm run sim`, as runs were then. */
const OPERATIONS = 12;

/** A log whose first file has outgrown its size, and is needed no more. */
async function outgrown(): Promise<{ world: SimulatedWorld; release: () => void }> {
  const world = new SimulatedWorld(188);
  const { wal, snapshots } = await world.open();
  for (const [from, to] of [
    [1, 12],
    [13, 14],
  ]) {
    wal.stageEntries(GROUP, entriesOf(1, from, to, 1000));
    await flush(world, wal);
    await world.scheduler.runUntil(() => false);
  }
  expect(wal.stats.segments).toBe(2);
  const writer = await world.settle(snapshots.create(GROUP, SNAPSHOT));
  await world.settle(writer.commit());
  return { world, release: () => wal.release(GROUP, SNAPSHOT.index) };
}

describe('a file of the log that has outgrown its size', () => {
  it.each(['kill', 'lost', 'torn'] as const)(
    'is recycled such that the log is whole wherever that breaks off (%s)',
    async (as) => {
      let finished = 0;
      for (let operations = 0; operations < OPERATIONS; operations++) {
        const { world, release } = await outgrown();
        world.machineDisk.crashAfter(operations, as);
        release();
        await world.scheduler.runUntil(() => !world.machineDisk.running);
        if (world.machineDisk.running) {
          finished += 1;
          world.stop(as);
        }
        const { recovery } = await world.open();
        const { entries, snapshot } = recovery.groups.get(GROUP) ?? {};
        expect([snapshot?.index, entries?.at(-1)?.index]).toEqual([SNAPSHOT.index, 14]);
      }
      expect(finished).toBeGreaterThan(0);
      expect(finished).toBeLessThan(OPERATIONS);
    },
  );
});
