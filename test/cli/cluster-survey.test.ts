import { describe, expect, it } from 'vitest';

import { loadTokenHash } from '../../ring/index.ts';
import type { StatusReport } from '../../src/admin/status.ts';
import {
  surveyCluster,
  whyAwaited,
  whyCrowded,
  whyNeeded,
  whyUnled,
  type Survey,
} from '../../src/cli/cluster-survey.ts';
import { applyChange } from '../../src/topology/change.ts';
import { encodeTopology } from '../../src/topology/topology-codec.ts';
import type { NodeEntry, Topology } from '../../src/topology/types.ts';
import { sampleStatus } from '../admin/sample-source.ts';

const idOf = (number: number): string => `${number}`.repeat(40);

function nodeEntry(number: number): NodeEntry {
  const ports = { clientPort: number, redirectPort: 20, peerPort: 30, adminPort: 100 + number };
  return { id: idOf(number), ordinal: number, host: 'h', ...ports, zone: '', machine: '', weight: 1 };
}

interface Given {
  nodes: number;
  voters: number[];
  learners?: number[];
  votersOld?: number[];
  answer: number[];
  leader?: number | null;
}

/** One shard whose member n is on node n. */
function surveyOf(given: Given): Survey {
  const { voters, votersOld = [], learners = [], leader = voters[0] } = given;
  const members = [...new Set([...voters, ...votersOld, ...learners])];
  const topology: Topology = {
    clusterId: idOf(9),
    generation: 1,
    epoch: 1,
    version: 1,
    nodes: Array.from({ length: given.nodes }, (_, i) => nodeEntry(i + 1)),
    nextOrdinal: 9,
    nextGroup: 9,
    shards: [
      {
        id: 1,
        group: 1,
        home: idOf(1),
        replicas: members.map((member) => ({ member, node: idOf(member) })),
        first: voters,
        nextMember: 9,
      },
    ],
    slots: [{ from: 0, to: 16_383, shard: 1 }],
    voters: [idOf(1)],
    moves: [],
  };
  const reportOf = (number: number): StatusReport => {
    const sample = sampleStatus();
    const role = number === leader ? 'leader' : 'follower';
    const replica = { ...sample.replicas[0], role, voters, votersOld, learners } as const;
    return { ...sample, node: { ...sample.node, id: idOf(number) }, replicas: [replica] };
  };
  return { topology, reports: new Map(given.answer.map((number) => [idOf(number), reportOf(number)])) };
}

describe('a node can be done without', () => {
  it('when a quorum of each of its shards answers', () => {
    expect(whyNeeded(idOf(3), surveyOf({ nodes: 3, voters: [1, 2, 3], answer: [1, 2] }))).toBeNull();
    const learns = { nodes: 3, voters: [1], learners: [3], answer: [1, 2] };
    expect(whyNeeded(idOf(3), surveyOf(learns))).toBeNull();
    const elsewhere = { nodes: 4, voters: [1, 2, 3], answer: [1, 2, 3] };
    expect(whyNeeded(idOf(4), surveyOf(elsewhere))).toBeNull();
  });

  it.each([
    [{ nodes: 1, voters: [1], answer: [] }, 1, 'the only copy'],
    [{ nodes: 3, voters: [1, 2, 3], answer: [1] }, 3, 'start h:2 first'],
    [{ nodes: 3, voters: [1, 2, 3], answer: [1, 2], leader: null }, 3, 'has no leader now: wait'],
    [{ nodes: 3, voters: [3], answer: [1, 2], leader: null }, 3, 'has no other replica'],
    [{ nodes: 5, voters: [1, 2, 3], answer: [1, 4, 5] }, 3, 'would lose its quorum'],
    [
      { nodes: 5, voters: [1, 4, 5], votersOld: [1, 2, 3], answer: [1, 4, 5] },
      3,
      'of its 3 voters 1 others answer',
    ],
  ])('else it is told why, and what to do (%#)', (given, node, why) => {
    expect(whyNeeded(idOf(node), surveyOf(given))).toContain(why);
  });

  it('while a shard may be gone on with by what it holds', () => {
    const survey = surveyOf({ nodes: 3, voters: [1, 2, 3], answer: [1, 2], leader: null });
    const lost = (destroyed: number[]): Survey => {
      const giveUp = { kind: 'give-up-shard', shard: 1, destroyed, rewind: true } as const;
      const topology = applyChange(survey.topology, giveUp);
      if (typeof topology === 'string') throw new Error(topology);
      return { ...survey, topology };
    };
    expect(whyNeeded(idOf(3), lost([1, 2]))).toContain('may go on with what is in this directory');
    expect(whyNeeded(idOf(3), lost([1, 3]))).toBeNull();
  });
});

describe('the nodes that stay', () => {
  it('are at most 85 % full, or it is said who has too little room, and what to do', async () => {
    const hash = await loadTokenHash();
    // Shard 1 is node 1's, and holds 700 bytes; each node has room for 7000.
    const survey = surveyOf({ nodes: 3, voters: [1, 2], answer: [1, 2, 3] });
    const homes = [2, 3].map((at) => ({
      ...survey.topology.shards[0],
      id: at,
      home: idOf(at),
      replicas: [],
    }));
    const topology = { ...survey.topology, shards: [...survey.topology.shards, ...homes] };
    expect(whyCrowded(idOf(1), { ...survey, topology }, hash)).toBeNull();
    const reports = new Map(
      [...survey.reports].map(([id, report]) => [
        id,
        { ...report, memory: { ...report.memory, roomBytes: 100 } },
      ]),
    );
    const why = whyCrowded(idOf(1), { topology, reports }, hash);
    expect(why).toContain('h:3 would be given');
    expect(why).toContain('has room for 100 B: add a node first');
    expect(why).toContain('--even-if-full');
  });
});

describe('a node can leave', () => {
  it('when each of its shards has a leader, which takes it out', () => {
    expect(whyUnled(idOf(3), surveyOf({ nodes: 3, voters: [1, 2, 3], answer: [1, 2] }))).toBeNull();
    const other = { nodes: 4, voters: [1, 2, 3], answer: [1, 2, 3, 4], leader: null };
    expect(whyUnled(idOf(4), surveyOf(other))).toBeNull();
    expect(whyUnled(idOf(3), surveyOf({ ...other, answer: [1, 3, 4] }))).toBe(
      'shard 1 has no leader now: wait until torc status shows one, or start h:2',
    );
  });
});

describe('a node that is to leave beside one that is away', () => {
  /** Four nodes, three replicas a shard; node 4 does not answer. */
  async function whyOf(leaver: number, change: (survey: Survey) => Survey = (survey) => survey) {
    const survey = surveyOf({ nodes: 4, voters: [1, 2, 3], answer: [1, 2, 3] });
    const [first] = survey.topology.shards;
    const shards = [1, 2, 3, 4].map((at) => {
      const nodes = [0, 1, 2].map((step) => idOf(((at - 1 + step) % 4) + 1));
      return {
        ...first,
        id: at,
        home: idOf(at),
        replicas: nodes.map((node, i) => ({ member: i + 1, node })),
      };
    });
    const slots = [0, 1, 2, 3].map((at) => ({ from: at * 4096, to: at * 4096 + 4095, shard: at + 1 }));
    const report = [...survey.reports.values()][0];
    const member = { ...report.members[0], id: idOf(4), state: 'dead' } as const;
    const reports = new Map([...survey.reports].map(([id, told]) => [id, { ...told, members: [member] }]));
    const topology = { ...survey.topology, shards, slots };
    return whyAwaited(idOf(leaver), change({ topology, reports }), await loadTokenHash());
  }

  it('is told which one, and what to do', async () => {
    expect(await whyOf(2)).toBe(
      'shard 3 is to take slots of it, and node h:4 does not answer: start it, or take it out: torc node remove --dead h:4',
    );
  });

  it('is told so, too, when it has no slots, and its replicas could go nowhere else', async () => {
    const emptied = ({ topology, reports }: Survey): Survey => ({
      topology: { ...topology, slots: [{ from: 0, to: 16_383, shard: 1 }] },
      reports,
    });
    expect(await whyOf(2, emptied)).toMatch(
      /^its replica of shard 1 has no other place, and node h:4 does not/,
    );
  });

  it('goes on where that one leaves as well, or is heard by all that answer', async () => {
    const leaves = ({ topology, reports }: Survey): Survey => ({
      topology: {
        ...topology,
        nodes: topology.nodes.map((node) => (node.id === idOf(4) ? { ...node, leaving: true } : node)),
      },
      reports,
    });
    const without = (survey: Survey): Survey => {
      const { topology, reports } = leaves(survey);
      const shards = topology.shards
        .filter(({ id }) => id !== 4)
        .map((shard) => ({ ...shard, replicas: shard.replicas.filter(({ node }) => node !== idOf(4)) }));
      return { topology: { ...topology, shards }, reports };
    };
    expect(await whyOf(2, without)).toBeNull();
    // As while a third node is taken out: of two replicas one learns.
    const pairs = (survey: Survey): Survey => {
      const { topology, reports } = without(survey);
      const shards = topology.shards.map((shard) => ({ ...shard, replicas: shard.replicas.slice(0, 2) }));
      return { topology: { ...topology, shards }, reports };
    };
    expect(await whyOf(2, pairs)).toBeNull();
    const heard = ({ topology, reports }: Survey): Survey => ({
      topology,
      reports: new Map(
        [...reports].map(([id, told]) => [
          id,
          { ...told, members: told.members.map((one) => ({ ...one, state: 'alive' as const })) },
        ]),
      ),
    });
    expect(await whyOf(2, heard)).toBeNull();
  });
});

describe('a survey', () => {
  it.each(['<html>no node</html>', '{}', 'null', '{"schema":0}'])('takes %s for no node', async (body) => {
    const { topology } = surveyOf({ nodes: 1, voters: [1], answer: [] });
    const whole = encodeTopology(topology).toString();
    const ask = (_: unknown, path: string) =>
      Promise.resolve({ status: 200, body: path === '/api/topology' ? whole : body });
    expect((await surveyCluster(ask, [{ host: 'h', port: 101 }])).reports.size).toBe(0);
  });

  it('goes by the newest topology that any node knows, and by whoever answers as itself', async () => {
    const { topology, reports } = surveyOf({ nodes: 3, voters: [1, 2, 3], answer: [1, 3] });
    const answers = new Map<string, string>([
      ['101/api/topology', encodeTopology(topology).toString()],
      ['103/api/topology', encodeTopology({ ...topology, epoch: 4 }).toString()],
      ['101/api/status', JSON.stringify(reports.get(idOf(1)))],
      // Another node than the topology has there.
      ['103/api/status', JSON.stringify(reports.get(idOf(1)))],
    ]);
    const survey = await surveyCluster(
      ({ port }, path) => {
        const body = answers.get(`${port}${path}`);
        return Promise.resolve(body === undefined ? null : { status: 200, body });
      },
      [{ host: 'h', port: 101 }],
    );
    expect(survey.topology.epoch).toBe(4);
    expect([...survey.reports.keys()]).toEqual([idOf(1)]);
    const silent = surveyCluster(() => Promise.resolve(null), [{ host: 'h', port: 101 }]);
    await expect(silent).rejects.toThrow('give the admin port of one that runs');
  });
});
