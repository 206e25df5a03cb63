import { describe, expect, it } from 'vitest';
import type { ReplicaStatus, StatusReport } from '../../src/admin/status.ts';
import type { Answer } from '../../src/cli/ask-node.ts';
import { nodeRows, shardRows, toleranceNote } from '../../src/cli/status-table.ts';
import { humanBytes, renderTable } from '../../src/cli/table.ts';
import { sampleStatus } from '../admin/sample-source.ts';

function answer(name: string, replicas: Partial<ReplicaStatus>[]): Answer {
  const sample = sampleStatus();
  const [replica] = sample.replicas;
  const report: StatusReport = {
    ...sample,
    node: { ...sample.node, name, id: `id-of-${name}` },
    replicas: replicas.map((own) => ({ ...replica, leader: 'id-of-a', ...own })),
  };
  return { address: `${name}:8379`, report };
}

const A = answer('a', [
  { shard: 1, role: 'leader', commit: 20, applied: 20, keys: 7, term: 4 },
  { shard: 2, role: 'follower', commit: 9, applied: 8, keys: 5, term: 6 },
]);
const B = answer('b', [
  { shard: 1, role: 'follower', commit: 18, applied: 17, keys: 6, term: 4 },
  { shard: 2, role: 'leader', leader: 'id-of-b', commit: 10, applied: 10, keys: 5, term: 6 },
]);
const SILENT: Answer = { address: 'c:8379', report: null, reason: 'nothing listens there' };

describe('the tables of torc status', () => {
  it('has a row for every node, those that do not answer included', () => {
    expect(nodeRows([A, B, SILENT])).toEqual([
      ['a', 'ready', '1', 7, '700 B', 6, 29, 28, 2],
      ['b', 'ready', '2', 5, '700 B', 6, 28, 27, 3],
      ['c:8379', 'unreachable', '-', '-', '-', '-', '-', '-', '-'],
    ]);
  });

  it('has a row for every shard, told by its leader', () => {
    expect(shardRows([A, B])).toEqual([
      [1, 'a', 16_384, 7, 4, 20, 'a (0), b (3)'],
      [2, 'b', 16_384, 5, 6, 10, 'a (2), b (0)'],
    ]);
  });

  it('believes the leader of the newest term', () => {
    const old = answer('old', [{ shard: 1, role: 'leader', leader: 'id-of-old', term: 3, commit: 5 }]);
    expect(shardRows([old, A])[0]).toEqual([1, 'a', 16_384, 7, 4, 20, 'old (0), a (0)']);
  });

  it('says when a shard has no leader that answers, and goes by what its replicas know', () => {
    expect(shardRows([answer('b', [{ shard: 1, role: 'follower', lagEntries: 1 }])])).toEqual([
      [1, 'none', 16_384, 7, 4, 20, 'b (1)'],
    ]);
  });
});

describe('what is not fault tolerant', () => {
  const leads = (shard: number, voters: number[], learners: number[], failuresTolerated = 0): Answer =>
    answer('a', [{ shard, role: 'leader', leader: 'id-of-a', term: 4, voters, learners, failuresTolerated }]);

  it('is said of shards with one voter: of one node, and of two', () => {
    expect(toleranceNote([leads(1, [1], [])])).toBe(
      'Not fault tolerant: shard 1 has one voter. Three voters need three nodes, and replication-factor 3.',
    );
    expect(toleranceNote([leads(2, [2], [1]), leads(1, [1], [2]), leads(3, [1, 2, 3], [], 1)])).toContain(
      'shards 1, 2 have one voter',
    );
  });

  it('is said of shards that lose their majority with one voter more', () => {
    expect(toleranceNote([leads(1, [1], []), leads(2, [1, 2, 3], []), leads(3, [1, 2, 3], [])])).toBe(
      'Not fault tolerant: shard 1 has one voter. Three voters need three nodes, and replication-factor 3.\n' +
        'Not fault tolerant: shards 2, 3 lose their majority with one node more. Start the nodes that are away, or wait for replicas that catch up.',
    );
  });

  it('is not said of others, nor of shards whose leader does not answer', () => {
    expect(toleranceNote([leads(1, [1, 2, 3], [], 1), SILENT])).toBeNull();
    expect(toleranceNote([answer('b', [{ shard: 1, role: 'follower', voters: [1] }])])).toBeNull();
  });
});

describe('tables', () => {
  it('are boxed for people and plain columns for programs', () => {
    const rows = [
      ['a', 1],
      ['bcd', 20],
    ];
    expect(renderTable(['name', 'n'], rows, false)).toBe('name   n\na      1\nbcd   20');
    expect(renderTable(['name', 'n'], rows, true)).toContain('│ bcd  │ 20 │');
  });

  it.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1.0 KiB'],
    [1.5 * 1024 ** 3, '1.5 GiB'],
    [3000 * 1024 ** 4, '3000.0 TiB'],
  ])('writes %d bytes as %s', (bytes, text) => {
    expect(humanBytes(bytes)).toBe(text);
  });
});
