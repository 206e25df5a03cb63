import { describe, expect, it } from 'vitest';

import { clusterOf, Founding, seedAddress } from '../../src/topology/founding.ts';
import type {
  ClusterRecord,
  FoundingMessage,
  FoundingState,
  SeedAddress,
} from '../../src/topology/founding.ts';
import type { Announcement, Topology } from '../../src/topology/types.ts';
import { oneNode } from './one-node.ts';

/** A small generator with a seed: runs replay. */
function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  };
}

function announcement(i: number): Announcement {
  return {
    host: `node-${i}`,
    clientPort: 6379,
    redirectPort: 7379,
    peerPort: 16379,
    adminPort: 8379,
    zone: 'z',
    machine: `m${i}`,
    weight: 1,
  };
}

function firstOf({ id, nodes }: ClusterRecord): Topology {
  return { ...oneNode(1, 1), clusterId: id, nodes, voters: [nodes[0].id] };
}

interface Envelope {
  from: number;
  to: SeedAddress;
  message: FoundingMessage;
}

/** One seed: what is on its disk outlives its process. */
interface Seed {
  announced: Announcement;
  disk: FoundingState | null;
  machine: Founding | null;
  writing: FoundingState | null;
  refused: string[];
  disagreed: string[];
}

interface Faults {
  loss: number;
  /** Crashes the seed right before the write with this number, counted over the whole run, or right after. */
  crashAt?: { write: number; when: 'before' | 'after' };
}

/** All seeds in one thread: every write, message, crash and tick is one step that the random source picks. */
class World {
  readonly seeds: Seed[];
  readonly clusterIds = new Set<string>();
  readonly firsts = new Set<string>();
  crashes = 0;
  writes = 0;
  private readonly addresses: SeedAddress[];
  private readonly random: () => number;
  private network: Envelope[] = [];
  private faults: Faults;
  private drawn = 0;

  constructor(count: number, seed: number, faults: Faults) {
    this.random = seededRandom(seed);
    this.faults = faults;
    this.seeds = Array.from({ length: count }, (_, i) => ({
      announced: announcement(i),
      disk: null,
      machine: null,
      writing: null,
      refused: [],
      disagreed: [],
    }));
    this.addresses = this.seeds.map(({ announced }) => seedAddress(announced));
  }

  step(): void {
    const i = Math.floor(this.random() * this.seeds.length);
    const seed = this.seeds[i];
    if (seed.writing !== null) return this.finishWrite(seed, i);
    if (seed.machine === null) return this.boot(seed, i);
    if (this.network.length > 0 && this.random() < 0.7) return this.deliverOne();
    seed.machine.tick();
    this.perform(seed, i);
  }

  heal(): void {
    this.faults = { loss: 0 };
  }

  crash(i: number, loseDisk = false): void {
    const seed = this.seeds[i];
    seed.machine = null;
    seed.writing = null;
    if (loseDisk) seed.disk = null;
    this.crashes++;
    // Connections die with the process, with what was on them.
    this.network = this.network.filter(({ from, to }) => from !== i && to !== this.addresses[i]);
  }

  allFounded(): boolean {
    return this.seeds.every(({ disk }) => disk?.phase === 'founded');
  }

  /** Never two clusters, and nobody is founded whom somebody has not prepared. */
  check(): void {
    for (const { disk } of this.seeds) {
      if (disk?.phase !== 'founded') continue;
      this.clusterIds.add(disk.cluster.id);
      // All hold the same epoch 1, whatever each of them would have made of it.
      this.firsts.add(JSON.stringify(disk.cluster.first));
      expect(this.firsts.size).toBe(1);
      expect(disk.cluster.nodes.map(({ host }) => host)).toEqual(
        this.seeds.map(({ announced }) => announced.host),
      );
      expect(disk.cluster.nodes.some(({ id }) => id === disk.node)).toBe(true);
    }
    expect(this.clusterIds.size).toBeLessThanOrEqual(1);
  }

  private boot(seed: Seed, i: number): void {
    if (seed.disk === null) {
      seed.writing = { phase: 'unfounded', node: this.draw() };
      return;
    }
    const config = {
      seeds: this.addresses,
      announced: seed.announced,
      drawClusterId: () => this.draw(),
      firstTopology: firstOf,
    };
    seed.machine = new Founding(config, seed.disk);
    this.perform(seed, i);
  }

  /** A write takes a step of its own, in which other things happen and a crash may lie on either side of it. */
  private finishWrite(seed: Seed, i: number): void {
    const crashAt = this.faults.crashAt?.write === this.writes ? this.faults.crashAt.when : null;
    this.writes++;
    if (crashAt === 'before') return this.crash(i);
    seed.disk = seed.writing;
    seed.writing = null;
    if (crashAt === 'after') return this.crash(i);
    if (seed.machine === null) return;
    seed.machine.written();
    this.perform(seed, i);
  }

  private deliverOne(): void {
    const [{ from, to, message }] = this.network.splice(Math.floor(this.random() * this.network.length), 1);
    const i = this.addresses.indexOf(to);
    const { machine } = this.seeds[i];
    if (machine === null || this.random() < this.faults.loss) return;
    machine.receive({ announced: this.seeds[from].announced }, message);
    this.perform(this.seeds[i], i);
  }

  private perform(seed: Seed, i: number): void {
    for (const effect of seed.machine?.takeEffects() ?? []) {
      if (effect.kind === 'write') {
        expect(seed.writing).toBeNull();
        seed.writing = effect.state;
      }
      // What others hear is on disk.
      if (effect.kind === 'send') {
        expect(effect.message.state).toEqual(seed.disk);
        this.network.push({ from: i, to: effect.to, message: effect.message });
      }
      if (effect.kind === 'founded') expect(seed.disk?.phase).toBe('founded');
      if (effect.kind === 'refused') seed.refused.push(effect.reason);
      if (effect.kind === 'disagree') seed.disagreed.push(effect.reason);
    }
    if (this.network.length > 200) this.network.splice(0, this.network.length - 200);
  }

  private draw(): string {
    this.drawn++;
    return this.drawn.toString(16).padStart(40, '0');
  }
}

const STEPS_UNDER_FAULTS = 400;
const STEPS_TO_COMPLETE = 20_000;

function complete(world: World): void {
  for (let step = 0; step < STEPS_TO_COMPLETE && !world.allFounded(); step++) {
    world.step();
    world.check();
  }
  expect(world.allFounded()).toBe(true);
  expect(world.seeds.flatMap(({ refused, disagreed }) => [...refused, ...disagreed])).toEqual([]);
}

describe('founding', () => {
  it.each([1, 2, 3, 5])('of %i seeds completes after a crash before or after any of its writes', (count) => {
    const writes = count * 3;
    for (let write = 0; write < writes; write++) {
      for (const when of ['before', 'after'] as const) {
        for (let seed = 1; seed <= 3; seed++) {
          const world = new World(count, seed * 1_000 + write, { loss: 0.2, crashAt: { write, when } });
          complete(world);
          expect(world.crashes).toBe(1);
        }
      }
    }
  });

  it.each([1, 2, 3, 5])(
    'of %i seeds never makes two clusters under loss, reordering and many crashes',
    (count) => {
      for (let seed = 1; seed <= 20; seed++) {
        const random = seededRandom(seed);
        const world = new World(count, seed, { loss: 0.5 });
        for (let step = 0; step < STEPS_UNDER_FAULTS; step++) {
          if (random() < 0.03) world.crash(Math.floor(random() * count));
          world.step();
          world.check();
        }
        world.heal();
        complete(world);
      }
    },
  );

  it('waits for every seed, and says for whom', () => {
    const world = new World(3, 1, { loss: 0 });
    for (let step = 0; step < 300; step++) {
      world.crash(2);
      world.step();
    }
    expect(world.allFounded()).toBe(false);
    expect(world.seeds[0].disk?.phase).toBe('unfounded');
    expect(world.seeds[0].machine?.waiting()).toBe('waiting for node-2:16379 to found the cluster');
  });

  it('never takes a node that lost its disk for its old self', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const world = new World(3, seed, { loss: 0.2 });
      complete(world);
      const cluster = clusterOf(world.seeds[0].disk!)!;
      world.crash(seed % 3, true);
      for (let step = 0; step < 600; step++) world.step();
      world.check();
      const lost = world.seeds[seed % 3];
      expect(lost.disk?.phase).toBe('unfounded');
      // Whether its place is free again those say who know the topology (join-desk.ts).
      expect(lost.refused).toEqual([]);
      expect(cluster.nodes.map(({ id }) => id)).not.toContain(lost.disk?.node);
    }
  });

  it('does not begin anew when all but one seed lost their disks (histories.md 1)', () => {
    const world = new World(3, 7, { loss: 0 });
    complete(world);
    const [before] = world.clusterIds;
    world.crash(1, true);
    world.crash(2, true);
    for (let step = 0; step < 500; step++) {
      world.crash(0);
      world.step();
      world.check();
    }
    expect(world.seeds[1].disk?.phase).toBe('unfounded');
    expect([...world.clusterIds]).toEqual([before]);
  });

  it('a node that loses its disk while the founding is under way stops it, and says how to go on', () => {
    const world = new World(2, 3, { loss: 0 });
    while (world.seeds[0].disk?.phase !== 'prepared') world.step();
    world.crash(1, true);
    for (let step = 0; step < 300; step++) world.step();
    world.check();
    expect(world.clusterIds.size).toBe(0);
    expect(world.seeds[1].refused[0]).toContain('empty those of all seeds');
  });
});

describe('seeds that differ', () => {
  const node = (i: number): string => `${i}`.repeat(40);
  const machine = (i: number, seeds: string[], restored?: FoundingState): Founding =>
    new Founding(
      { seeds, announced: announcement(i), drawClusterId: () => 'c'.repeat(40), firstTopology: firstOf },
      restored ?? { phase: 'unfounded', node: node(i) },
    );
  const [a, b, c] = [0, 1, 2].map((i) => seedAddress(announcement(i)));

  it('refuse each other and show both lists', () => {
    const first = machine(0, [a, b]);
    first.receive(
      { announced: announcement(1) },
      { seeds: [c, b, a], state: { phase: 'unfounded', node: node(1) } },
    );
    const reason = `the seeds must be the same on all nodes: ${a},${b} here, ${a},${b},${c} at ${b}`;
    expect(first.takeEffects()).toEqual([{ kind: 'disagree', reason }]);
    expect(first.state.phase).toBe('unfounded');
  });

  it('do not matter in another order, or once the other is founded', () => {
    const first = machine(0, [b, a]);
    first.receive(
      { announced: announcement(1) },
      { seeds: [a, b], state: { phase: 'unfounded', node: node(1) } },
    );
    const [effect] = first.takeEffects();
    expect(effect).toMatchObject({ kind: 'write', state: { phase: 'prepared' } });
    const cluster = clusterOf(effect.kind === 'write' ? effect.state : first.state)!;
    const second = machine(1, [a, b, c]);
    second.receive(
      { announced: announcement(0) },
      { seeds: [a, b], state: { phase: 'founded', node: node(0), cluster } },
    );
    expect(second.takeEffects()).toEqual([
      { kind: 'write', state: { phase: 'founded', node: node(1), cluster } },
    ]);
  });

  it('a node prepared for one cluster stops when its place is in another that was founded', () => {
    const cluster = {
      id: 'd'.repeat(40),
      nodes: [0, 1].map((i) => ({ id: node(i), ordinal: i + 1, ...announcement(i) })),
    };
    const other = { ...cluster, id: 'e'.repeat(40) };
    const second = machine(1, [a, b], { phase: 'prepared', node: node(1), cluster });
    second.receive(
      { announced: announcement(0) },
      { seeds: [a, b], state: { phase: 'founded', node: node(0), cluster: other } },
    );
    const effects = second.takeEffects();
    expect(effects[0]).toMatchObject({ kind: 'refused' });
    expect(effects.some(({ kind }) => kind === 'write')).toBe(false);
  });
});
