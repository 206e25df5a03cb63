/**
 * A node's part in rewinding a lost shard, by itself, with a crash at each operation of its disk: what its sealed member held is there afterwards, its log
 * ends where the register was told that it does, and no member of the lost group is ever opened again.
 */
import { expect, it } from 'vitest';

import { RULES } from '../../../src/commands/table.ts';
import type { Env } from '../../../src/env/contracts.ts';
import { SimulatedClock, SimulatedTimers } from '../../../src/env/sim/clock.ts';
import { attachDisk } from '../../../src/env/sim/disk-process.ts';
import { SimulatedDisk, type Crash } from '../../../src/env/sim/disk.ts';
import { SeededRandom } from '../../../src/env/sim/random.ts';
import { Scheduler } from '../../../src/env/sim/scheduler.ts';
import { silentLog } from '../../../src/log.ts';
import { isOwnRecord, NodeReplicas } from '../../../src/node-replicas.ts';
import { compiledRules } from '../../../src/server/compiled-command.ts';
import { loadSettings } from '../../../src/settings/load.ts';
import { sessionId } from '../../../src/shard/batch.ts';
import { Engine } from '../../../src/shard/engine.ts';
import type { Replica } from '../../../src/shard/replica.ts';
import { Admission } from '../../../src/shard/sessions.ts';
import { Snapshotter } from '../../../src/shard/snapshotter.ts';
import { Refusal } from '../../../src/shard/waiter.ts';
import { createSlabPool } from '../../../src/store/slab-pool.ts';
import type { TopologyChange } from '../../../src/topology/change.ts';
import type { ShardEntry, Topology } from '../../../src/topology/types.ts';
import { openWal, type OpenedWal } from '../../../src/wal/open.ts';
import { Answer } from '../../shard/fake-raft.ts';
import { itemOf } from '../../shard/encode.ts';
import { after, manyNodes, nodeId } from '../../topology/many-nodes.ts';
import { slotOfKey } from './scene.ts';

const SELF = nodeId(1);
const SESSION = sessionId(nodeId(2), 1);
const HALF = 8191;
const KEYS = Array.from({ length: 40 }, (_, i) => `key${i}`);
const MACHINE = { memoryBytes: 2 ** 33, hostName: 'n' };

/** By the register the upper half of the slots went to another, which this member's log does not know. */
function withoutUpper(topology: Topology): Topology {
  const slots = [{ from: HALF + 1, to: 16_383 }];
  const moving = after(topology, { kind: 'begin-move', source: 1, target: 2, slots });
  return after(moving, { kind: 'end-move', move: moving.moves[0].id, moved: slots });
}

/** A process on the machine. It does what node.ts has a node do with its replicas. */
class Life {
  readonly timers: SimulatedTimers;
  replicas!: NodeReplicas;
  engine!: Engine;
  snapshotter!: Snapshotter;
  private readonly world: World;

  constructor(world: World) {
    this.world = world;
    this.timers = new SimulatedTimers(world.scheduler);
  }

  async start(): Promise<void> {
    const { world, timers } = this;
    const { clock, disk: machine } = world;
    const random = new SeededRandom(7);
    const disk = attachDisk(machine, timers);
    const opened = await openWal(
      { disk, clock, timers, random, machine: { bootId: 'boot' } },
      {
        directory: '/data',
        durability: 'fsync',
        segmentBytes: 8192,
        isOurs: (group, member) => isOwnRecord(world.topology, SELF, group, member),
        onFailure: (error) => world.fail(error),
      },
    );
    this.engine = new Engine(clock, timers, opened.wal, opened.recovery.timeCeilingMs, {
      send: () => {},
      beforeSeal: () => {},
      snapshots: (replica, ready) => snapshotter.handle(replica, ready),
      flush: () => {},
      flushPeers: () => {},
      maintain: () => snapshotter.maintain(),
      fatal: (error) => world.fail(error),
    });
    const { engine } = this;
    const host = {
      now: engine.now,
      readClock: () => engine.readClock(),
      wake: () => engine.wake(),
      fatal: (error: unknown) => world.fail(error),
    };
    const settings = { snapshotAfterBytes: 2000 };
    const snapshotter = new Snapshotter(
      opened.snapshots,
      opened.wal,
      timers,
      host,
      settings,
      () => 1,
      silentLog,
    );
    this.snapshotter = snapshotter;
    this.replicas = this.makeReplicas(opened, snapshotter, { clock, random, timers, disk } as unknown as Env);
    await this.replicas.open(world.topology);
    await new Promise<void>((resolve) => {
      engine.coverTime(clock.wallMs(), resolve);
    });
    engine.wake();
  }

  private makeReplicas(opened: OpenedWal, snapshotter: Snapshotter, env: Env): NodeReplicas {
    const { world, engine } = this;
    return new NodeReplicas({
      env,
      settings: { ...loadSettings({ flags: {}, machine: MACHINE }), electionTimeoutMs: 100 },
      self: SELF,
      opened,
      engine,
      snapshotter,
      slabs: createSlabPool(2 ** 16),
      rules: compiledRules(RULES),
      clusterVersion: () => 1,
      log: silentLog,
      topology: () => world.topology,
      onCommitted: () => {},
      onReplica: (replica) => world.opened.push(replica),
    });
  }

  /** A newer topology is synced. */
  async follow(change: TopologyChange): Promise<void> {
    const { world, replicas } = this;
    world.topology = after(world.topology, change);
    replicas.seal(world.topology);
    await replicas.follow(world.topology);
    this.engine.wake();
  }
}

class World {
  readonly scheduler = new Scheduler();
  readonly clock = new SimulatedClock(this.scheduler, { rate: 1, wallMs: 1e12 });
  readonly disk: SimulatedDisk;
  topology = manyNodes(2);
  /** All that were ever to act. */
  readonly opened: Replica[] = [];
  life = new Life(this);

  constructor(seed: number) {
    this.disk = new SimulatedDisk({ seed });
  }

  /** A process that is dead fails at nothing. */
  fail(error: unknown): void {
    if (this.disk.running) throw error;
  }

  /** False when the process died first. */
  async lives(run: Promise<unknown>): Promise<boolean> {
    let isDone = false;
    run.then(
      () => (isDone = true),
      (error: unknown) => this.fail(error),
    );
    await this.scheduler.runUntil(() => isDone || !this.disk.running);
    return isDone;
  }

  async until(done: () => boolean): Promise<boolean> {
    const limitMs = this.scheduler.nowMs + 10_000;
    await this.scheduler.runUntil(() => done() || !this.disk.running || this.scheduler.nowMs > limitMs);
    return done();
  }

  get shard(): ShardEntry | undefined {
    return this.topology.shards.find(({ home }) => home === SELF);
  }
}

async function written(seed: number): Promise<World> {
  const world = new World(seed);
  await world.lives(world.life.start());
  const replica = world.life.replicas.of(1);
  if (replica === undefined) throw new Error('the member is opened');
  expect(await world.until(() => replica.isReadable)).toBe(true);
  const answers = KEYS.map((key, i) => {
    const answer = new Answer();
    const { bytes, start, end } = itemOf(['set', key, key.padEnd(100, '.')], i + 1, 1);
    replica.submitWrite(answer, SESSION, Buffer.from(bytes), start, end, world.life.engine.now);
    return answer;
  });
  world.life.engine.wake();
  expect(await world.until(() => answers.every(({ text }) => text === '+OK\r\n'))).toBe(true);
  world.topology = withoutUpper(world.topology);
  return world;
}

/** From the operator's word to the successor that leads; false when the process died on the way. */
async function rewind(world: World): Promise<boolean> {
  for (;;) {
    const { life, shard } = world;
    if (shard === undefined) throw new Error('the shard has a successor');
    const replica = life.replicas.of(shard.id);
    const end = life.replicas.kept.logs.get(shard.id);
    const kept = shard.givenUp?.kept;
    let change: TopologyChange;
    if (shard.rewound !== undefined) return world.until(() => replica?.isReadable === true);
    if (shard.givenUp === undefined)
      change = { kind: 'give-up-shard', shard: shard.id, destroyed: [], rewind: true };
    else if (kept?.length === 0 && end !== undefined) change = { kind: 'keep-log', shard: shard.id, ...end };
    else change = { kind: 'succeed-shard', shard: shard.id, home: SELF, voters: [SELF] };
    expect(replica === undefined).toBe(shard.givenUp !== undefined);
    if (!(await world.lives(life.follow(change)))) return false;
  }
}

function expectAll(world: World, lastIndex: number): void {
  const { life, shard } = world;
  const heir = shard === undefined ? undefined : life.replicas.of(shard.id);
  if (heir === undefined || shard?.rewound === undefined) throw new Error('there is a successor');
  expect(shard.rewound.index).toBeGreaterThanOrEqual(lastIndex);
  const { keyspace, moves, sessions } = heir.machine;
  const own = KEYS.filter((key) => slotOfKey(key) <= HALF);
  expect(keyspace.totalKeyCount()).toBe(own.length);
  expect([own.length > 5, sessions.rowCount]).toEqual([true, own.length]);
  expect([moves.isOwned(HALF), moves.isOwned(HALF + 1)]).toEqual([true, false]);
  // Of the lost group nothing is opened once the register has said that it is given up, and nothing is left.
  const groups = new Set(world.opened.map(({ raft }) => raft.group));
  expect(groups).toEqual(new Set([1, shard.group]));
  const files = world.disk.paths().filter((path) => path.endsWith('.snapshot'));
  expect(
    files.every((path) => path.includes(`/${shard.group}-`)),
    files.join(),
  ).toBe(true);
}

it.each(['kill', 'lost', 'torn'] as const)('dies at any operation of its disk (%s)', async (as: Crash) => {
  let operations = 0;
  for (let isWhole = false; !isWhole; operations += 1) {
    const world = await written(operations + 1);
    const lastIndex = world.opened[0].machine.appliedIndex;
    world.disk.crashAfter(operations, as);
    isWhole = await rewind(world);
    if (isWhole) world.disk.crashAfter(1e9, as);
    else {
      world.life.timers.stop();
      const before = world.opened.length;
      const wasGivenUp = world.shard?.givenUp !== undefined || world.shard?.rewound !== undefined;
      world.life = new Life(world);
      await world.lives(world.life.start());
      const reopened = world.opened.slice(before).some(({ raft }) => raft.group === 1);
      expect(reopened && wasGivenUp).toBe(false);
      expect(await rewind(world)).toBe(true);
    }
    expectAll(world, lastIndex);
  }
  expect(operations).toBeGreaterThan(20);
});

it('keeps what its log holds and nobody knew to be committed, and goes on above all times that it has heard of', async () => {
  const world = await written(1);
  const [replica] = world.opened;
  const tail = KEYS.find((key) => slotOfKey(key) <= HALF) ?? '';
  const { bytes, start, end } = itemOf(['set', tail, 'tail'], KEYS.length + 1, 1);
  const answer = new Answer();
  replica.submitWrite(answer, SESSION, Buffer.from(bytes), start, end, world.life.engine.now);
  replica.seal(world.life.engine.now);
  expect(replica.raft.commitIndex).toBe(replica.raft.lastIndex - 1);
  const heardMs = replica.time.highestMs() + 5000;
  replica.time.observe(heardMs);
  expect(await rewind(world)).toBe(true);
  // Its client was told nothing, and will be told that it ran.
  expect([answer.text, answer.refusal]).toEqual([null, Refusal.LOST]);
  const { machine } = world.life.replicas.list[0];
  expect(world.shard?.rewound?.index).toBe(replica.raft.lastIndex);
  // What was seen expired stays so.
  expect(machine.timeMs).toBeGreaterThanOrEqual(heardMs);
  const slot = slotOfKey(tail);
  const session = machine.sessions.open(SESSION, 0);
  expect(machine.sessions.admit(session, slot, KEYS.length + 1, 1)).toBe(Admission.REPEAT);
});

it('tells nothing of what it has not kept when it stops, and keeps it at its next start', async () => {
  const world = await written(2);
  const { life } = world;
  const lastIndex = world.opened[0].machine.appliedIndex;
  const following = life.follow({ kind: 'give-up-shard', shard: 1, destroyed: [], rewind: true });
  expect(await world.lives(Promise.all([following, life.snapshotter.stop()]))).toBe(true);
  expect([life.replicas.kept.logs.size, life.replicas.list.length]).toEqual([0, 0]);
  life.timers.stop();
  world.disk.crash('kill');
  world.life = new Life(world);
  await world.lives(world.life.start());
  expect(await rewind(world)).toBe(true);
  expectAll(world, lastIndex);
});

it('awaits what is kept until the successor has begun with it, and not after the next start', async () => {
  const world = await written(3);
  const isAwaited = (): boolean => world.life.replicas.kept.isAwaited(world.topology);
  expect(isAwaited()).toBe(false);
  expect(
    await world.lives(world.life.follow({ kind: 'give-up-shard', shard: 1, destroyed: [], rewind: true })),
  ).toBe(true);
  expect(isAwaited()).toBe(true);
  expect(await rewind(world)).toBe(true);
  // Its member is the row's first one ever after.
  expect(isAwaited()).toBe(false);
  world.life.timers.stop();
  world.disk.crash('kill');
  world.life = new Life(world);
  await world.lives(world.life.start());
  expect(isAwaited()).toBe(false);
});
