/** The HTTP side of a node: metrics for Prometheus, health for whoever keeps nodes running, status for people and `torc status`. */
import type { HttpRequest, HttpResponse } from '../env/contracts.ts';
import { healthResponse, type HealthCheck } from './health.ts';
import { MetricsPage } from './metrics-page.ts';
import type { MetricsSource } from './metrics-source.ts';
import type { BuildInfo, StatusReport } from './status.ts';

export interface AdminSource extends MetricsSource {
  readStatus(): StatusReport;
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
    if (request.method !== 'GET' && request.method !== 'HEAD')
      return {
        status: 405,
        contentType: TEXT,
        body: `${request.path} is read with GET, not ${request.method}.\n`,
      };
    return route(request);
  };
}

function jsonResponse(status: number, content: unknown): HttpResponse {
  return { status, contentType: 'application/json; charset=utf-8', body: `${JSON.stringify(content)}\n` };
}
