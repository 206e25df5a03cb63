import { describe, expect, it } from 'vitest';

import { topologyResponse, type TopologySource } from '../../src/admin/topology.ts';
import type { HttpRequest } from '../../src/env/contracts.ts';
import { mayChange, proofOf } from '../../src/topology/change-proof.ts';
import { encodeChange, encodeTopology } from '../../src/topology/topology-codec.ts';
import type { ProposedChange } from '../../src/topology/change.ts';
import { oneNode } from '../topology/one-node.ts';

const TOPOLOGY = oneNode(1, 1);
const CHANGE: ProposedChange = {
  clusterId: TOPOLOGY.clusterId,
  on: { generation: 1, epoch: 1 },
  change: { kind: 'raise-version', version: 2 },
};

function post(body: string, authorization: string, peerAddress = '10.0.0.1'): HttpRequest {
  const query = new URLSearchParams();
  return { method: 'POST', path: '/api/topology', query, body, authorization, peerAddress };
}

function sourceOf(asked: ProposedChange[], secret = 'secret'): TopologySource {
  return {
    topology: () => TOPOLOGY,
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
    const asked: ProposedChange[] = [];
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
    expect(JSON.parse(late.body.toString())).toEqual({ reason: 'too late', decider: TOPOLOGY.nodes[0].id });
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

  it('has nothing to show before the founding', async () => {
    const source = { ...sourceOf([]), topology: () => null };
    expect(await topologyResponse(source, post('', ''))).toMatchObject({ status: 503 });
  });
});
