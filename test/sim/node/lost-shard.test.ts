/** Shards whose majority is lost for good: given up, they get a successor, and no slot has two owners (histories 4 and 16). */
import { expect, it } from 'vitest';

import { SlotState } from '../../../src/shard/moves/slot-state.ts';
import type { Replica } from '../../../src/shard/replica.ts';
import { keyOf, Scene, SOURCE, TARGET } from './scene.ts';
import { changeTopology, newestTopology, untilSettled } from './topology.ts';

/** Each shard has one replica, at home. */
async function fourAlone(seed: number, flags: Record<string, string> = {}): Promise<Scene> {
  const scene = new Scene(seed, 4, { 'replication-factor': '1', ...flags });
  await scene.cluster.startAll();
  return scene;
}

const isActivated = (source: Replica, target: Replica, slot: number): boolean =>
  target.machine.moves.stateOf(slot) === SlotState.OWNED &&
  source.machine.moves.stateOf(slot) === SlotState.FROZEN;

it('the target is lost after it activated: the source has the slot again, its successor has not (history 16)', async () => {
  const scene = await fourAlone(1);
  const { cluster } = scene;
  const keys = await scene.write(0);
  await scene.move(isActivated);
  cluster.crash(3, 'lost');
  await cluster.pass(5000);
  await scene.giveUp(TARGET, [1]);
  await scene.expectOneOwnerEach();
  expect(await cluster.client(0).ask('GET', keys.get(SOURCE) ?? '')).toBe('$1\r\nv\r\n');
  expect(await cluster.client(0).ask('GET', keys.get(TARGET) ?? '')).toBe('$-1\r\n');
  expect(await cluster.client(0).ask('SET', keys.get(TARGET) ?? '', 'w')).toBe('+OK\r\n');
});

it('the source is lost after the target activated: the target keeps the slot, the successor opens without it (history 16)', async () => {
  const scene = await fourAlone(2);
  const { cluster } = scene;
  const keys = await scene.write(0);
  const { slots } = await scene.move(isActivated);
  cluster.crash(2, 'lost');
  await cluster.pass(5000);
  const heir = await scene.giveUp(SOURCE, [1]);
  await scene.expectOneOwnerEach();
  expect(await cluster.client(0).ask('GET', keys.get(SOURCE) ?? '')).toBe('$1\r\nv\r\n');
  const [{ from }] = slots;
  const owner = (await newestTopology(cluster)).slots.find(
    (run) => run.from <= from && from <= run.to,
  )?.shard;
  expect([owner, heir.id === owner]).toEqual([TARGET, false]);
});

it("the source is lost while it sends: the target calls it back, and the slot is the successor's", async () => {
  const scene = await fourAlone(3, { 'rebalance-max-bytes-per-second': '1kb' });
  const { cluster } = scene;
  const topology = await newestTopology(cluster);
  const key = keyOf(topology, SOURCE);
  expect(await cluster.client(0).ask('SET', key, 'v'.repeat(100_000))).toBe('+OK\r\n');
  await scene.move((_, target, slot) => target.machine.moves.stateOf(slot) === SlotState.STAGING);
  cluster.crash(2, 'lost');
  await cluster.pass(5000);
  await scene.giveUp(SOURCE, [1]);
  await scene.expectOneOwnerEach();
  expect(await cluster.client(1).ask('GET', key)).toBe('$-1\r\n');
});

it('both sides are lost: the successor of the source has the slots', async () => {
  const scene = await fourAlone(4);
  const { cluster } = scene;
  await scene.write(0);
  const move = await scene.move(isActivated);
  cluster.crash(2, 'lost');
  cluster.crash(3, 'lost');
  await cluster.pass(12_000);
  expect(
    await changeTopology(cluster, { kind: 'give-up-shard', shard: TARGET, destroyed: [1] }),
  ).not.toBeNull();
  await cluster.pass(5000);
  // The source may still have its own word on the move.
  expect((await newestTopology(cluster)).moves).toEqual([move]);
  await scene.giveUp(SOURCE, [1]);
  await cluster.pass(3000);
  await scene.expectOneOwnerEach();
});

it('is refused while the shard has a leader, whatever the row says (history 4)', async () => {
  const scene = new Scene(5, 5, {});
  const { cluster } = scene;
  await cluster.startAll();
  await untilSettled(cluster);
  const topology = await newestTopology(cluster);
  const [shard] = topology.shards;
  const at = topology.nodes.findIndex(({ id }) => id === shard.replicas[2].node);
  cluster.crash(at, 'lost');
  await cluster.pass(3000);
  expect(
    await changeTopology(cluster, { kind: 'give-up-shard', shard: shard.id, destroyed: [1, 2, 3] }),
  ).toBeNull();
});

it('a member that was said to be destroyed and comes back neither votes nor serves (history 4)', async () => {
  const scene = new Scene(6, 5, { 'place-replicas': 'no' });
  const { cluster } = scene;
  await cluster.startAll();
  const topology = await newestTopology(cluster);
  const [shard] = topology.shards;
  const places = shard.replicas.map(({ node }) => topology.nodes.findIndex(({ id }) => id === node));
  const survivor = [0, 1, 2, 3, 4].find((i) => !places.includes(i)) ?? 0;
  await scene.write(survivor);
  // One disk is lost, one node only dead: no majority is there.
  cluster.crash(places[1], 'lost');
  cluster.crash(places[2], 'kill');
  await cluster.pass(12_000);
  const own = (at: number): number => shard.replicas[at].member;
  expect(
    await changeTopology(cluster, { kind: 'give-up-shard', shard: shard.id, destroyed: [own(1)] }),
  ).not.toBeNull();
  await cluster.pass(5000);
  // The dead one has not said that it never votes there again.
  expect((await newestTopology(cluster)).shards.map(({ id }) => id)).toContain(shard.id);
  const heir = await scene.giveUp(shard.id, [own(2)]);
  expect(heir.group).toBeGreaterThan(5);
  expect(scene.replicas(shard.group).map(({ isLeader }) => isLeader)).not.toContain(true);
  await cluster.start(places[2]);
  await cluster.pass(5000);
  const status = (await cluster.admin(places[2], '/api/status')) as { replicas: { shard: number }[] };
  expect(status.replicas.map((row) => row.shard)).not.toContain(shard.id);
  const key = keyOf(await newestTopology(cluster), heir.id);
  for (const i of [places[2], survivor]) expect(await cluster.client(i).ask('GET', key)).toBe('$-1\r\n');
});
