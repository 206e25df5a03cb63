/** The versions of the rules that entries are applied by (histories.md 10 b): they never fall along a log, and none is taken in that is not known. */
import { describe, expect, it } from 'vitest';

import { NewerVersionError } from '../../src/errors.ts';
import { entryRules } from '../../src/raft/entry.ts';
import type { Entry } from '../../src/raft/entry.ts';
import { append, ofKind } from './messages.ts';
import { ELECTION_MS, Rig, entriesOf, restoredWith } from './rig.ts';

const VOTERS = [1, 2, 3];

/** A voter alone wins as soon as it may; the version of the cluster is what the test says. */
function alone(newest: number, entries: readonly Entry[] = []): { rig: Rig; cluster: { version: number } } {
  const cluster = { version: 1 };
  const rules = { newest, least: () => cluster.version };
  const rig = new Rig(
    { self: 1, voters: [1], rules },
    { ...restoredWith([], entries.at(-1)?.term ?? 0), entries },
  );
  rig.pass(2 * ELECTION_MS);
  expect(rig.core.role).toBe('leader');
  return { rig, cluster };
}

const rulesOf = (entries: readonly Entry[]): number[] => entries.map((entry) => entryRules(entry));

describe('a leader', () => {
  it('names the version of the cluster, and a later one once that was raised', () => {
    const { rig, cluster } = alone(2);
    rig.propose('a');
    cluster.version = 2;
    rig.propose('b');
    rig.core.changeMembership({ voters: [1], learners: [2] }, rig.now());
    rig.turn();
    expect(rulesOf(rig.applied)).toEqual([1, 1, 2, 2]);
  });

  it('never names less than its log does, although it has not heard yet that the version was raised', () => {
    const { rig } = alone(2, [...entriesOf([1, 1]), ...entriesOf([1], 3, 2)]);
    rig.propose('a');
    expect(rulesOf(rig.applied)).toEqual([1, 1, 2, 2, 2]);
  });

  it('knows what its log names when all of it was forgotten', () => {
    const { rig } = alone(2, entriesOf([1], 1, 2));
    rig.snapshot();
    expect(rig.core.rules).toBe(2);
    rig.propose('a');
    expect(rulesOf(rig.applied.slice(-1))).toEqual([2]);
  });
});

describe('a follower', () => {
  const rules = { newest: 1, least: () => 1 };

  it('takes no entry in whose rules it does not know, and acknowledges nothing', () => {
    const rig = new Rig({ self: 1, voters: VOTERS, rules });
    rig.step(append({ entries: entriesOf([1]) }));
    rig.takeSent();
    const newer = append({ prevIndex: 1, prevTerm: 1, round: 2, entries: entriesOf([1], 2, 2) });
    expect(() => rig.step(newer)).toThrow(NewerVersionError);
    rig.turn();
    expect(rig.core.lastIndex).toBe(1);
    expect(ofKind(rig.takeSent(), 'append-response')).toEqual([]);
  });

  it('does not open a log with such an entry', () => {
    const restored = { ...restoredWith([1], 1), entries: entriesOf([1], 1, 2) };
    expect(() => new Rig({ self: 1, voters: VOTERS, rules }, restored)).toThrow(
      /of cluster version 2, and this build runs up to cluster version 1/,
    );
  });

  it('replaces what was never committed, whatever that named', () => {
    const rig = new Rig({ self: 1, voters: VOTERS, rules: { newest: 2, least: () => 1 } });
    rig.step(append({ entries: [...entriesOf([1]), ...entriesOf([1, 1], 2, 2)] }));
    rig.step(append({ from: 3, term: 2, prevIndex: 1, prevTerm: 1, entries: entriesOf([2], 2) }));
    expect([rig.core.lastIndex, rig.core.rules]).toEqual([2, 1]);
    rig.step(
      append({ from: 3, term: 2, round: 2, prevIndex: 2, prevTerm: 2, entries: entriesOf([2], 3, 2) }),
    );
    expect(rig.core.rules).toBe(2);
    const falling = append({
      from: 3,
      term: 2,
      round: 3,
      prevIndex: 3,
      prevTerm: 2,
      entries: entriesOf([2], 4),
    });
    expect(() => rig.step(falling)).toThrow('never fall');
  });
});
