/** When a route takes requests: SENTINEL and readiness go by it. */
import { beforeEach, describe, expect, it } from 'vitest';

import { Request, type RequestOwner } from '../../src/server/request.ts';
import { Route, type Target } from '../../src/server/route.ts';
import { Refusal } from '../../src/shard/waiter.ts';

const LIMITS = { parkTimeoutMs: 2000, outcomeTimeoutMs: 5000, parkLimitBytes: 1000 };

let nowMs: number;
let route: Route;
let sent: Request[];
let target: Target;

beforeEach(() => {
  nowMs = 0;
  sent = [];
  target = { isFull: false, send: (request) => sent.push(request), abandon: () => undefined };
  route = new Route(
    1,
    {
      nowMs: () => nowMs,
      sequenceAnswered: () => undefined,
      stalled: () => undefined,
      displaced: () => {},
      part: () => {},
      countMoveTimeout: () => {},
      countIndeterminate: () => undefined,
    },
    LIMITS,
    { bytes: 0 },
  );
});

function ask(isWrite: boolean): { request: Request; reply: () => string } {
  const request = new Request();
  let reply = '';
  const owner: RequestOwner = {
    finished: ({ replyBytes, replyStart, replyEnd }) => {
      reply = replyBytes.toString('latin1', replyStart, replyEnd);
    },
    hold: () => undefined,
    release: () => undefined,
    rerouted: () => {},
    countPart: () => {},
    partFinished: () => {},
  };
  request.owner = owner;
  request.isWrite = isWrite;
  request.bytes = Buffer.alloc(10);
  request.end = 10;
  route.dispatch(request);
  return { request, reply: () => reply };
}

describe('a route', () => {
  it('takes no requests before it has found a leader', () => {
    expect(route.takesRequests).toBe(false);
    route.retarget(target);
    expect(route.takesRequests).toBe(true);
  });

  it('takes requests while the shard elects, and none when that takes too long', () => {
    route.retarget(target);
    nowMs = 10_000;
    route.retarget(null);
    expect(route.takesRequests).toBe(true);
    nowMs += LIMITS.parkTimeoutMs - 1;
    expect(route.takesRequests).toBe(true);
    nowMs += 1;
    expect(route.takesRequests).toBe(false);
    route.retarget(target);
    expect(route.takesRequests).toBe(true);
  });

  it('fails what was parked as not run, and what comes later at once', () => {
    route.retarget(target);
    nowMs = 10_000;
    route.retarget(null);
    const parked = ask(true);
    nowMs += LIMITS.parkTimeoutMs;
    route.expire();
    expect(parked.reply()).toMatch(/^-CLUSTERDOWN .* was not run/);
    expect(ask(true).reply()).toMatch(/^-CLUSTERDOWN /);
    expect(ask(false).reply()).toMatch(/^-CLUSTERDOWN /);
    expect(sent).toEqual([]);
  });

  it('sends a lost write again, first, and calls it unknown when nobody answers', () => {
    route.retarget(target);
    const write = ask(true);
    const read = ask(false);
    expect(sent).toEqual([write.request, read.request]);
    write.request.refuse(Refusal.LOST);
    const other: Request[] = [];
    route.retarget({ isFull: false, send: (request) => other.push(request), abandon: () => undefined });
    expect(other).toEqual([write.request, read.request]);
    nowMs += LIMITS.outcomeTimeoutMs;
    route.expire();
    expect(write.reply()).toMatch(/^-INDETERMINATE /);
    expect(read.reply()).toMatch(/^-CLUSTERDOWN .*nothing was changed/);
  });
});
