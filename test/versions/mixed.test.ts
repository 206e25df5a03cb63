/** Which builds speak with each other (design section 6): those of adjacent versions, until the older one is left behind. */
import { expect, it } from 'vitest';

import type { RulesTable } from '../../src/commands/rules.ts';
import { RULES } from '../../src/commands/table.ts';
import { ClusterVersion } from '../../src/topology/cluster-version.ts';
import type { LocalPeer } from '../../src/transport/handshake.ts';
import { localPeer, nodeId, openMeshes, until, type TestNode } from '../transport/support.ts';
import { AFTER_NEXT, NEXT } from './next-rules.ts';

/** A node of the build, where the register says this version. */
function peerOf(number: number, build: RulesTable, decided: number): LocalPeer {
  const version = new ClusterVersion(build, () => decided);
  version.follow();
  return localPeer(number, version.spoken);
}

async function closed(nodes: readonly TestNode[]): Promise<void> {
  for (const { mesh } of nodes) await mesh.close();
}

it('builds of adjacent versions speak with each other, and say what they run', async () => {
  const nodes = await openMeshes([peerOf(1, RULES, 1), peerOf(2, NEXT, 1)]);
  const [old, next] = [nodes[0].link(2), nodes[1].link(1)];
  await until(() => old.connected && next.connected);
  expect([old.peerVersion, next.peerVersion]).toEqual([NEXT.newest, RULES.newest]);
  await closed(nodes);
});

it.each([
  ['two versions apart', peerOf(2, AFTER_NEXT, 1), 'version 2 to 3'],
  ['left behind by the cluster', peerOf(2, NEXT, 2), 'version 2'],
])('builds %s refuse each other, and name both versions', async (_, other, spoken) => {
  const nodes = await openMeshes([peerOf(1, RULES, 1), other]);
  const said = (): string[] =>
    nodes.flatMap(({ reports }) => reports).filter((line) => line.includes('peer-refused'));
  await until(() => said().length >= 2);
  for (const line of said()) {
    expect(line).toContain('no version in common');
    expect(line).toContain(`node ${nodeId(2)} speaks ${spoken}`);
    expect(line).toContain(`node ${nodeId(1)} version 1`);
  }
  expect(nodes[0].link(2).connected || nodes[1].link(1).connected).toBe(false);
  await closed(nodes);
});
