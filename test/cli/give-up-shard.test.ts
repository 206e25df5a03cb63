import { describe, expect, it } from 'vitest';

import type { StatusReport } from '../../src/admin/status.ts';
import type { Survey } from '../../src/cli/cluster-survey.ts';
import {
  whatIsLost,
  whatMayBeLost,
  whatSucceeded,
  whyNotLost,
  whyNotSo,
} from '../../src/cli/give-up-shard.ts';
import { sampleStatus } from '../admin/sample-source.ts';
import { after, manyNodes, nodeId } from '../topology/many-nodes.ts';

/** Shard 1 is on nodes 1 to 3 of four; these answer. */
function survey(answer: number[], role: 'leader' | 'follower' = 'follower', voters = [1, 2, 3]): Survey {
  const topology = after(manyNodes(4), { kind: 'place-shard', shard: 1, nodes: [1, 2, 3].map(nodeId) });
  const sample = sampleStatus();
  const reportOf = (member: number): StatusReport => ({
    ...sample,
    replicas: member > 3 ? [] : [{ ...sample.replicas[0], member, role, voters }],
  });
  return { topology, reports: new Map(answer.map((at) => [nodeId(at), reportOf(at)])) };
}

describe('a shard is not given up', () => {
  it.each([
    [survey([1, 4], 'leader'), 'it has a leader'],
    [survey([1, 2, 4]), 'most of its members answer'],
    // By its log, whatever the row says (history 4).
    [survey([1, 4], 'follower', [1]), 'most of its members answer'],
  ])('that can go on (%#)', (given, why) => {
    expect(whyNotLost(given.topology.shards[0], given)).toContain(why);
  });

  it('before it is said what is lost', () => {
    const given = survey([1, 4]);
    const [shard] = given.topology.shards;
    expect(whyNotLost(shard, given)).toBeNull();
    const lost = whatIsLost(shard, given);
    expect(lost).toContain('all keys of its 16384 slots would be lost for good');
    expect(lost).toContain('removed, from h:1 (7 keys)');
    expect(lost).toContain('Of h:1, h:1 you would say that they are destroyed');
    expect(lost).toContain('--yes-i-lose-its-data');
  });
});

describe('what is left of a shard', () => {
  const given = survey([1, 4]);
  const [shard] = given.topology.shards;

  it('is dropped only when that is said outright', () => {
    const why = whyNotSo(shard, given, null);
    expect(why).toContain('h:1 (7 keys) still holds a replica of it');
    expect(why).toContain('--rewind');
    expect(why).toContain('--empty');
    expect([whyNotSo(shard, given, 'empty'), whyNotSo(shard, given, 'rewound')]).toEqual([null, null]);
  });

  it('need not be spoken of where there is nothing', () => {
    const gone = survey([4]);
    expect(whyNotSo(shard, gone, null)).toBeNull();
    expect(whyNotSo(shard, gone, 'rewound')).toContain('--empty');
  });

  it('is gone once it was given up as empty, and is gone on with as it was said before', () => {
    const giveUp = { kind: 'give-up-shard', shard: 1, destroyed: [2] } as const;
    const empty = { ...given, topology: after(given.topology, giveUp) };
    expect(whyNotSo(empty.topology.shards[0], empty, 'rewound')).toContain('given up already');
    const kept = { ...given, topology: after(given.topology, { ...giveUp, rewind: true }) };
    for (const begins of [null, 'rewound', 'empty'] as const)
      expect(whyNotSo(kept.topology.shards[0], kept, begins)).toBeNull();
    const alone = { ...kept, reports: survey([4]).reports };
    expect(whyNotSo(kept.topology.shards[0], alone, null)).toContain(
      'no node that answers holds anything of it',
    );
  });

  it('is told before it is gone on with, and what it was afterwards', () => {
    const may = whatMayBeLost(shard, given);
    expect(may).toContain('with the longest log of h:1 (7 keys)');
    expect(may).toContain('writes that were acknowledged and have not reached it would be lost for good');
    expect(may).toContain('--yes-i-may-lose-writes');
    const begun = after(given.topology, { kind: 'give-up-shard', shard: 1, destroyed: [2, 3], rewind: true });
    const told = after(begun, { kind: 'keep-log', shard: 1, member: 1, term: 4, index: 812 });
    const now = after(told, { kind: 'succeed-shard', shard: 1, home: nodeId(2), voters: [nodeId(1)] });
    expect(whatSucceeded(begun, now, begun.shards[0])).toBe(
      'its slots are those of shard 5, which goes on with what h:1 held, up to index 812 of term 4. Writes that were acknowledged and are not among it are lost',
    );
  });
});
