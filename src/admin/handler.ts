/** The HTTP side of a node: metrics for Prometheus, health for whoever keeps nodes running, status for people and `torc status`. */
import type { HttpRequest, HttpResponse } from '../env/contracts.ts';
import { healthResponse, type HealthCheck } from './health.ts';
import { MetricsPage } from './metrics-page.ts';
import type { MetricsSource } from './metrics-source.ts';
import { planResponse, rebalanceResponse, type RebalanceSource } from './rebalance.ts';
import type { BuildInfo, StatusReport } from './status.ts';
import { historyResponse, recoveryResponse, topologyResponse, type TopologySource } from './topology.ts';
import { digestResponse, logMarkResponse, markResponse, type VerificationSource } from './verification.ts';

export interface AdminSource extends MetricsSource, TopologySource, RebalanceSource {
  readStatus(): StatusReport;
  readonly verification: VerificationSource;
  /** What must hold for the node to be given traffic. */
  readyChecks(): readonly HealthCheck[];
}

type Route = (request: HttpRequest) => HttpResponse | Promise<HttpResponse>;

const TEXT = 'text/plain; charset=utf-8';
const MARK = '/api/verify';
const LOG_MARK = '/api/verify/mark';
const RECOVERY = '/api/topology/recover';
/** What POST is for, and what is for nothing else. */
const POSTED: ReadonlySet<string> = new Set(['/api/topology', MARK, LOG_MARK, RECOVERY]);
const POSTED_ALONE: ReadonlySet<string> = new Set([LOG_MARK, RECOVERY]);

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
    ['/api/topology', (request) => topologyResponse(source, request)],
    ['/api/topology/history', () => historyResponse(source)],
    [RECOVERY, (request) => recoveryResponse(source, request)],
    ['/api/rebalance', () => rebalanceResponse(source)],
    ['/api/rebalance/plan', (request) => planResponse(source, request)],
  ]);
  const known = [...routes.keys()].join(', ');

  return async (request) => {
    const route = routes.get(request.path);
    if (route === undefined)
      return textResponse(404, `There is no ${request.path} here. There are ${known}.`);
    const isRead = request.method === 'GET' || request.method === 'HEAD';
    const isPost = request.method === 'POST' && POSTED.has(request.path);
    if (isRead ? POSTED_ALONE.has(request.path) : !isPost)
      return textResponse(
        405,
        `${request.path} is ${isRead ? 'asked for with POST' : 'read with GET'}, not ${request.method}.`,
      );
    // A browser names the page that posts, be it of this very address (DNS can be rebound): no page is to change anything.
    if (isPost && request.origin !== undefined)
      return textResponse(403, `${request.path} takes nothing from web pages.`);
    return route(request);
  };
}

function jsonResponse(status: number, content: unknown): HttpResponse {
  return { status, contentType: 'application/json; charset=utf-8', body: `${JSON.stringify(content)}\n` };
}

function textResponse(status: number, sentence: string): HttpResponse {
  return { status, contentType: TEXT, body: `${sentence}\n` };
}
