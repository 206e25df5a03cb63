/** The HTTP side of a node: metrics for Prometheus, health for whoever keeps nodes running, status for people and `torc status`. */
import type { HttpRequest, HttpResponse } from '../env/contracts.ts';
import { healthResponse, type HealthCheck } from './health.ts';
import { MetricsPage } from './metrics-page.ts';
import type { MetricsSource } from './metrics-source.ts';
import type { BuildInfo, DigestReport, MarkReport, StatusReport } from './status.ts';

export interface AdminSource extends MetricsSource {
  readStatus(): StatusReport;
  readonly verification: VerificationSource;
  /** What must hold for the node to be given traffic. */
  readyChecks(): readonly HealthCheck[];
}

/** Null: there is no replica of the shard here, or it does not know the mark. */
export interface VerificationSource {
  /** Of this node's replica as it is now; `busy` while a snapshot is loaded, and when too many are asked for. */
  digest(shard: number): Promise<DigestReport | 'busy' | null>;
  /** To be computed at the mark, once the log brings it. */
  expectMark(shard: number, mark: number): MarkReport | 'busy' | null;
  readMark(shard: number, mark: number): MarkReport | null;
  /** Puts the mark into the log, at the shard's leader. */
  logMark(shard: number, mark: number): { index: number } | 'not-leader' | null;
}

type Route = (request: HttpRequest) => HttpResponse | Promise<HttpResponse>;

const TEXT = 'text/plain; charset=utf-8';
const MARK = '/api/verify';
const LOG_MARK = '/api/verify/mark';
const POSTED: ReadonlySet<string> = new Set([MARK, LOG_MARK]);

export function createAdminHandler(
  source: AdminSource,
  build: BuildInfo,
): (request: HttpRequest) => Promise<HttpResponse> {
  const metrics = new MetricsPage(source, build);
  const routes: ReadonlyMap<string, Route> = new Map<string, Route>([
    ['/metrics', async () => ({ status: 200, contentType: metrics.contentType, body: await metrics.text() })],
    // Alive is whoever answers: a node without a quorum must not be restarted for that.
    ['/livez', (request) => healthResponse([{ name: 'event-loop', ok: true, reason: '' }], request)],
    ['/readyz', (request) => healthResponse(source.readyChecks(), request)],
    ['/api/status', () => jsonResponse(200, source.readStatus())],
    ['/api/digest', (request) => digestResponse(source.verification, request)],
    [MARK, (request) => markResponse(source.verification, request)],
    [LOG_MARK, (request) => logMarkResponse(source.verification, request)],
  ]);
  const known = [...routes.keys()].join(', ');

  return async (request) => {
    const route = routes.get(request.path);
    if (route === undefined)
      return textResponse(404, `There is no ${request.path} here. There are ${known}.`);
    const isRead = request.method === 'GET' || request.method === 'HEAD';
    const isPost = request.method === 'POST' && POSTED.has(request.path);
    if (isRead ? request.path === LOG_MARK : !isPost)
      return textResponse(
        405,
        `${request.path} is ${isRead ? 'asked for with POST' : 'read with GET'}, not ${request.method}.`,
      );
    return route(request);
  };
}

/** What replicas are compared by: equal at an equal index. */
async function digestResponse(source: VerificationSource, request: HttpRequest): Promise<HttpResponse> {
  const shard = numberOf(request, 'shard');
  if (shard === null) return textResponse(400, 'Which shard? /api/digest?shard=1');
  const digest = await source.digest(shard);
  if (digest === null) return noReplica(shard);
  if (digest === 'busy') return textResponse(503, 'It cannot be computed now; try again.');
  return jsonResponse(200, digest);
}

/** POST: the hash at this mark is wanted. GET: what became of it. */
function markResponse(source: VerificationSource, request: HttpRequest): HttpResponse {
  const shard = numberOf(request, 'shard');
  const mark = numberOf(request, 'mark');
  if (shard === null || mark === null) return whichMark(request);
  const isPost = request.method === 'POST';
  const report = isPost ? source.expectMark(shard, mark) : source.readMark(shard, mark);
  if (report === null) return isPost ? noReplica(shard) : textResponse(404, 'That mark is not known here.');
  if (report === 'busy') return textResponse(503, 'Too many marks are expected here; try again.');
  return jsonResponse(200, report);
}

function logMarkResponse(source: VerificationSource, request: HttpRequest): HttpResponse {
  const shard = numberOf(request, 'shard');
  const mark = numberOf(request, 'mark');
  if (shard === null || mark === null) return whichMark(request);
  const logged = source.logMark(shard, mark);
  if (logged === null) return noReplica(shard);
  if (logged === 'not-leader') return textResponse(409, 'This node does not lead the shard, or not yet.');
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
