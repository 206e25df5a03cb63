/** Two operators at once, at the admin ports of two nodes: it ends in one state, and each is told the truth. */
import { expect, it } from 'vitest';

import type { StatusReport } from '../../../src/admin/status.ts';
import { requestTo } from '../../../src/cli/topology-request.ts';
import { SeededRandom } from '../../../src/env/sim/random.ts';
import { SlotState } from '../../../src/shard/moves/slot-state.ts';
import type { Replica } from '../../../src/shard/replica.ts';
import { proofOf } from '../../../src/topology/change-proof.ts';
import type { TopologyChange } from '../../../src/topology/change.ts';
import { encodeChange } from '../../../src/topology/topology-codec.ts';
import type { Topology } from '../../../src/topology/types.ts';
import { HOST, SimCluster } from './cluster.ts';
import { keyOf, Scene, slotOfKey, SOURCE, TARGET } from './scene.ts';
import { changeTopology, leaderOf, newestTopology } from './topology.ts';

interface Answer {
  status: number;
  body: string;
}

let requests = 0;

/** All at the same moment, of the same topology, each at a node of its own, from the first on. */
async function atOnce(cluster: SimCluster, ...changes: TopologyChange[]): Promise<Answer[]> {
  const { clusterId, generation, epoch } = await newestTopology(cluster);
  const asked: (() => Promise<Answer>)[] = [];
  for (const [at, change] of changes.entries()) {
    const report = (await cluster.admin(at, '/api/status')) as StatusReport;
    const request = requestTo(report, new SeededRandom((requests += 1)));
    const body = encodeChange({ clusterId, on: { generation, epoch }, change, request }).toString();
    asked.push(async () => {
      const answer = await cluster.network.request(
        { host: HOST, port: report.node.adminPort },
        {
          method: 'POST',
          path: '/api/topology',
          query: new URLSearchParams(),
          body,
          authorization: `torc ${proofOf('', body)}`,
          peerAddress: HOST,
        },
      );
      return { status: answer.status, body: answer.body.toString() };
    });
  }
  return cluster.settle(Promise.all(asked.map((ask) => ask())));
}

/** One of them was made, and the others are told that the topology has moved on: nobody is told that nothing is known. */
function expectOneMade(answers: readonly Answer[]): number {
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
  for (const { status, body } of answers.filter((one) => one.status !== 200)) {
    expect(status).toBe(409);
    expect(body).toContain('the topology has moved on');
  }
  return answers.findIndex(({ status }) => status === 200);
}

/** As the commands do: of the newer topology, until it is made or refused for another reason. */
async function again(cluster: SimCluster, change: TopologyChange): Promise<Answer> {
  for (let turn = 0; turn < 50; turn++) {
    const [answer] = await atOnce(cluster, change);
    if (answer.status === 200 || !answer.body.includes('the topology has moved on')) return answer;
    await cluster.pass(50);
  }
  throw new Error('it is overtaken all the time');
}

async function untilTrue(
  cluster: SimCluster,
  isSo: (now: Topology) => boolean,
  limitMs = 60_000,
): Promise<void> {
  const untilMs = cluster.scheduler.nowMs + limitMs;
  while (!isSo(await newestTopology(cluster))) {
    if (cluster.scheduler.nowMs > untilMs) throw new Error(JSON.stringify(await newestTopology(cluster)));
    await cluster.pass(200);
  }
}

function holdsNothing({ shards, slots }: Topology, node: string): boolean {
  const homes = shards.filter(({ home }) => home === node).map(({ id }) => id);
  const isEmpty = !slots.some(({ shard }) => homes.includes(shard));
  return isEmpty && shards.every(({ replicas }) => replicas.every((row) => row.node !== node));
}

async function started(seed: number, nodes: number, flags: Record<string, string> = {}): Promise<SimCluster> {
  const cluster = new SimCluster(seed, nodes, flags);
  await cluster.startAll();
  await cluster.pass(1000);
  return cluster;
}

it('two nodes are taken out at once: one after the other is decided, and both are emptied', async () => {
  const cluster = await started(31, 5);
  const { nodes } = await newestTopology(cluster);
  const leave = [3, 4].map((at) => ({ kind: 'begin-leave', node: nodes[at].id }) as const);
  const made = expectOneMade(await atOnce(cluster, ...leave));
  expect((await again(cluster, leave[1 - made])).status).toBe(200);
  await untilTrue(cluster, (now) => [3, 4].every((at) => holdsNothing(now, nodes[at].id)));
  for (const i of [3, 4]) await cluster.stop(i);
  await untilTrue(cluster, (now) => now.nodes.length === 3);
  expect(await cluster.client(0).ask('SET', 'k', 'v')).toBe('+OK\r\n');
});

it('of two nodes each operator takes out another: one is told that none would stay', async () => {
  const cluster = await started(32, 2);
  const { nodes } = await newestTopology(cluster);
  const leave = [0, 1].map((at) => ({ kind: 'begin-leave', node: nodes[at].id }) as const);
  const made = expectOneMade(await atOnce(cluster, ...leave));
  const refused = await again(cluster, leave[1 - made]);
  expect(refused).toMatchObject({ status: 409 });
  expect(refused.body).toContain('no other node would stay');
});

it('a weight against a decommission of the same node: both hold', async () => {
  const cluster = await started(33, 4);
  const { nodes } = await newestTopology(cluster);
  const node = nodes[3].id;
  const changes = [
    { kind: 'set-weight', node, weight: 3 },
    { kind: 'begin-leave', node },
  ] as const;
  const made = expectOneMade(await atOnce(cluster, ...changes));
  expect((await again(cluster, changes[1 - made])).status).toBe(200);
  expect((await newestTopology(cluster)).nodes[3]).toMatchObject({ weight: 3, leaving: true });
  await untilTrue(cluster, (now) => holdsNothing(now, node));
});

it('a plan is begun while another is aborted: there is one, and it is aborted', async () => {
  const cluster = await started(34, 3, { 'rebalance-auto': 'no', 'rebalance-max-bytes-per-second': '1kb' });
  const before = await newestTopology(cluster);
  const [source, target] = before.shards.map(({ id }) => id);
  const key = keyOf(before, source);
  const slot = slotOfKey(key);
  // So large that the plan is not done at once.
  expect(await cluster.client(0).ask('SET', key, 'v'.repeat(100_000))).toBe('+OK\r\n');
  const plan = (from: number): TopologyChange => ({
    kind: 'begin-plan',
    by: 'bytes',
    isAutomatic: false,
    atMs: 1,
    steps: [{ source, target, slots: [{ from, to: from }] }],
  });
  const begun = await changeTopology(cluster, plan(slot));
  const id = begun?.rebalance?.plan?.id ?? 0;
  const answers = await atOnce(cluster, { kind: 'abort-plan', plan: id }, plan(slot + 1));
  const aborted =
    answers[0].status === 200 ? answers[0] : await again(cluster, { kind: 'abort-plan', plan: id });
  // Where the plan has ended meanwhile there is nothing to abort.
  if (aborted.status !== 200) expect(aborted.body).toContain('there is no plan');
  expect(answers[1].status).toBe(409);
  expect(answers[1].body).toMatch(/a plan is under way already|the topology has moved on/);
  await untilTrue(cluster, ({ rebalance, moves }) => rebalance?.plan === undefined && moves.length === 0);
  expect((await newestTopology(cluster)).rebalance).toMatchObject({
    paused: true,
    history: [{ id, outcome: 'aborted' }],
  });
});

it('rebalancing is paused while a plan ends: the plan is done, and no other begins', async () => {
  const cluster = await started(35, 3);
  const { nodes } = await newestTopology(cluster);
  await changeTopology(cluster, { kind: 'set-weight', node: nodes[2].id, weight: 2 });
  await untilTrue(cluster, ({ rebalance }) => rebalance?.plan?.steps.length === 0);
  while ((await newestTopology(cluster)).moves.length > 1) await cluster.pass(5);
  expect((await again(cluster, { kind: 'pause-rebalance' })).status).toBe(200);
  await cluster.pass(5000);
  expect((await again(cluster, { kind: 'pause-rebalance' })).body).toContain('paused already');
  const { plan, history } = (await newestTopology(cluster)).rebalance ?? {};
  expect(plan === undefined ? history?.map(({ outcome }) => outcome) : 'paused').toSatisfy(
    (said: unknown) => said === 'paused' || JSON.stringify(said) === '["done"]',
  );
  expect(await again(cluster, { kind: 'resume-rebalance' })).toMatchObject({ status: 200 });
  await untilTrue(cluster, ({ rebalance }) => rebalance?.plan === undefined);
  expect((await newestTopology(cluster)).rebalance?.history).toMatchObject([
    { outcome: 'done', moved: 2731 },
  ]);
});

it('a dead node is taken out while it comes back: it is emptied, serves until it stops, and is gone then', async () => {
  const cluster = await started(36, 4);
  const { nodes } = await newestTopology(cluster);
  const node = nodes[3].id;
  cluster.crash(3);
  await cluster.pass(8000);
  const [[answer]] = await Promise.all([atOnce(cluster, { kind: 'begin-leave', node }), cluster.launch(3)]);
  expect(answer.status).toBe(200);
  await untilTrue(cluster, (now) => holdsNothing(now, node));
  expect((await newestTopology(cluster)).nodes.map(({ id }) => id)).toContain(node);
  expect(await cluster.client(3).ask('SET', 'k', 'v')).toBe('+OK\r\n');
  await cluster.stop(3);
  await untilTrue(cluster, (now) => now.nodes.length === 3);
  await expect(cluster.start(3).then(() => cluster.pass(5000))).resolves.toBeUndefined();
  expect(cluster.nodes[3].fatal?.message).toContain('was taken out of its cluster');
});

type Phase = (source: Replica, target: Replica, slot: number) => boolean;
const PHASES: readonly (readonly [string, Phase])[] = [
  ['it is recorded', () => true],
  ['the target takes it in', (_, target, slot) => target.machine.moves.stateOf(slot) === SlotState.STAGING],
  ['the source is fenced', (source, _, slot) => source.machine.moves.stateOf(slot) === SlotState.FROZEN],
  [
    'the target has activated it',
    (_, target, slot) => target.machine.moves.stateOf(slot) === SlotState.OWNED,
  ],
];
const SIDES = [
  ['the target', TARGET],
  ['the source', SOURCE],
] as const;

it.each(PHASES.flatMap(([when, phase]) => SIDES.map(([who, shard]) => [when, who, phase, shard] as const)))(
  'a move is called back when %s, and the leader of %s is killed: one side has the slot',
  async (_when, _who, phase, shard) => {
    const scene = new Scene(41, 4, {});
    const { cluster } = scene;
    await cluster.startAll();
    await cluster.pass(3000);
    const key = keyOf(await newestTopology(cluster), SOURCE);
    expect(await cluster.client(0).ask('SET', key, 'v'.repeat(50_000))).toBe('+OK\r\n');
    const leader = await leaderOf(cluster, shard);
    const { id } = await scene.move(phase);
    // In that very moment; the call comes while there is no leader, or another.
    if (leader !== null) cluster.crash(leader.at);
    await changeTopology(cluster, { kind: 'abort-move', move: id });
    await cluster.pass(3000);
    if (leader !== null) await cluster.start(leader.at);
    await untilTrue(cluster, ({ moves }) => moves.length === 0);
    await scene.expectOneOwnerEach();
    for (const i of [0, 1, 2, 3])
      expect((await cluster.client(i).ask('GET', key)).length).toBeGreaterThan(50_000);
  },
);

it('what is asked for right after something else was refused is another request', async () => {
  const cluster = await started(36, 1);
  const [node] = (await newestTopology(cluster)).nodes;
  const beforeMs = cluster.scheduler.nowMs;
  expect(await changeTopology(cluster, { kind: 'begin-leave', node: 'f'.repeat(40) })).toBeNull();
  expect(Math.trunc(cluster.scheduler.nowMs)).toBe(Math.trunc(beforeMs));
  expect(await changeTopology(cluster, { kind: 'set-weight', node: node.id, weight: 2 })).not.toBeNull();
});
