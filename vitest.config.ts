import { availableParallelism } from 'node:os';

import { defineConfig } from 'vitest/config';

/** They take as much time as all others together: `npm test` is for each change, these for each that is to land. */
const WHOLE_NODES = 'test/sim/node/**/*.test.ts';

export default defineConfig({
  test: {
    // Vitest leaves one processor free, which is half of two.
    maxWorkers: availableParallelism(),
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts', 'ring/**/*.test.ts'],
          exclude: [WHOLE_NODES, 'test/e2e/**', 'node_modules/**', 'dist/**'],
          // A thread starts sooner than a process: a sixth of all the time, for 240 files.
          pool: 'threads',
          testTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'nodes',
          include: [WHOLE_NODES],
          testTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          exclude: ['node_modules/**', 'dist/**'],
          testTimeout: 180_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
