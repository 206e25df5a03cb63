import { describe, expect, it } from 'vitest';

import {
  historyResponse,
  recoveryResponse,
  topologyResponse,
  type TopologySource,
} from '../../src/admin/topology.ts';
import type { HttpRequest } from '../../src/env/contracts.ts';
import { mayChange, proofOf } from '../../src/topology/change-proof.ts';
import { encodeChange, encodeRecovery, encodeTopology } from '../../src/topology/topology-codec.ts';
import type { ChangeRequest } from '../../src/topology/change.ts';
import { oneNode } from '../topology/one-node.ts';

const TOPOLOGY = oneNode(1, 1);
const CHANGE: ChangeRequest = {
  clusterId: TOPOLOGY.clusterId,
  on: { generation: 1, epoch: 1 },
  change: { kind: 'raise-version', version: 2 },
  request: { id: 'd'.repeat(40), node: TOPOLOGY.nodes[0].id, start: 1 },
};

function post(body: string, authorization: string, peerAddress = '10.0.0.1'): HttpRequest {
  const query = new URLSearchParams();
  return { method: 'POST', path: '/api/topology', query, body, authorization, peerAddress };
}

function sourceOf(asked: ChangeRequest[], secret = 'secret'): TopologySource {
  return {
    topology: () => TOPOLOGY,
    topologyHistory: () => Promise.resolve([{ ...TOPOLOGY, epoch: 2 }, TOPOLOGY]),
    recoverTopology: () => Promise.resolve({ kind: 'unknown', reason: 'not all answered' }),
    mayChangeTopology: (body, proof, from) => mayChange(secret, body, proof, from),
    changeTopology: (proposed) => {
      asked.push(proposed);
      return Promise.resolve(
        asked.length === 1
          ? { kind: 'decided', topology: { ...TOPOLOGY, epoch: 2 } }
          : { kind: 'refused', reason: 'too late' },
      );
    },
  };
}

describe('/api/topology', () => {
  it('shows what is synced, and changes for whoever proves the secret, this once', async () => {
    const asked: ChangeRequest[] = [];
    const source = sourceOf(asked);
    const get = { method: 'GET', path: '/api/topology', query: new URLSearchParams(), body: '' };
    expect(await topologyResponse(source, get)).toMatchObject({
      status: 200,
      body: encodeTopology(TOPOLOGY),
    });
    const body = encodeChange(CHANGE).toString();
    const proof = `torc ${proofOf('secret', body)}`;
    for (const authorization of [
      '',
      'torc ',
      `Basic ${proofOf('secret', body)}`,
      `torc ${proofOf('', body)}`,
    ])
      expect(await topologyResponse(source, post(body, authorization))).toMatchObject({ status: 403 });
    expect(await topologyResponse(source, post(`${body} `, proof))).toMatchObject({ status: 403 });
    expect(asked).toEqual([]);
    expect(await topologyResponse(source, post(body, proof))).toMatchObject({ status: 200 });
    expect(asked).toEqual([CHANGE]);
    const late = await topologyResponse(source, post(body, proof));
    expect(late.status).toBe(409);
    expect(JSON.parse(late.body.toString())).toEqual({ reason: 'too late' });
  });

  it('takes changes without a secret from its own machine alone, and none that it cannot read', async () => {
    const source = sourceOf([], '');
    const body = encodeChange(CHANGE).toString();
    const proof = `torc ${proofOf('', body)}`;
    expect(await topologyResponse(source, post(body, proof))).toMatchObject({ status: 403 });
    expect(await topologyResponse(source, post(body, proof, '127.0.0.1'))).toMatchObject({ status: 200 });
    const odd = '{"change":{"kind":"found-anew"}}';
    const request = post(odd, `torc ${proofOf('', odd)}`, '::1');
    expect(await topologyResponse(source, request)).toMatchObject({ status: 400 });
  });

  it('tells the last ones, newest first, and takes a recovery for the same proof', async () => {
    const source = sourceOf([]);
    const history = await historyResponse(source);
    expect((JSON.parse(history.body.toString()) as { epoch: number }[]).map(({ epoch }) => epoch)).toEqual([
      2, 1,
    ]);
    const { clusterId, on, request } = CHANGE;
    const body = encodeRecovery({ clusterId, on, survivors: [request.node], bound: [], request }).toString();
    expect(await recoveryResponse(source, post(body, 'torc '))).toMatchObject({ status: 403 });
    const answer = await recoveryResponse(source, post(body, `torc ${proofOf('secret', body)}`));
    expect(answer).toMatchObject({ status: 504, body: '{"reason":"not all answered"}' });
    const odd = '{}';
    expect(await recoveryResponse(source, post(odd, `torc ${proofOf('secret', odd)}`))).toMatchObject({
      status: 400,
    });
  });

  it('has nothing to show before the founding', async () => {
    const source = { ...sourceOf([]), topology: () => null };
    expect(await topologyResponse(source, post('', ''))).toMatchObject({ status: 503 });
  });
});
