/** The stamps of entries never fall along a log (design section 5), also those that the leader makes by itself. */
import { expect, it } from 'vitest';

import { entryStampMs } from '../../src/raft/entry.ts';
import { ELECTION_MS, Rig } from './rig.ts';

it('stamps a change of members with no less than the log has, although the own time is held below it by the ceiling', () => {
  const rig = new Rig({ self: 1, voters: [1] });
  rig.pass(2 * ELECTION_MS);
  const aheadMs = rig.nowMs + 10_000;
  // A slot has come, and with it the time of its source.
  rig.timekeeper.observe(aheadMs);
  expect(rig.core.changeMembership({ voters: [1], learners: [2] }, rig.now())).toBe('proposed');
  rig.turn();
  expect(rig.applied.map(entryStampMs).at(-1)).toBe(aheadMs);
});
