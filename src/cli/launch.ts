/** What runs a node in this process. Loaded when it is wanted: other commands start faster without. */
import { createHash, timingSafeEqual } from 'node:crypto';

import type { NodeSurroundings } from '../node-surroundings.ts';
import type { LaunchNode } from './running-node.ts';

export async function loadLauncher(build: Pick<NodeSurroundings, 'rules'> = {}): Promise<LaunchNode> {
  const { startNode } = await import('../node.ts');
  const { systemEnv } = await import('../env/system.ts');
  const { measureLoopDelay } = await import('../env/loop-delay.ts');
  const { paceCollector } = await import('../env/collector.ts');
  paceCollector();
  return (settings, log, onClaimed) =>
    startNode(systemEnv(), settings, log, {
      ...build,
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
