/** The register of a whole cluster: any node has a change decided, one after the other; voters and lost majorities. */
import { describe, expect, it } from 'vitest';

import type { StatusReport } from '../../../src/admin/status.ts';
import { requestTo } from '../../../src/cli/topology-request.ts';
import { SeededRandom } from '../../../src/env/sim/random.ts';
import type { Answered } from '../../../src/cli/http-get.ts';
import { proofOf } from '../../../src/topology/change-proof.ts';
import type { TopologyChange } from '../../../src/topology/change.ts';
import {
  decodeTopology,
  encodeChange,
  encodeRecovery,
  encodeTopology,
} from '../../../src/topology/topology-codec.ts';
import type { Topology } from '../../../src/topology/types.ts';
import { HOST, SimCluster } from './cluster.ts';
import { startRecovery } from './recover.ts';
import { newestTopology } from './topology.ts';

const ADMIN = 2000;

async function started(seed: number, size: number): Promise<SimCluster> {
  const cluster = new SimCluster(seed, size);
  await cluster.startAll();
  return cluster;
}

async function bodyFor(
  cluster: SimCluster,
  i: number,
  on: Topology,
  change: TopologyChange,
): Promise<string> {
  const report = (await cluster.admin(i, '/api/status')) as StatusReport;
  const { clusterId, generation, epoch } = on;
  const request = requestTo(report, new SeededRandom(cluster.scheduler.nowMs + i));
  return encodeChange({ clusterId, on: { generation, epoch }, change, request }).toString();
}

function post(cluster: SimCluster, i: number, body: string, path = '/api/topology'): Promise<Answered> {
  const authorization = `torc ${proofOf('', body)}`;
  const query = new URLSearchParams();
  const request = { method: 'POST', path, query, body, authorization, peerAddress: HOST };
  return cluster.network
    .request({ host: HOST, port: cluster.portOf(i) + ADMIN }, request)
    .then((answer) => ({ status: answer.status, body: answer.body.toString() }));
}

async function topologyAt(cluster: SimCluster, i: number): Promise<Topology> {
  const told = decodeTopology(Buffer.from(JSON.stringify(await cluster.admin(i, '/api/topology'))));
  if (told === null) throw new Error(`node ${i} tells no topology`);
  return told;
}

async function untilAt(
  cluster: SimCluster,
  done: (topology: Topology) => boolean,
  nodes: number[],
): Promise<void> {
  for (let tries = 0; tries < 400; tries++) {
    const known = await Promise.all(nodes.map((i) => topologyAt(cluster, i)));
    if (known.every(done)) return;
    await cluster.pass(100);
  }
  throw new Error('the nodes do not come to know it');
}

function placement(topology: Topology, shard: number, nodes: number): TopologyChange {
  return { kind: 'place-shard', shard, nodes: topology.nodes.slice(0, nodes).map(({ id }) => id) };
}

describe('the register', () => {
  it('takes changes of all nodes at once, and decides one of them for the epoch', async () => {
    const cluster = await started(1, 5);
    const before = await newestTopology(cluster);
    expect(before.voters).toHaveLength(5);
    const asked = [0, 1, 2, 3, 4];
    const bodies = await Promise.all(
      asked.map((i) => bodyFor(cluster, i, before, placement(before, i + 1, 5))),
    );
    const answers = await cluster.settle(Promise.all(asked.map((i) => post(cluster, i, bodies[i]))));
    const won = answers.filter(({ status }) => status === 200);
    expect(won).toHaveLength(1);
    for (const { status, body } of answers)
      if (status !== 200)
        expect({ status, body }).toEqual({
          status: 409,
          body: expect.stringContaining('moved on to 1.') as string,
        });
    await untilAt(cluster, ({ epoch }) => epoch >= 2, asked);
    const history = (await cluster.admin(3, '/api/topology/history')) as Topology[];
    const second = history.find(({ epoch }) => epoch === 2);
    expect(JSON.parse(won[0].body)).toEqual({ ...second });
  });

  it('takes a request once, be it refused, and for the node and start that it names', async () => {
    const cluster = await started(2, 3);
    const before = await newestTopology(cluster);
    const body = await bodyFor(cluster, 1, before, { kind: 'raise-version', version: 1 });
    expect(await cluster.settle(post(cluster, 0, body))).toMatchObject({
      status: 409,
      body: expect.stringContaining('another node') as string,
    });
    expect(await cluster.settle(post(cluster, 1, body))).toMatchObject({
      status: 409,
      body: expect.stringContaining('is 1 already') as string,
    });
    expect(await cluster.settle(post(cluster, 1, body))).toMatchObject({
      status: 409,
      body: expect.stringContaining('made before') as string,
    });
    await cluster.stop(1);
    await cluster.start(1);
    await cluster.until(() => cluster.nodes[1].running?.ready === true);
    expect(await cluster.settle(post(cluster, 1, body))).toMatchObject({
      status: 409,
      body: expect.stringContaining('before its last start') as string,
    });
  });

  it('stands still without a majority of the voters, says so, and goes on with one', async () => {
    const cluster = await started(3, 3);
    const before = await newestTopology(cluster);
    const body = await bodyFor(cluster, 0, before, placement(before, 1, 3));
    const [first, again] = [placement(before, 1, 3), placement(before, 2, 3)];
    expect(body).toContain(first.kind);
    cluster.crash(1, 'lost');
    cluster.crash(2, 'lost');
    const answer = await cluster.settle(post(cluster, 0, body));
    expect(answer).toMatchObject({
      status: 504,
      body: expect.stringContaining('no majority of the voters') as string,
    });
    await cluster.start(1);
    await cluster.pass(3000);
    const now = await newestTopology(cluster);
    const second = await cluster.settle(post(cluster, 0, await bodyFor(cluster, 0, now, again)));
    expect(second.status).toBe(200);
  });

  it('replaces a voter that is silent by a node that is heard; back again, it is told, and does not vote (history 21)', async () => {
    const cluster = await started(4, 4);
    const before = await newestTopology(cluster);
    const [, silent] = before.voters;
    const at = before.nodes.findIndex(({ id }) => id === silent);
    cluster.crash(at, 'lost');
    const others = [0, 1, 2, 3].filter((i) => i !== at);
    await untilAt(cluster, ({ voters }) => !voters.includes(silent), others);
    const after = await newestTopology(cluster);
    expect(after.voters).toHaveLength(3);
    expect(new Set([...after.voters, silent]).size).toBe(4);
    await cluster.start(at);
    await untilAt(cluster, ({ epoch }) => epoch >= after.epoch, [at]);
    // One more dies: two of the three that vote now are left.
    cluster.crash(
      before.nodes.findIndex(({ id }) => id === after.voters[0]),
      'lost',
    );
    const body = await bodyFor(cluster, at, after, {
      kind: 'place-shard',
      shard: 1,
      nodes: after.nodes.slice(0, 3).map(({ id }) => id),
    });
    expect((await cluster.settle(post(cluster, at, body))).status).not.toBe(504);
  });

  it('goes on after a lost majority when an operator says so, under another generation, and says what is risked', async () => {
    const cluster = await started(5, 4);
    const before = await newestTopology(cluster);
    const lost = before.voters.slice(0, 2).map((voter) => before.nodes.findIndex(({ id }) => id === voter));
    const left = [0, 1, 2, 3].filter((i) => !lost.includes(i));
    const recover = (from: number, isSure: boolean): Promise<Topology> =>
      cluster.settle(startRecovery(cluster, from, isSure));
    await expect(recover(left[0], true)).rejects.toThrow('which is a majority: nothing has to be given up');
    for (const i of lost) cluster.crash(i, 'lost');
    await cluster.pass(2000);
    await expect(recover(left[0], false)).rejects.toThrow(
      /would be given up for good.*--yes-i-may-lose-decisions/,
    );
    const recovered = await recover(left[0], true);
    expect(recovered).toMatchObject({
      generation: 2,
      epoch: before.epoch + 1,
      voters: [before.nodes[left[0]].id],
    });
    expect(recovered.nodes).toHaveLength(2);
    await untilAt(cluster, ({ generation }) => generation === 2, left);
    // Who was given up and comes back is let in by nobody.
    await cluster.start(lost[0]);
    await cluster.pass(3000);
    expect(cluster.nodes[lost[0]].running?.ready).toBe(false);
    for (const i of left) expect((await topologyAt(cluster, i)).nodes).toHaveLength(2);
  });

  it('goes on as before when a recovery comes to nothing and the lost voters come back', async () => {
    const cluster = await started(7, 4);
    const before = await newestTopology(cluster);
    const lost = before.voters.slice(0, 2).map((voter) => before.nodes.findIndex(({ id }) => id === voter));
    const [voter, other] = [0, 1, 2, 3]
      .filter((i) => !lost.includes(i))
      .toSorted((a) => (before.voters.includes(before.nodes[a].id) ? -1 : 1));
    for (const i of [...lost, other]) cluster.crash(i, 'lost');
    await cluster.pass(2000);
    const { clusterId, generation, epoch } = before;
    const survivors = [voter, other].map((i) => before.nodes[i].id);
    const report = (await cluster.admin(voter, '/api/status')) as StatusReport;
    const request = requestTo(report, new SeededRandom(1));
    const asked = { clusterId, on: { generation, epoch }, survivors, bound: [], request };
    const answer = await cluster.settle(
      post(cluster, voter, encodeRecovery(asked).toString(), '/api/topology/recover'),
    );
    expect(answer).toMatchObject({
      status: 504,
      body: expect.stringContaining('not all of the survivors') as string,
    });
    for (const i of lost) await cluster.start(i);
    await cluster.pass(1000);
    cluster.crash(lost[0], 'lost');
    const isBound = async (): Promise<boolean> => {
      const report = (await cluster.admin(voter, '/api/status')) as StatusReport;
      return report.cluster?.boundToRecovery.includes(before.nodes[voter].id) === true;
    };
    expect(await isBound()).toBe(true);
    const raise = async (): Promise<Answered> => {
      const now = await topologyAt(cluster, voter);
      return cluster.settle(post(cluster, voter, await bodyFor(cluster, voter, now, placement(now, 1, 3))));
    };
    expect((await raise()).body).toContain('A recovery of the topology has begun and not ended');
    await cluster.pass(15_000);
    expect((await raise()).status).not.toBe(504);
    expect(await isBound()).toBe(false);
    expect((await topologyAt(cluster, voter)).generation).toBe(1);
  });

  it('is founded once: seeds that come back empty, cut off from the others, found nothing (history 1)', async () => {
    const cluster = await started(6, 3);
    const before = encodeTopology(await newestTopology(cluster)).toString();
    for (const i of [1, 2]) {
      await cluster.stop(i);
      for (const path of cluster.nodes[i].disk.paths()) cluster.nodes[i].disk.removeContent(path);
      cluster.cut(0, i);
    }
    await Promise.all([1, 2].map((i) => cluster.start(i)));
    await cluster.pass(10_000);
    for (const i of [1, 2]) expect(await cluster.admin(i, '/api/topology')).toBeNull();
    expect(encodeTopology(await topologyAt(cluster, 0)).toString()).toBe(before);
    cluster.network.heal();
    await cluster.pass(10_000);
    // There they are told whose places they were, and stop.
    for (const i of [1, 2])
      expect(String(cluster.nodes[i].fatal)).toMatch(/the place of 127\.0\.0\.1:\d+ in cluster \w+ is node/);
  });
});
