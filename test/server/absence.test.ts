import { describe, expect, it } from 'vitest';

import { Absence, isReplaced } from '../../src/server/absence.ts';
import { after, manyNodes, nodeId } from '../topology/many-nodes.ts';

describe('an absence', () => {
  it('begins before the start, or when most others are not reached, and is remembered for a while when it is over', () => {
    const absence = new Absence(1000, 60_000);
    expect(absence.durationMs(1000)).toBe(60_000);
    absence.look(1100, 2, 5);
    expect(absence.durationMs(1200)).toBe(60_100);
    // Two of four are no majority; a moment without one is no absence.
    absence.look(2000, 1, 4);
    absence.look(2500, 2, 4);
    expect(absence.durationMs(2500)).toBe(60_100);
    absence.look(40_000, 1, 4);
    absence.look(42_000, 2, 4);
    expect(absence.durationMs(42_000)).toBe(39_500);
    absence.look(72_000, 3, 4);
    expect(absence.durationMs(72_000)).toBe(30_000);
    absence.look(72_500, 3, 4);
    absence.look(74_000, 3, 4);
    absence.look(102_500, 3, 4);
    absence.look(102_600, 3, 4);
    expect(absence.durationMs(102_600)).toBeLessThan(30_000);
  });
});

describe('a node', () => {
  const before = manyNodes(3);
  const held = [{ shard: 2, member: 1 }];
  const placed = after(before, { kind: 'place-shard', shard: 2, nodes: [nodeId(1)] });
  const gone = after(placed, { kind: 'drop-members', shard: 2, members: [1] });

  it('was replaced when all of its members are gone and it had not seen them go', () => {
    expect(isReplaced(nodeId(2), held, before, gone)).toBe(true);
    const again = after(gone, { kind: 'place-shard', shard: 2, nodes: [nodeId(1), nodeId(2)] });
    expect(isReplaced(nodeId(2), held, before, again)).toBe(true);
    expect(isReplaced(nodeId(2), [...held, { shard: 3, member: 1 }], before, gone)).toBe(false);
  });

  it('was not when it saw them go, has none, or is to leave', () => {
    expect(isReplaced(nodeId(2), held, before, placed)).toBe(false);
    expect(isReplaced(nodeId(2), held, placed, gone)).toBe(false);
    expect(isReplaced(nodeId(2), [], before, gone)).toBe(false);
    const leaving = after(gone, { kind: 'begin-leave', node: nodeId(2) });
    expect(isReplaced(nodeId(2), held, before, leaving)).toBe(false);
  });
});
