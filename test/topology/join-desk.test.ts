/** Whose place a node may take, and how that one is called. */
import { describe, expect, it } from 'vitest';

import { loadTokenHash } from '../../ring/index.ts';
import type { TopologyChange } from '../../src/topology/change.ts';
import { decodeJoinAnswer, encodeJoinAnswer, type JoinAnswer } from '../../src/topology/join-codec.ts';
import { JoinDesk } from '../../src/topology/join-desk.ts';
import { localPeer } from '../transport/support.ts';
import { after, announcedAs, manyNodes, nodeId } from './many-nodes.ts';

const NAMES = new Map([
  [nodeId(2), 'second'],
  [nodeId(3), 'twin'],
  [nodeId(4), 'twin'],
]);

/** Of four nodes, of which node 1 is asked, and the others are dead. */
async function asked(replaces: string): Promise<{ answer: JoinAnswer; replaced: string | null }> {
  const topology = after(
    manyNodes(4),
    ...[2, 3, 4].map((shard): TopologyChange => ({
      kind: 'place-shard',
      shard,
      nodes: [nodeId(shard), nodeId(1)],
    })),
  );
  const proposed: TopologyChange[] = [];
  const desk = new JoinDesk({
    replicationFactor: 3,
    hash: await loadTokenHash(),
    topology: () => topology,
    nowMs: () => 0,
    isKept: () => true,
    propose: (_, change) => proposed.push(change),
    nameOf: (node) => NAMES.get(node) ?? null,
    isConnected: (node) => node === nodeId(1),
    isFailed: (node) => node !== nodeId(1),
    isLed: () => true,
  });
  const newcomer = { ...localPeer(9), clusterId: null, announced: announcedAs(9), version: 1 };
  const answer = desk.answer(newcomer, { replaces });
  const [change] = proposed;
  return { answer, replaced: change?.kind === 'replace-node' ? change.node : null };
}

describe('a node that takes the place of a dead one', () => {
  it.each(['second', '2', 'h:102', nodeId(2)])('may call it %s', async (name) => {
    const { answer, replaced } = await asked(name);
    expect(replaced).toBe(nodeId(2));
    expect(answer.kind).toBe('wait');
  });

  it('is told when there is none of that name, or more than one', async () => {
    const none = await asked('third');
    expect(none.answer.kind).toBe('refused');
    // The ids of 2 to 4 begin alike.
    expect((await asked(nodeId(2).slice(0, 39))).answer.kind).toBe('refused');
    expect(none.answer).toHaveProperty('reason', expect.stringContaining('the cluster has no node third'));
    const { answer } = await asked('twin');
    expect(answer).toHaveProperty('reason', expect.stringMatching(/^twin is more than one node: h:1 \(0+/));
  });

  it('is refused the place of one that answers, however that is called', async () => {
    const { answer } = await asked('1');
    expect(answer).toHaveProperty('reason', expect.stringContaining('answers: stop it before'));
  });
});

describe('a refusal', () => {
  it('that names very many nodes is cut, and can be read', () => {
    const reason = `one of ${'node-of-a-long-name, '.repeat(500)}`;
    const read = decodeJoinAnswer(encodeJoinAnswer({ kind: 'refused', reason }));
    expect(read?.kind === 'refused' && read.reason).toBe(`${reason.slice(0, 1_999)}…`);
    const short: JoinAnswer = { kind: 'wait', reason: 'x'.repeat(2_000) };
    expect(decodeJoinAnswer(encodeJoinAnswer(short))).toEqual(short);
  });
});
