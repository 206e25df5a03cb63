import { describe, expect, it } from 'vitest';

import type { StatusReport } from '../../src/admin/status.ts';
import type { Survey } from '../../src/cli/cluster-survey.ts';
import { whatIsLost, whyNotLost } from '../../src/cli/give-up-shard.ts';
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
