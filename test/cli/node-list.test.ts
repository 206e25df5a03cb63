import { describe, expect, it } from 'vitest';
import { NODE_LIST_HEAD, nodeListRow } from '../../src/cli/node-list.ts';
import { humanDuration } from '../../src/cli/table.ts';
import { sampleStatus } from '../admin/sample-source.ts';

const [MEMBER] = sampleStatus().members;

describe('the table of torc node list', () => {
  it('tells where a node is, and what the gossip says of it', () => {
    expect(nodeListRow(MEMBER)).toEqual([
      'node-1',
      'alive',
      '1 s',
      '1.1',
      '127.0.0.1:6379',
      '127.0.0.1:16379',
      '-',
      'box',
      1,
      '0.1.0',
      'a'.repeat(12),
    ]);
    expect(nodeListRow(MEMBER)).toHaveLength(NODE_LIST_HEAD.length);
  });

  it('says of a node that was never heard, and of one that is in no topology, that it is', () => {
    const unheard = nodeListRow({ ...MEMBER, state: 'suspect', incarnation: 0, version: '' });
    expect([unheard[1], unheard[3], unheard[9]]).toEqual(['suspect', 'never heard', '-']);
    expect(nodeListRow({ ...MEMBER, isInTopology: false })[1]).toBe('alive, no member');
    expect(nodeListRow({ ...MEMBER, isLeaving: true })[1]).toBe('alive, leaving');
    expect(nodeListRow({ ...MEMBER, state: 'left', isInTopology: false })[1]).toBe('left');
  });
});

it('a duration has its greatest unit and the next', () => {
  const seconds = [0, 59, 60, 3599, 3600, 86_399, 86_400, 900_000];
  expect(seconds.map((count) => humanDuration(count * 1000))).toEqual([
    '0 s',
    '59 s',
    '1 min 0 s',
    '59 min 59 s',
    '1 h 0 min',
    '23 h 59 min',
    '1 d 0 h',
    '10 d 10 h',
  ]);
});
