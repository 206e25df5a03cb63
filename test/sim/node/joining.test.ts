/** Nodes that come and leave while clients write: replicas follow by themselves, and no client is told an error. */
import { describe, expect, it } from 'vitest';

import type { NodeParts } from '../../../src/observe/parts.ts';
import { stayingNodes } from '../../../src/topology/replica-planner.ts';
import type { Topology } from '../../../src/topology/types.ts';
import { HOST, portOf, SimCluster } from './cluster.ts';
import { Counter, load } from './counters.ts';
import { wrongReplicas } from './replicas.ts';
import { changeTopology, isSettled, leaderOf, newestTopology } from './topology.ts';

const KEYS = 8;

async function untilPlaced(
  cluster: SimCluster,
  counters: readonly Counter[],
  isDone: (topology: Topology) => boolean,
): Promise<Topology> {
  for (let waited = 0; waited < 600; waited++) {
    await load(cluster, counters, KEYS, 100);
    const topology = await newestTopology(cluster);
    if (isDone(topology) && (await isSettled(cluster))) return topology;
  }
  throw new Error(`it does not become so: ${JSON.stringify(await newestTopology(cluster))}`);
}

/** The node has the third of its replicas: the register says so, whatever the groups have made of it. */
async function untilHeld(cluster: SimCluster, counters: readonly Counter[], i: number): Promise<Topology> {
  for (let waited = 0; waited < 3000; waited++) {
    await load(cluster, counters, KEYS, 20);
    const topology = await newestTopology(cluster);
    if (held(topology, i) === 3 && (await leaderVotes(cluster, topology, i))) return topology;
  }
  throw new Error('it is never given three replicas');
}

/** Each leader has the node for a voter. */
async function leaderVotes(cluster: SimCluster, { shards, nodes }: Topology, i: number): Promise<boolean> {
  const node = nodes.find(({ clientPort }) => clientPort === portOf(i))?.id;
  for (const { id, replicas } of shards) {
    const row = replicas.find((replica) => replica.node === node);
    if (row !== undefined && (await leaderOf(cluster, id))?.status.voters.includes(row.member) !== true)
      return false;
  }
  return true;
}

const sizes = ({ shards }: Topology): number[] => shards.map((shard) => stayingNodes(shard).length);

function held({ shards, nodes }: Topology, i: number): number {
  const node = nodes.find(({ clientPort }) => clientPort === portOf(i))?.id ?? '';
  return shards.filter((shard) => stayingNodes(shard).includes(node)).length;
}

describe('a node that joins', () => {
  it.each([1, 2])('is given its share of replicas, and leaves again (seed %i)', async (seed) => {
    const cluster = new SimCluster(seed, 4);
    cluster.founders = 3;
    await cluster.startAll();
    const counters = [0, 1, 2].map((i) => new Counter(cluster, i));
    await load(cluster, counters, KEYS, 500);
    await cluster.start(3);
    const joined = await untilPlaced(
      cluster,
      counters,
      (now) => now.nodes.length === 4 && held(now, 3) === 3,
    );
    expect(sizes(joined)).toEqual([3, 3, 3, 3]);
    expect(joined.shards.at(-1)?.home).toBe(joined.nodes.at(-1)?.id);
    await cluster.until(() => cluster.nodes[3].running?.ready === true);
    counters.push(new Counter(cluster, 3));
    await load(cluster, counters, KEYS, 500);

    const node = joined.nodes.at(-1)?.id ?? '';
    while ((await changeTopology(cluster, { kind: 'begin-leave', node })) === null) await cluster.pass(100);
    // Its home shard, which never had a slot, is closed; the node itself stays until its process has ended.
    const left = await untilPlaced(cluster, counters, (now) => held(now, 3) === 0 && now.shards.length === 3);
    expect(sizes(left)).toEqual([3, 3, 3]);
    expect(left.nodes).toHaveLength(4);
    await load(cluster, counters, KEYS, 1000);
    const ownClient = counters.pop();
    await cluster.pass(3000);
    expect(ownClient?.wrong(KEYS)).toBeNull();
    await cluster.stop(3);
    const gone = await untilPlaced(cluster, counters, ({ nodes }) => nodes.length === 3);
    expect([gone.nextOrdinal, gone.nextGroup]).toEqual([5, 5]);
    await cluster.pass(3000);
    expect(counters.map((counter) => counter.wrong(KEYS))).toEqual([null, null, null]);
    cluster.nodes.pop();
    expect(await wrongReplicas(cluster, false)).toBeNull();
    cluster.dispose();
  });

  it('is taken out when it dies', async () => {
    const cluster = new SimCluster(7, 5);
    cluster.founders = 3;
    const serving: NodeParts[] = [];
    cluster.onlooker.onServing = (i, parts) => (serving[i] = parts);
    await cluster.startAll();
    const counters = [0, 1, 2].map((i) => new Counter(cluster, i));
    for (const i of [3, 4]) {
      await cluster.start(i);
      await untilPlaced(cluster, counters, (now) => now.nodes.length === i + 1 && held(now, i) === 3);
    }
    for (const i of [3, 4]) {
      cluster.crash(i, 'lost');
      await load(cluster, counters, KEYS, 4000);
      const { nodes } = await newestTopology(cluster);
      const node = nodes.find(({ clientPort }) => clientPort === portOf(i))?.id ?? '';
      while ((await changeTopology(cluster, { kind: 'begin-leave', node })) === null) await cluster.pass(100);
      const left = await untilPlaced(cluster, counters, (now) => now.nodes.every(({ id }) => id !== node));
      expect(
        left.shards.every(
          ({ home, replicas }) => home !== node && replicas.every((row) => row.node !== node),
        ),
      ).toBe(true);
    }
    await cluster.pass(3000);
    expect(counters.map((counter) => counter.wrong(KEYS))).toEqual([null, null, null]);
    const { departed, nodes } = await newestTopology(cluster);
    expect(departed).toHaveLength(2);
    for (const { machine } of serving.slice(0, 3).flatMap(({ replicas }) => replicas)) {
      expect(departed?.filter((node) => !machine.sessions.hasDeparted(node))).toEqual([]);
      expect(nodes.some(({ id }) => machine.sessions.hasDeparted(id))).toBe(false);
    }
    cluster.dispose();
  });

  it.each([0, 40, 80, 120, 160])(
    'may die before it has synced that another member leaves by it (%i ms later)',
    async (later) => {
      const cluster = new SimCluster(8, 4);
      cluster.founders = 3;
      await cluster.startAll();
      const counters = [0, 1].map((i) => new Counter(cluster, i));
      await cluster.start(3);
      // Its last replica takes the place of another's, which is still in the row.
      const node = (await untilHeld(cluster, counters, 3)).nodes.at(-1)?.id ?? '';
      await cluster.pass(later);
      cluster.crash(3);
      while ((await changeTopology(cluster, { kind: 'begin-leave', node })) === null) await cluster.pass(100);
      await untilPlaced(cluster, counters, ({ shards }) =>
        shards.every(({ replicas }) => replicas.every((row) => row.node !== node)),
      );
      await cluster.pass(3000);
      expect(counters.map((counter) => counter.wrong(KEYS))).toEqual([null, null]);
      cluster.dispose();
    },
  );

  it('is replaced when it is silent for long, one node at a time, and gets its share again when it is back', async () => {
    const cluster = new SimCluster(9, 5, { 'replace-after': '10' });
    await cluster.startAll();
    const counters = [0, 1].map((i) => new Counter(cluster, i));
    // So long nothing happens.
    cluster.crash(4, 'lost');
    await load(cluster, counters, KEYS, 7000);
    expect(held(await newestTopology(cluster), 4)).toBe(3);
    const replaced = await untilPlaced(cluster, counters, (now) => held(now, 4) === 0);
    expect(sizes(replaced)).toEqual([3, 3, 3, 3, 3]);
    expect(cluster.events.get('node-lost')).toBeGreaterThan(0);
    // It is told so, and enters empty: what it had it keeps until it has caught up.
    await cluster.start(4);
    const { disk } = cluster.nodes[4];
    await expect(cluster.until(() => false)).rejects.toMatchObject({ code: 'TORC_REPLACED' });
    await cluster.start(4);
    expect(cluster.events.get('replaced-set-aside')).toBe(1);
    const aside = (): string[] =>
      disk.paths().filter((path) => path.startsWith('/data/set-aside/1/log/log/'));
    expect(aside().length).toBeGreaterThan(0);
    const back = await untilPlaced(cluster, counters, (now) => held(now, 4) === 3);
    expect(sizes(back)).toEqual([3, 3, 3, 3, 3]);
    expect(back.nodes).toHaveLength(5);
    await cluster.pass(3000);
    expect(cluster.events.get('set-aside-removed')).toBe(1);
    expect(aside()).toEqual([]);
    const ownCounter = new Counter(cluster, 4);
    await load(cluster, [ownCounter], KEYS, 500);
    expect(ownCounter.wrong(KEYS)).toBeNull();
    expect(counters.map((counter) => counter.wrong(KEYS))).toEqual([null, null]);
    // Two of five are more than a third: nobody is replaced.
    cluster.crash(3, 'lost');
    cluster.crash(4, 'lost');
    await cluster.pass(15_000);
    const both = await newestTopology(cluster);
    expect([3, 4].map((i) => held(both, i))).toEqual([3, 3]);
    cluster.dispose();
  });

  it('makes one replica two, and two three voters', async () => {
    const cluster = new SimCluster(3, 3);
    cluster.founders = 1;
    await cluster.startAll();
    const counters = [new Counter(cluster, 0)];
    await load(cluster, counters, KEYS, 300);
    await cluster.start(1);
    const two = await untilPlaced(cluster, counters, (now) => sizes(now).join() === '2,2');
    expect(two.nodes).toHaveLength(2);
    await cluster.start(2);
    const three = await untilPlaced(cluster, counters, (now) => sizes(now).join() === '3,3,3');
    expect(three.nodes.map(({ ordinal }) => ordinal)).toEqual([1, 2, 3]);
    await cluster.until(() => cluster.nodes.every((node) => node.running?.ready === true));
    await cluster.pass(500);
    // Now one may die: the others have what ends the change, too.
    cluster.crash(0, 'lost');
    const survivor = new Counter(cluster, 2);
    await load(cluster, [survivor], KEYS, 3000);
    await cluster.pass(3000);
    expect(survivor.wrong(KEYS)).toBeNull();
    cluster.dispose();
  });

  it('starts again with seeds that came later than it, or are called by other names', async () => {
    const cluster = new SimCluster(8, 2);
    cluster.founders = 1;
    await cluster.startAll();
    await cluster.start(1);
    await cluster.until(() => cluster.nodes.every((node) => node.running?.ready === true));
    const again = async (i: number, seeds: string): Promise<void> => {
      cluster.crash(i);
      cluster.ownFlags[i] = { seeds };
      await cluster.start(i);
      await cluster.until(() => cluster.nodes.every((node) => node.running?.ready === true));
    };
    await again(0, [0, 1].map((i) => `${HOST}:${portOf(i) + 10_000}`).join(','));
    await again(1, `torc.example:${portOf(0) + 10_000}`);
    cluster.dispose();
  });

  it.each([1, 3])(
    'finds its cluster by its seeds when all are at other places at once (seed %i)',
    async (seed) => {
      const cluster = new SimCluster(seed, 5);
      cluster.founders = 3;
      await cluster.startAll();
      for (const i of [3, 4]) await cluster.start(i);
      await cluster.until(() => cluster.nodes.every((node) => node.running?.ready === true));
      const before = await newestTopology(cluster);
      for (const i of cluster.nodes.keys()) cluster.crash(i);
      const moved = (i: number): number => portOf(i) + 100;
      const seeds = [0, 1, 2].map((i) => `${HOST}:${moved(i) + 10_000}`).join(',');
      for (const i of cluster.nodes.keys()) cluster.ownFlags[i] = { 'client-port': String(moved(i)), seeds };
      const newest = new Map<number, Topology>();
      cluster.onlooker = { onTopology: (i, topology) => newest.set(i, topology) };
      for (const i of cluster.nodes.keys()) await cluster.start(i);
      const isThere = ({ nodes }: Topology): boolean =>
        nodes.every(({ clientPort }, at) => clientPort === before.nodes[at].clientPort + 100);
      await cluster.until(() => cluster.nodes.every((node) => node.running?.ready === true), 60_000);
      await cluster.until(() => newest.size === 5 && [...newest.values()].every(isThere), 60_000);
      cluster.dispose();
    },
  );

  it('waits for those that it is to find, and founds nothing beside them', async () => {
    const cluster = new SimCluster(4, 4);
    cluster.founders = 3;
    // It thinks itself one of the founders.
    const all = cluster.nodes.map((_, i) => `${HOST}:${portOf(i) + 10_000}`).join(',');
    cluster.ownFlags[3] = { seeds: all };
    await cluster.start(3);
    await cluster.pass(5000);
    expect(cluster.nodes[3].running?.ready).toBe(false);
    await cluster.startAll();
    await cluster.until(() => cluster.nodes[3].running?.ready === true);
    const { nodes } = await newestTopology(cluster);
    expect(nodes.map(({ ordinal }) => ordinal)).toEqual([1, 2, 3, 4]);
    cluster.dispose();
  });

  it('may be killed at any moment, and is one node of the cluster in the end', async () => {
    const cluster = new SimCluster(5, 4);
    cluster.founders = 3;
    await cluster.startAll();
    for (let i = 0; i < 12; i++) {
      void cluster.launch(3).catch(() => {});
      await cluster.pass(20 + i * 60);
      cluster.crash(3, (['kill', 'lost', 'torn'] as const)[i % 3]);
      await cluster.pass(200);
    }
    await cluster.start(3);
    await cluster.until(() => cluster.nodes[3].running?.ready === true);
    expect((await newestTopology(cluster)).nodes).toHaveLength(4);
    cluster.dispose();
  });

  it('with an empty disk at the place of another takes it only when that is said, and that one is dead', async () => {
    const cluster = new SimCluster(6, 5);
    cluster.founders = 4;
    await cluster.startAll();
    const before = await newestTopology(cluster);
    const old = before.nodes.find(({ clientPort }) => clientPort === portOf(3))?.id ?? '';
    cluster.ownFlags[4] = { replace: old };
    await cluster.start(4);
    await expect(cluster.until(() => cluster.nodes[4].running?.ready === true)).rejects.toThrow(
      'answers: stop it',
    );
    cluster.crash(4);
    cluster.crash(3, 'lost');
    // It waits until the other has been silent for some seconds.
    await cluster.start(4);
    await cluster.until(() => cluster.nodes[4].running?.ready === true, 60_000);
    const after = await newestTopology(cluster);
    expect(after.nodes.map(({ ordinal }) => ordinal)).toEqual([1, 2, 3, 5]);
    await cluster.start(3).catch(() => {});
    await cluster.pass(3000);
    expect(cluster.nodes[3].fatal).toMatchObject({ code: 'TORC_REMOVED' });
    cluster.dispose();
  });
});
