/** /livez and /readyz, as Kubernetes and load balancers ask them. */
import type { HttpRequest, HttpResponse } from '../env/contracts.ts';

export interface HealthCheck {
  /** In kebab case: `shard-3-has-leader`. */
  name: string;
  ok: boolean;
  /** Why it is not ok, for people. */
  reason: string;
  /** What is to be told although it is ok. */
  note?: string;
}

/** `ok`, or what is not; every check in its line with `?verbose`. 503 unless all are ok. */
export function healthResponse(checks: readonly HealthCheck[], request: HttpRequest): HttpResponse {
  const failed = checks.filter((check) => !check.ok);
  const verbose = request.query.has('verbose');
  const lines = (verbose ? checks : failed).map(checkLine);
  const verdict = failed.length === 0 ? 'ok' : 'not ok';
  return {
    status: failed.length === 0 ? 200 : 503,
    contentType: 'text/plain; charset=utf-8',
    body: `${[...lines, verdict].join('\n')}\n`,
  };
}

function checkLine(check: HealthCheck): string {
  if (!check.ok) return `[-]${check.name} failed: ${check.reason}`;
  return check.note === undefined ? `[+]${check.name} ok` : `[+]${check.name} ok: ${check.note}`;
}
