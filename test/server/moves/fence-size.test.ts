import { expect, it } from 'vitest';

import { FenceSize } from '../../../src/server/moves/fence-size.ts';

/** What is frozen at once after so many pauses, each as long as `pauseMs` says of the slots that it froze. */
function after(pauses: number, pauseMs: (slots: number) => number): number {
  const size = new FenceSize();
  for (let i = 0; i < pauses; i++) size.paused(pauseMs(size.slots));
  return size.slots;
}

it('freezes fewer slots at once where each makes the pause longer', () => {
  expect(after(50, (slots) => 1 + slots * 3)).toBeLessThanOrEqual(8);
  expect(after(50, (slots) => 1 + slots * 0.2)).toBe(32);
});

it('freezes many where disks and lines alone make the pause long', () => {
  expect(after(50, (slots) => 80 + slots * 0.2)).toBe(32);
});

it('does not go by a single long pause', () => {
  const size = new FenceSize();
  for (let i = 0; i < 20; i++) size.paused(80);
  size.paused(300);
  expect(size.slots).toBe(16);
  for (let i = 0; i < 50; i++) size.paused(80);
  expect(size.slots).toBe(32);
});

it('goes back to many once pauses are short again', () => {
  const size = new FenceSize();
  for (let i = 0; i < 10; i++) size.paused(5 + size.slots * 5);
  expect(size.slots).toBeLessThanOrEqual(8);
  for (let i = 0; i < 10; i++) size.paused(2);
  expect(size.slots).toBe(32);
});
