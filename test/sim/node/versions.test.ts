/** Two versions at once: which rules an entry is applied by hangs on the entry alone (histories.md 10 b). */
import { expect, it } from 'vitest';

import { RULES } from '../../../src/commands/table.ts';
import { NEXT } from '../../versions/next-rules.ts';
import { runUpgrade, Upgrade } from './upgrade.ts';

/** `UPGRADE_SEEDS=100 npx vitest run test/sim/node/versions.test.ts` for more. */
const SEEDS = Number(process.env['UPGRADE_SEEDS'] ?? 2);

it.each(Array.from({ length: SEEDS }, (_, i) => i + 1))(
  'a cluster is upgraded, downgraded, upgraded and raised under faults, and its replicas stay the same (seed %i)',
  async (seed) => {
    const failure = await runUpgrade(seed);
    if (failure !== null) expect.fail(failure);
  },
);

it('a node that goes back to the old build at the moment of the raise is refused by the others, and takes nothing in', async () => {
  const upgrade = await Upgrade.begin(4);
  await upgrade.rollTo(NEXT);
  const { cluster } = upgrade;
  // It is taken for connected until it has been silent for some seconds.
  cluster.cut(2, 0);
  cluster.cut(2, 1);
  expect(await upgrade.tryToRaise()).toBe(true);
  const before = cluster.events.get('peer-refused') ?? 0;
  expect(await upgrade.refusalOf(2, RULES)).toBeNull();
  cluster.network.heal();
  await cluster.pass(5000);
  expect(cluster.events.get('peer-refused')).toBeGreaterThan(before);
  expect(cluster.nodes[2].running?.ready).toBe(false);

  await upgrade.replace(2, NEXT);
  upgrade.checkHistory();
  expect(upgrade.failure).toBeNull();
  expect(await upgrade.rules()).toEqual([NEXT.newest]);
});
