/** Three minutes of `npm run chaos`, on each of the networks that this machine allows. TORC_CHAOS_SEED chooses other faults. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { expect, onTestFinished, test } from 'vitest';

const HARNESS = fileURLToPath(new URL('../chaos/main.ts', import.meta.url));
const SEED = process.env['TORC_CHAOS_SEED'] ?? '1';
const MINUTES = '3';
const LIMIT_MS = 600_000;

test(
  'three minutes of faults',
  async () => {
    const directory = await mkdtemp(join(tmpdir(), 'torc-chaos-'));
    const words = ['--minutes', MINUTES, '--nodes', '3', '--seed', SEED, '--out', directory];
    const harness = spawn(process.execPath, ['--import', 'tsx', HARNESS, ...words], {
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    // It takes down what it has set up.
    onTestFinished(() => void harness.kill());
    const [code] = (await once(harness, 'exit')) as [number | null];
    expect(code, `its histories, logs and data are in ${directory}`).toBe(0);
    await rm(directory, { recursive: true });
  },
  LIMIT_MS,
);
