/** /api/digest, /api/verify and /api/verify/mark: what replicas are compared by. */
import type { HttpRequest, HttpResponse } from '../env/contracts.ts';
import type { DigestReport, MarkReport } from './status.ts';

/** Null: there is no replica of the shard here, or it does not know the mark. */
export interface VerificationSource {
  /** Of this node's replica as it is now; `busy` while a snapshot is loaded, and when too many are asked for. */
  digest(shard: number): Promise<DigestReport | 'busy' | null>;
  /** To be computed at the mark, once the log brings it. */
  expectMark(shard: number, mark: number): MarkReport | 'busy' | null;
  readMark(shard: number, mark: number): MarkReport | null;
  /** Puts the mark, which is expected here, into the log, once, at the shard's leader. */
  logMark(shard: number, mark: number): { index: number } | 'not-now' | null;
}

const TEXT = 'text/plain; charset=utf-8';

/** What replicas are compared by: equal at an equal index. */
export async function digestResponse(
  source: VerificationSource,
  request: HttpRequest,
): Promise<HttpResponse> {
  const shard = numberOf(request, 'shard');
  if (shard === null) return textResponse(400, 'Which shard? /api/digest?shard=1');
  const digest = await source.digest(shard);
  if (digest === null) return noReplica(shard);
  if (digest === 'busy') return textResponse(503, 'It cannot be computed now; try again.');
  return jsonResponse(200, digest);
}

/** POST: the hash at this mark is wanted. GET: what became of it. */
export function markResponse(source: VerificationSource, request: HttpRequest): HttpResponse {
  const shard = numberOf(request, 'shard');
  const mark = numberOf(request, 'mark');
  if (shard === null || mark === null) return whichMark(request);
  const isPost = request.method === 'POST';
  const report = isPost ? source.expectMark(shard, mark) : source.readMark(shard, mark);
  if (report === null) return isPost ? noReplica(shard) : textResponse(404, 'That mark is not known here.');
  if (report === 'busy') return textResponse(503, 'Too many marks are expected here; try again.');
  return jsonResponse(200, report);
}

export function logMarkResponse(source: VerificationSource, request: HttpRequest): HttpResponse {
  const shard = numberOf(request, 'shard');
  const mark = numberOf(request, 'mark');
  if (shard === null || mark === null) return whichMark(request);
  const logged = source.logMark(shard, mark);
  if (logged === null) return noReplica(shard);
  if (logged === 'not-now')
    return textResponse(
      409,
      'This node does not lead the shard, or the mark is not expected here, or is logged.',
    );
  return jsonResponse(200, logged);
}

function whichMark({ path }: HttpRequest): HttpResponse {
  return textResponse(400, `Which shard, and which mark? ${path}?shard=1&mark=7`);
}

function noReplica(shard: number): HttpResponse {
  return textResponse(404, `There is no replica of shard ${shard} here.`);
}

/** Of the query: a whole number below 2^32; else null. */
function numberOf({ query }: HttpRequest, name: string): number | null {
  const text = query.get(name) ?? '';
  return /^\d{1,10}$/.test(text) && Number(text) < 2 ** 32 ? Number(text) : null;
}

function textResponse(status: number, sentence: string): HttpResponse {
  return { status, contentType: TEXT, body: `${sentence}\n` };
}

function jsonResponse(status: number, content: unknown): HttpResponse {
  return { status, contentType: 'application/json; charset=utf-8', body: `${JSON.stringify(content)}\n` };
}
