/** Members that come and go while clients write: no client of a living node is told an error, and replicas end up equal. */
import { describe, expect, it } from 'vitest';

import { SimCluster, type SimClient } from './cluster.ts';
import { changeTopology, leaderOf, newestTopology, untilSettled } from './topology.ts';
import { wrongReplicas } from './replicas.ts';

const NODES = 4;

/** A client that counts up, and the replies that it got in vain. */
class Counter {
  sent = 0;
  readonly client: SimClient;
  readonly key: string;

  constructor(cluster: SimCluster, node: number) {
    this.client = cluster.client(node);
    this.key = `n${node}`;
  }

  send(keys: number): void {
    for (let i = 0; i < keys; i++) this.client.send(['incr', `${this.key}-${i}`]);
    this.sent += keys;
  }

  /** Null: every command was answered, each key with one more than before. */
  wrong(keys: number): string | null {
    const { replies } = this.client;
    if (replies.length !== this.sent) return `${replies.length} replies to ${this.sent} commands`;
    const wrong = replies.findIndex((reply, at) => reply !== `:${Math.floor(at / keys) + 1}\r\n`);
    return wrong < 0 ? null : `reply ${wrong} is ${replies[wrong]}`;
  }
}

async function load(cluster: SimCluster, counters: readonly Counter[], ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 20) {
    for (const counter of counters) counter.send(12);
    await cluster.pass(20);
  }
}

describe('members', () => {
  it.each([1, 2])('are replaced, the leader too, while clients write (seed %i)', async (seed) => {
    const cluster = new SimCluster(seed, NODES);
    await cluster.startAll();
    const counters = [0, 1, 2, 3].map((i) => new Counter(cluster, i));
    const before = await newestTopology(cluster);
    // Each shard leaves its home, and goes to the node that had none of it.
    for (const { id, home, replicas } of before.shards) {
      const nodes = before.nodes.filter((node) => node.id !== home).map((node) => node.id);
      expect(replicas).toHaveLength(3);
      let isDecided = false;
      while (!isDecided) {
        isDecided = (await changeTopology(cluster, { kind: 'place-shard', shard: id, nodes })) !== null;
        await load(cluster, counters, 100);
      }
    }
    await load(cluster, counters, 3000);
    await untilSettled(cluster);
    for (const { id, home } of before.shards) {
      const leader = await leaderOf(cluster, id);
      expect(leader?.status.leader).not.toBe(home);
    }
    await cluster.pass(3000);
    expect(counters.map((counter) => counter.wrong(12))).toEqual([null, null, null, null]);
    expect(cluster.events.get('replica-removed')).toBe(NODES);
    expect(await wrongReplicas(cluster, false)).toBeNull();
  });
});
