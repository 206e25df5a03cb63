#!/usr/bin/env node
/** The entry of the `torc` command. */
import { timingSafeEqual, createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';

import { createProgram } from './program.ts';
import type { LaunchNode } from './running-node.ts';

async function loadLauncher(): Promise<LaunchNode> {
  const { startNode } = await import('../node.ts');
  const { systemEnv } = await import('../env/system.ts');
  const { measureLoopDelay } = await import('../env/loop-delay.ts');
  const { paceCollector } = await import('../env/collector.ts');
  paceCollector();
  return (settings, log, onClaimed) =>
    startNode(systemEnv(), settings, log, {
      loopDelay: measureLoopDelay(settings.loopDelayIntervalMs),
      nodeVersion: process.versions.node,
      sameSecret,
      onClaimed,
    });
}

/** In constant time, whatever the lengths. */
function sameSecret(a: string, b: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}

const program = createProgram({
  loadLauncher,
  self: [process.execPath, ...process.execArgv, fileURLToPath(import.meta.url)],
});
await program.parseAsync();
