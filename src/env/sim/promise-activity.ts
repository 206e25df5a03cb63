import { promiseHooks } from 'node:v8';

/** How many promises were made or settled so far. While it stands still, nothing waits to be run by them. */
let count = 0;
let isWatched = false;

function countOne(): void {
  count += 1;
}

export function watchPromises(): void {
  if (isWatched) return;
  isWatched = true;
  promiseHooks.createHook({ init: countOne, settled: countOne });
}

export function promiseActivity(): number {
  return count;
}
