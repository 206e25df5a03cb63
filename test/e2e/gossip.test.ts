/** Three processes by `torc node list`: one stands still and goes on, one is killed, one stops. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

import type { MemberStatus } from '../../src/admin/status.ts';
import { TorcCluster } from './cluster/torc-cluster.ts';
import { THIS_BUILD, type TorcNode } from './cluster/torc-node.ts';

const run = promisify(execFile);
const STEP = { interval: 50 };
/** Connections of a dead process are closed by its system. */
const AT_ONCE_MS = 1500;
/** With `lan`: a probe in the worst of two rounds, and the least time of a suspicion. */
const DEAD_MS = 12_000;
const BACK_MS = 10_000;

async function nodeList(asked: TorcNode, ...options: string[]): Promise<string> {
  const address = `127.0.0.1:${asked.ports.admin}`;
  const words = [...THIS_BUILD, 'node', 'list', '--address', address, ...options];
  const { stdout } = await run(process.execPath, words);
  return stdout;
}

async function members(asked: TorcNode): Promise<MemberStatus[]> {
  return (JSON.parse(await nodeList(asked, '--json')) as { members: MemberStatus[] }).members;
}

async function stateOf(node: TorcNode, asked: TorcNode): Promise<string | undefined> {
  return (await members(asked)).find(({ name }) => name === node.name)?.state;
}

test('torc node list tells who is alive, suspected, dead and back', async () => {
  const cluster = await TorcCluster.forTest({ nodes: 3 });
  const [a, b, c] = cluster.nodes;
  const states = (asked: TorcNode): Promise<string[]> =>
    members(asked).then((all) => all.map(({ state }) => state));
  for (const node of cluster.nodes)
    await expect.poll(() => states(node), { ...STEP, timeout: BACK_MS }).toEqual(['alive', 'alive', 'alive']);

  const table = await nodeList(a);
  expect(table).toContain('3 nodes, as node-0 sees them');
  expect(table).toMatch(/^node +state +for +incarnation +client +peer +zone +host +weight +version +id$/m);
  expect(table).toMatch(
    new RegExp(`^node-1 +alive .* 127\\.0\\.0\\.1:${b.ports.client} .* host-1 +1 +0\\.1\\.0 `, 'm'),
  );

  c.pause();
  await expect.poll(() => stateOf(c, a), { ...STEP, timeout: DEAD_MS }).toBe('suspect');
  for (const node of [a, b])
    await expect.poll(() => stateOf(c, node), { ...STEP, timeout: DEAD_MS }).toBe('dead');
  c.resume();
  for (const node of cluster.nodes)
    await expect.poll(() => states(node), { ...STEP, timeout: BACK_MS }).toEqual(['alive', 'alive', 'alive']);

  await c.kill();
  for (const node of [a, b])
    await expect.poll(() => stateOf(c, node), { ...STEP, timeout: AT_ONCE_MS }).toBe('suspect');
  await expect.poll(() => stateOf(c, a), { ...STEP, timeout: DEAD_MS }).toBe('dead');
  c.start();
  await c.waitReady(BACK_MS);
  await expect.poll(() => stateOf(c, a), { ...STEP, timeout: BACK_MS }).toBe('alive');

  await b.stop();
  await expect.poll(() => stateOf(b, a), { ...STEP, timeout: AT_ONCE_MS }).toBe('left');
  expect(a.lines.join('\n')).toMatch(/node-suspected.*[\s\S]*node-dead.*[\s\S]*node-alive.*[\s\S]*node-left/);
});
