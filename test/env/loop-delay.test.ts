import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { measureLoopDelay } from '../../src/env/loop-delay.ts';

function block(durationMs: number): void {
  const until = performance.now() + durationMs;
  while (performance.now() < until);
}

it('sees a blocked loop, once', async () => {
  const delay = measureLoopDelay(10);
  await sleep(60);
  block(150);
  await sleep(60);
  const blocked = delay.read();
  expect(blocked.maxMs).toBeGreaterThan(100);
  expect(blocked.maxMs).toBeLessThan(1000);
  expect(blocked.p50Ms).toBeLessThan(100);
  await sleep(60);
  expect(delay.read().maxMs).toBeLessThan(blocked.maxMs);
  delay.stop();
});

it('reads zeros before the first sample', () => {
  const delay = measureLoopDelay(10);
  expect(delay.read()).toEqual({ meanMs: 0, p50Ms: 0, p99Ms: 0, maxMs: 0 });
  delay.stop();
});

it('tells the longest hold to who asks for it alone, once', async () => {
  const delay = measureLoopDelay(10);
  expect(delay.takeWorstMs()).toBe(0);
  await sleep(250);
  block(400);
  await sleep(250);
  delay.read();
  const worstMs = delay.takeWorstMs();
  expect(worstMs).toBeGreaterThan(250);
  expect(worstMs).toBeLessThan(2000);
  await sleep(250);
  expect(delay.takeWorstMs()).toBeLessThan(worstMs);
  delay.stop();
});
