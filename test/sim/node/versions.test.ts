/** Two versions at once: which rules an entry is applied by hangs on the entry alone (histories.md 10 b). */
import { expect, it } from 'vitest';

import { RULES } from '../../../src/commands/table.ts';
import { NewerVersionError } from '../../../src/errors.ts';
import { NEXT } from '../../versions/next-rules.ts';
import { Upgrade } from './upgrade.ts';

const ONCE = ':1\r\n';
const TWICE = ':2\r\n';

function expectRight({ failure, faults }: Upgrade): void {
  if (failure !== null) expect.fail(`after ${faults.join(', ')}\n${failure}`);
}

it.each([1, 2])(
  'a cluster is upgraded, downgraded, upgraded and raised under faults, and its replicas stay the same (seed %i)',
  async (seed) => {
    const upgrade = await Upgrade.begin(seed);
    for (const build of [NEXT, RULES, NEXT]) {
      await upgrade.rollTo(build);
      expectRight(upgrade);
      expect(await upgrade.append(seed % 3)).toBe(ONCE);
    }
    expect(await upgrade.rules()).toEqual([RULES.newest]);

    await upgrade.raise();
    expectRight(upgrade);
    expect(await upgrade.rules()).toEqual([NEXT.newest]);
    expect(await upgrade.append(0)).toBe(TWICE);

    // Entries of both versions are read again.
    for (const i of [0, 1, 2]) await upgrade.replace(i, NEXT);
    expectRight(upgrade);

    // The log says so as well.
    await upgrade.forgetTopology(0);
    expect((await upgrade.refusalOf(0, RULES))?.message).toMatch(
      /^the log in \/data is of cluster version 2, /,
    );
    await upgrade.replace(0, NEXT);
    for (const i of [0, 1, 2]) {
      const refusal = await upgrade.refusalOf(i, RULES);
      expect(refusal).toBeInstanceOf(NewerVersionError);
      expect(refusal?.message).toMatch(
        /^the topology is of cluster version 2, and this build runs up to cluster version 1: .*newer build$/,
      );
      await upgrade.replace(i, NEXT);
    }
    upgrade.checkHistory();
    expectRight(upgrade);
    expect(upgrade.cluster.events.get('cluster-version-raised')).toBeGreaterThan(0);
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
  expectRight(upgrade);
  expect(await upgrade.rules()).toEqual([NEXT.newest]);
});
