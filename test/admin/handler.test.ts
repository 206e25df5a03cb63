import { describe, expect, it } from 'vitest';
import { createAdminHandler } from '../../src/admin/handler.ts';
import type { HealthCheck } from '../../src/admin/health.ts';
import type { HttpResponse } from '../../src/env/contracts.ts';
import { sampleSource, sampleStatus } from './sample-source.ts';

const BUILD = { version: '0.1.0', nodeVersion: 'v20.20.2', newestVersion: 1 };

async function ask(path: string, checks: readonly HealthCheck[] = [], method = 'GET'): Promise<HttpResponse> {
  const url = new URL(path, 'http://node');
  const handle = createAdminHandler(sampleSource(checks), BUILD);
  return handle({ method, path: url.pathname, query: url.searchParams, body: '' });
}

const LEADER = { name: 'shard-1-has-leader', ok: true, reason: '' };
const FOUNDED = { name: 'founded', ok: false, reason: 'waiting for 10.0.0.3:16379' };

describe('health', () => {
  it('is ready when every check holds', async () => {
    expect(await ask('/readyz', [LEADER])).toMatchObject({ status: 200, body: 'ok\n' });
  });

  it('tells which check does not hold, and why', async () => {
    expect(await ask('/readyz', [LEADER, FOUNDED])).toMatchObject({
      status: 503,
      body: '[-]founded failed: waiting for 10.0.0.3:16379\nnot ok\n',
    });
  });

  it('lists all checks when verbose', async () => {
    expect(await ask('/readyz?verbose', [LEADER, FOUNDED])).toMatchObject({
      status: 503,
      body: '[+]shard-1-has-leader ok\n[-]founded failed: waiting for 10.0.0.3:16379\nnot ok\n',
    });
    const away = { name: 'peers', ok: true, reason: '', note: '1 is not reached' };
    expect(await ask('/readyz?verbose', [away])).toMatchObject({
      status: 200,
      body: '[+]peers ok: 1 is not reached\nok\n',
    });
  });

  it('is alive whether ready or not', async () => {
    expect(await ask('/livez', [FOUNDED])).toMatchObject({ status: 200, body: 'ok\n' });
    expect(await ask('/livez?verbose', [FOUNDED])).toMatchObject({
      status: 200,
      body: '[+]event-loop ok\nok\n',
    });
  });
});

describe('the other pages', () => {
  it('gives the status as JSON', async () => {
    const response = await ask('/api/status');
    expect(response).toMatchObject({ status: 200, contentType: 'application/json; charset=utf-8' });
    expect(JSON.parse(response.body as string)).toEqual(sampleStatus());
  });

  it('gives the digest of a replica, or says why not', async () => {
    const response = await ask('/api/digest?shard=1');
    expect(JSON.parse(response.body as string)).toEqual({ shard: 1, index: 20, digest: 'd'.repeat(16) });
    expect(await ask('/api/digest?shard=2')).toMatchObject({ status: 503 });
    expect(await ask('/api/digest?shard=3')).toMatchObject({
      status: 404,
      body: 'There is no replica of shard 3 here.\n',
    });
    expect(await ask('/api/digest')).toMatchObject({ status: 400 });
    expect(await ask('/api/digest?shard=-1')).toMatchObject({ status: 400 });
  });

  it('takes marks, puts them into the log and tells of them, or says why not', async () => {
    const of = async (path: string, method: string): Promise<unknown> => {
      const { status, body } = await ask(path, [], method);
      return status === 200 ? JSON.parse(body as string) : status;
    };
    const expected = { shard: 1, mark: 7, state: 'expected', appliedIndex: 20 };
    expect(await of('/api/verify?shard=1&mark=7', 'POST')).toEqual(expected);
    expect(await of('/api/verify?shard=2&mark=7', 'POST')).toBe(503);
    expect(await of('/api/verify?shard=3&mark=7', 'POST')).toBe(404);
    expect(await of('/api/verify?shard=1&mark=7', 'GET')).toMatchObject({ state: 'done', index: 21 });
    expect(await of('/api/verify?shard=1&mark=8', 'GET')).toBe(404);
    expect(await of('/api/verify/mark?shard=1&mark=7', 'POST')).toEqual({ index: 21 });
    expect(await of('/api/verify/mark?shard=2&mark=7', 'POST')).toBe(409);
    expect(await of('/api/verify/mark?shard=3&mark=7', 'POST')).toBe(404);
    expect(await of('/api/verify/mark?shard=1&mark=7', 'GET')).toBe(405);
    for (const query of ['', '?shard=1', '?mark=1', '?shard=1&mark=4294967296', '?shard=-1&mark=1'])
      expect(await of(`/api/verify${query}`, 'POST')).toBe(400);
  });

  it("gives the metrics in Prometheus's format", async () => {
    const response = await ask('/metrics');
    expect(response).toMatchObject({ status: 200, contentType: 'text/plain; version=0.0.4; charset=utf-8' });
    expect(response.body).toContain('torc_ready 1');
  });

  it('takes nothing that a web page posts, and lets it read', async () => {
    const handle = createAdminHandler(sampleSource([]), BUILD);
    const page = { query: new URLSearchParams('shard=1&mark=7'), body: '', origin: 'http://127.0.0.1:8379' };
    for (const path of ['/api/topology', '/api/verify', '/api/verify/mark'])
      expect(await handle({ ...page, method: 'POST', path })).toMatchObject({ status: 403 });
    expect(await handle({ ...page, method: 'GET', path: '/livez' })).toMatchObject({ status: 200 });
  });

  it('tells of no plans before the founding, and of none by what it does not know', async () => {
    expect(await ask('/api/rebalance')).toMatchObject({ status: 503 });
    expect(await ask('/api/rebalance/plan')).toMatchObject({ status: 503 });
    expect(await ask('/api/rebalance/plan?by=luck')).toMatchObject({ status: 400 });
    expect(await ask('/api/rebalance', [], 'POST')).toMatchObject({ status: 405 });
  });

  it('answers 404 and 405 in words', async () => {
    expect(await ask('/nothing')).toMatchObject({
      status: 404,
      body: 'There is no /nothing here. There are /metrics, /livez, /readyz, /api/status, /api/digest, /api/verify, /api/verify/mark, /api/topology, /api/topology/history, /api/topology/recover, /api/rebalance, /api/rebalance/plan.\n',
    });
    expect(await ask('/metrics', [], 'POST')).toMatchObject({ status: 405 });
    expect(await ask('/readyz', [], 'HEAD')).toMatchObject({ status: 200 });
  });
});
