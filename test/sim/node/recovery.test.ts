/** After a recovery the register may know less than the groups' logs: those put it right. */
import { expect, it } from 'vitest';

import { slotOf } from '../../../ring/index.ts';
import type { StatusReport } from '../../../src/admin/status.ts';
import type { Replica } from '../../../src/shard/replica.ts';
import { SlotState } from '../../../src/shard/moves/slot-state.ts';
import { decodeTopology } from '../../../src/topology/topology-codec.ts';
import type { MoveEntry, MoveId, Topology } from '../../../src/topology/types.ts';
import { SimCluster } from './cluster.ts';
import { startRecovery } from './recover.ts';
import { changeTopology, newestTopology } from './topology.ts';

const TOPOLOGY = '/data/topology.json';
/** Each shard has one replica, at home: the last two nodes can do without the others. */
const FLAGS = { 'replication-factor': '1', 'rebalance-auto': 'no' };
const SOURCE = 3;
const TARGET = 4;

interface Lost {
  cluster: SimCluster;
  replicas: Map<number, Replica>;
  slot: number;
  key: string;
}

/** A cluster of four; a move of a slot is recorded, and goes as far as `until` says; then the voters that know of it are lost, and it is forgotten. */
async function loseMove(
  seed: number,
  flags: Record<string, string>,
  until: (lost: Lost, move: MoveId) => Promise<boolean>,
  survivors = [2, 3],
): Promise<Lost> {
  const cluster = new SimCluster(seed, 4, { ...FLAGS, ...flags });
  const replicas = new Map<number, Replica>();
  cluster.onlooker = { onReplica: (_, replica) => replicas.set(replica.shard, replica) };
  await cluster.startAll();
  const before = await newestTopology(cluster);
  const run = before.slots.find(({ shard }) => shard === SOURCE);
  const slot = run?.from ?? 0;
  const key = keyIn(slot);
  const client = cluster.client(2);
  expect(await client.ask('SET', key, 'v'.repeat(100_000))).toBe('+OK\r\n');
  const files = [2, 3].map((i) => cluster.nodes[i].disk.content(TOPOLOGY));
  const begun = await changeTopology(cluster, {
    kind: 'begin-move',
    source: SOURCE,
    target: TARGET,
    slots: [{ from: slot, to: slot }],
  });
  const lost = { cluster, replicas, slot, key };
  const move = begun?.moves[0].id ?? 0;
  expect(move).toBeGreaterThan(0);
  for (let turn = 0; !(await until(lost, move)); turn++) {
    if (turn === 400) throw new Error('the move does not go so far');
    await cluster.pass(20);
  }
  for (const i of [0, 1]) cluster.crash(i, 'lost');
  for (const i of [2, 3]) await cluster.stop(i);
  for (const [at, i] of [2, 3].entries())
    cluster.nodes[i].disk.replaceContent(TOPOLOGY, files[at] ?? new Uint8Array());
  for (const i of survivors) await cluster.start(i);
  await cluster.pass(3000);
  expect((await newestTopology(cluster)).moves).toEqual([]);
  const recovered = await cluster.settle(startRecovery(cluster, survivors[0], true));
  expect(recovered.generation).toBe(2);
  return lost;
}

/** Other changes are decided meanwhile. */
async function giveUp(cluster: SimCluster, shard: number): Promise<void> {
  for (let turn = 0; turn < 20; turn++) {
    const given = await changeTopology(cluster, { kind: 'give-up-shard', shard, destroyed: [] });
    if (given !== null) return;
    await cluster.pass(37);
  }
  throw new Error(`shard ${shard} is not given up`);
}

/** All that the register has known since it was put right. */
async function knownMoves(cluster: SimCluster): Promise<MoveEntry[]> {
  const history = (await cluster.admin(2, '/api/topology/history')) as unknown[];
  const topologies = history.map((one) => decodeTopology(Buffer.from(JSON.stringify(one))));
  return topologies.flatMap((one) => (one?.generation === 2 ? [...one.moves] : []));
}

function slotOfKey(key: string): number {
  const bytes = Buffer.from(key);
  return slotOf(bytes, 0, bytes.length);
}

function keyIn(slot: number): string {
  for (let i = 0; i < 1_000_000; i++) if (slotOfKey(`k${i}`) === slot) return `k${i}`;
  throw new Error(`no key of slot ${slot}`);
}

function ownerIn({ slots }: Topology, slot: number): number | undefined {
  return slots.find(({ from, to }) => from <= slot && slot <= to)?.shard;
}

function stateAt({ replicas, slot }: Lost, shard: number): SlotState | undefined {
  return replicas.get(shard)?.machine.moves.stateOf(slot);
}

async function settledOn(lost: Lost, shard: number): Promise<void> {
  const { cluster, slot } = lost;
  for (let turn = 0; turn < 100; turn++) {
    const now = await newestTopology(cluster);
    const isOwner = ownerIn(now, slot) === shard && stateAt(lost, shard) === SlotState.OWNED;
    const isAlone = stateAt(lost, shard === SOURCE ? TARGET : SOURCE) === SlotState.NONE;
    if (now.moves.length === 0 && isOwner && isAlone) break;
    await cluster.pass(200);
  }
  const now = await newestTopology(cluster);
  expect({ owner: ownerIn(now, slot), moves: now.moves }).toEqual({ owner: shard, moves: [] });
  for (const at of [SOURCE, TARGET])
    expect(stateAt(lost, at)).toBe(at === shard ? SlotState.OWNED : SlotState.NONE);
  for (const i of [2, 3]) {
    const report = (await cluster.admin(i, '/api/status')) as StatusReport;
    expect(report.cluster?.generation).toBe(2);
    expect((await cluster.client(i).ask('GET', lost.key)).length).toBeGreaterThan(100_000);
  }
}

it('names the owner that the target has become by a move whose epochs were lost', async () => {
  const lost = await loseMove(
    21,
    {},
    async ({ cluster }) => (await newestTopology(cluster)).moves.length === 0,
  );
  await settledOn(lost, TARGET);
});

it('gives up a move that was recorded before the register was put right', async () => {
  const lost = await loseMove(
    23,
    {},
    async ({ cluster }) => (await newestTopology(cluster)).moves.length === 0,
  );
  const { cluster, slot } = lost;
  const begun = await changeTopology(cluster, {
    kind: 'begin-move',
    source: SOURCE,
    target: TARGET,
    slots: [{ from: slot, to: slot }],
  });
  expect(begun?.moves).toHaveLength(1);
  await settledOn(lost, TARGET);
});

it('calls back a move that both logs are in and that nobody knows any more', async () => {
  const slow = { 'rebalance-max-bytes-per-second': '1kb' };
  let move = 0;
  const lost = await loseMove(22, slow, (now, id) => {
    move = id;
    return Promise.resolve(stateAt(now, TARGET) === SlotState.STAGING);
  });
  await settledOn(lost, SOURCE);
  // The source would call it back by itself, too: the register is to know that the slot is on the move as long as it is.
  expect(await knownMoves(lost.cluster)).toContainEqual(
    expect.objectContaining({ id: move, aborting: true }),
  );
});

it('gives what a log owns to no successor of the shard that the register takes for the owner (history 16)', async () => {
  const lost = await loseMove(
    24,
    {},
    async ({ cluster }) => (await newestTopology(cluster)).moves.length === 0,
    [3],
  );
  const { cluster, replicas, slot } = lost;
  for (const shard of [1, 2, SOURCE]) await giveUp(cluster, shard);
  for (let turn = 0; turn < 100 && (await newestTopology(cluster)).succeeded !== 3; turn++)
    await cluster.pass(200);
  await cluster.pass(3000);
  const now = await newestTopology(cluster);
  expect([now.succeeded, ownerIn(now, slot)]).toEqual([3, TARGET]);
  const living = now.shards.map(({ id }) => id);
  const owners = living.filter((id) => replicas.get(id)?.machine.moves.stateOf(slot) === SlotState.OWNED);
  expect(owners).toEqual([TARGET]);
  // Others' slots are served again, empty.
  expect(await cluster.client(3).ask('SET', 'anything', 'v')).toBe('+OK\r\n');
});
