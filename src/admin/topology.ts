/** /api/topology: read by anybody who reads the status; changed by `torc repair`, `torc cluster version raise` and by tests. */
import type { HttpRequest, HttpResponse } from '../env/contracts.ts';
import type { ProposedChange } from '../topology/change.ts';
import { deciderOf, type Decision } from '../topology/decision.ts';
import { decodeChange, encodeTopology } from '../topology/topology-codec.ts';
import type { Topology } from '../topology/types.ts';

const SCHEME = 'torc ';

export interface TopologySource {
  /** Null before the founding. */
  topology(): Topology | null;
  mayChangeTopology(body: string, proof: string, from: string): boolean;
  changeTopology(proposed: ProposedChange): Promise<Decision>;
}

/** What is answered to a change that was not made. */
export interface ChangeRefusal {
  reason: string;
  /** The node that decides as things stand. */
  decider: string;
}

export async function topologyResponse(source: TopologySource, request: HttpRequest): Promise<HttpResponse> {
  const current = source.topology();
  if (current === null) return text(503, 'The cluster is not founded yet.');
  if (request.method !== 'POST') return json(200, encodeTopology(current));
  const { body, authorization = '', peerAddress = '' } = request;
  const proof = authorization.startsWith(SCHEME) ? authorization.slice(SCHEME.length) : '';
  if (!source.mayChangeTopology(body, proof, peerAddress))
    return text(
      403,
      'The topology is changed by who knows the peer secret of the cluster; without one, from the machine of this node alone.',
    );
  const proposed = decodeChange(Buffer.from(body));
  if (proposed === null) return text(400, 'That is no change of a topology.');
  const decision = await source.changeTopology(proposed);
  if (decision.kind === 'decided') return json(200, encodeTopology(decision.topology));
  const refusal: ChangeRefusal = { reason: decision.reason, decider: deciderOf(current) };
  return json(409, JSON.stringify(refusal));
}

function json(status: number, body: string | Uint8Array): HttpResponse {
  return { status, contentType: 'application/json; charset=utf-8', body };
}

function text(status: number, line: string): HttpResponse {
  return { status, contentType: 'text/plain; charset=utf-8', body: `${line}\n` };
}
