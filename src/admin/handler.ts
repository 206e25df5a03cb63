/** The HTTP side of a node: metrics for Prometheus, health for whoever keeps nodes running, status for people and `torc status`. */
import type { HttpRequest, HttpResponse } from '../env/contracts.ts';
import { healthResponse, type HealthCheck } from './health.ts';
import { MetricsPage } from './metrics-page.ts';
import type { MetricsSource } from './metrics-source.ts';
import type { BuildInfo, DigestReport, StatusReport } from './status.ts';
import { topologyResponse, type TopologySource } from './topology.ts';

export interface AdminSource extends MetricsSource, TopologySource {
  readStatus(): StatusReport;
  /** Of this node's replica of the shard; `busy` while entries keep being applied, null when there is no replica of it here. */
  digest(shard: number): Promise<DigestReport | 'busy' | null>;
  /** What must hold for the node to be given traffic. */
  readyChecks(): readonly HealthCheck[];
}

type Route = (request: HttpRequest) => HttpResponse | Promise<HttpResponse>;

const TEXT = 'text/plain; charset=utf-8';

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
    ['/api/digest', (request) => digestResponse(source, request)],
    ['/api/topology', (request) => topologyResponse(source, request)],
  ]);
  const known = [...routes.keys()].join(', ');

  return async (request) => {
    const route = routes.get(request.path);
    if (route === undefined)
      return {
        status: 404,
        contentType: TEXT,
        body: `There is no ${request.path} here. There are ${known}.\n`,
      };
    const isChange = request.method === 'POST' && request.path === '/api/topology';
    if (request.method !== 'GET' && request.method !== 'HEAD' && !isChange)
      return {
        status: 405,
        contentType: TEXT,
        body: `${request.path} is read with GET, not ${request.method}.\n`,
      };
    return route(request);
  };
}

/** What replicas are compared by: equal at an equal index. */
async function digestResponse(source: AdminSource, request: HttpRequest): Promise<HttpResponse> {
  const text = request.query.get('shard') ?? '';
  if (!/^\d{1,9}$/.test(text))
    return { status: 400, contentType: TEXT, body: 'Which shard? /api/digest?shard=1\n' };
  const digest = await source.digest(Number(text));
  if (digest === null)
    return { status: 404, contentType: TEXT, body: `There is no replica of shard ${text} here.\n` };
  if (digest === 'busy')
    return { status: 503, contentType: TEXT, body: 'The shard is being written to; try again.\n' };
  return jsonResponse(200, digest);
}

function jsonResponse(status: number, content: unknown): HttpResponse {
  return { status, contentType: 'application/json; charset=utf-8', body: `${JSON.stringify(content)}\n` };
}
