/** /api/topology: read by anybody who reads the status; changed, by any node, for whoever proves the peer secret. */
import type { HttpRequest, HttpResponse } from '../env/contracts.ts';
import type { ChangeRequest, RecoveryRequest } from '../topology/change.ts';
import type { Decision } from '../topology/decision.ts';
import { decodeChange, decodeRecovery, encodeTopology } from '../topology/topology-codec.ts';
import type { Topology } from '../topology/types.ts';

const SCHEME = 'torc ';

export interface TopologySource {
  /** Null before the founding. */
  topology(): Topology | null;
  /** The last that were decided, newest first, as far as this node has kept them. */
  topologyHistory(): Promise<Topology[]>;
  mayChangeTopology(body: string, proof: string, from: string): boolean;
  changeTopology(asked: ChangeRequest): Promise<Decision>;
  /** A majority of the voters is lost for good. */
  recoverTopology(asked: RecoveryRequest): Promise<Decision>;
}

/** What is answered to a change that was not made (409), or of which nobody knows yet (504). */
export interface ChangeRefusal {
  reason: string;
}

export async function topologyResponse(source: TopologySource, request: HttpRequest): Promise<HttpResponse> {
  const current = source.topology();
  if (current === null) return text(503, 'The cluster is not founded yet.');
  if (request.method !== 'POST') return json(200, encodeTopology(current));
  const forbidden = proofProblem(source, request);
  if (forbidden !== null) return forbidden;
  const asked = decodeChange(Buffer.from(request.body));
  if (asked === null) return text(400, 'That is no change of a topology.');
  return decisionResponse(await source.changeTopology(asked));
}

export async function recoveryResponse(source: TopologySource, request: HttpRequest): Promise<HttpResponse> {
  const forbidden = proofProblem(source, request);
  if (forbidden !== null) return forbidden;
  const asked = decodeRecovery(Buffer.from(request.body));
  if (asked === null) return text(400, 'That is no recovery of a topology.');
  return decisionResponse(await source.recoverTopology(asked));
}

export async function historyResponse(source: TopologySource): Promise<HttpResponse> {
  const kept = await source.topologyHistory();
  return json(200, `[${kept.map((topology) => encodeTopology(topology).toString().trimEnd()).join(',')}]\n`);
}

function proofProblem(source: TopologySource, request: HttpRequest): HttpResponse | null {
  const { body, authorization = '', peerAddress = '' } = request;
  const proof = authorization.startsWith(SCHEME) ? authorization.slice(SCHEME.length) : '';
  if (source.mayChangeTopology(body, proof, peerAddress)) return null;
  return text(
    403,
    'The topology is changed by who knows the peer secret of the cluster; without one, from the machine of this node alone.',
  );
}

function decisionResponse(decision: Decision): HttpResponse {
  if (decision.kind === 'decided') return json(200, encodeTopology(decision.topology));
  const refusal: ChangeRefusal = { reason: decision.reason };
  return json(decision.kind === 'refused' ? 409 : 504, JSON.stringify(refusal));
}

function json(status: number, body: string | Uint8Array): HttpResponse {
  return { status, contentType: 'application/json; charset=utf-8', body };
}

function text(status: number, line: string): HttpResponse {
  return { status, contentType: 'text/plain; charset=utf-8', body: `${line}\n` };
}
