/** No split birth: however nodes start, are cut off, crash and lose disks before they are founded, there is one cluster at most. */
import { beforeAll, describe, expect, it } from 'vitest';

import { loadTokenHash } from '../../../ring/index.ts';
import { SeededRandom } from '../../../src/env/sim/random.ts';
import { decodeFoundingFile } from '../../../src/topology/founding-codec.ts';
import { HOST, nameOf, SimCluster } from './cluster.ts';

const SEEDS = 12;
const FILE = '/data/cluster.json';
const FAULTS = 50;
const PEER = 10_000;

class Births {
  readonly cluster: SimCluster;
  readonly random: SeededRandom;
  readonly size: number;
  /** All clusters that any node was ever of. */
  readonly born = new Set<string>();
  readonly refused: string[] = [];
  private readonly up = new Set<number>();

  constructor(seed: number, size: number) {
    this.random = new SeededRandom(seed);
    this.size = size;
    this.cluster = new SimCluster(seed, size);
  }

  below(limit: number): number {
    return this.random.uint32() % limit;
  }

  start(i: number): void {
    if (this.up.has(i)) return;
    this.up.add(i);
    this.cluster.launch(i).catch((error: unknown) => this.refused.push(String(error)));
  }

  crash(i: number): void {
    if (!this.up.delete(i)) return;
    this.cluster.crash(i, this.below(2) === 0 ? 'lost' : 'kill');
  }

  loseDisk(i: number): void {
    this.crash(i);
    const { disk } = this.cluster.nodes[i];
    for (const path of disk.paths()) disk.removeContent(path);
  }

  look(): void {
    for (const { disk } of this.cluster.nodes) {
      const bytes = disk.content(FILE);
      const state = bytes === null ? null : decodeFoundingFile(FILE, bytes);
      if (state?.phase === 'founded') this.born.add(state.cluster.id);
    }
    expect([...this.born].length, 'clusters').toBeLessThanOrEqual(1);
  }

  async pass(durationMs: number): Promise<void> {
    await this.cluster.pass(durationMs);
    this.look();
  }

  /** Two halves that start apart, or lines that are cut one way or both; late starters; crashes. */
  async suffer(mayLoseDisks: boolean): Promise<void> {
    const { cluster, size } = this;
    if (this.below(2) === 0)
      for (let i = 0; i < size; i++)
        for (let j = i + 1; j < size; j++) if ((i + j) % 2 === 1) cluster.cut(i, j);
    for (let step = 0; step < FAULTS; step++) {
      const [i, j] = [this.below(size), this.below(size)];
      const what = this.below(10);
      if (what < 4) this.start(i);
      else if (what < 6 && i !== j) cluster.network.block(nameOf(i), nameOf(j));
      else if (what === 6 && i !== j) cluster.cut(i, j);
      else if (what === 7) cluster.network.heal();
      else if (what === 8) this.crash(i);
      else if (mayLoseDisks && this.below(4) === 0 && (this.born.size === 0 || i !== size - 1))
        this.loseDisk(i);
      await this.pass(20 + this.below(400));
    }
  }

  async heal(): Promise<void> {
    this.cluster.network.heal();
    for (let i = 0; i < this.size; i++) this.start(i);
    await this.pass(30_000);
  }

  get readyNodes(): number {
    return this.cluster.nodes.filter(({ running }) => running?.ready === true).length;
  }
}

describe('nodes that start apart', () => {
  // In real time, and once.
  beforeAll(async () => {
    await loadTokenHash();
  });

  it.each(Array.from({ length: SEEDS }, (_, at) => at + 1))(
    'with one list of seeds found one cluster, and all are of it in the end: seed %i',
    async (seed) => {
      const births = new Births(seed, 2 + (seed % 4));
      await births.suffer(false);
      await births.heal();
      expect(births.refused).toEqual([]);
      expect(births.readyNodes).toBe(births.size);
      expect(births.born.size).toBe(1);
    },
  );

  it.each(Array.from({ length: SEEDS }, (_, at) => 100 + at))(
    'with lists that differ, and disks that are lost, never found two: seed %i',
    async (seed) => {
      const births = new Births(seed, 3 + (seed % 3));
      const { cluster, size } = births;
      // All lists have the last node in common: two that have none are two clusters, as their operators have said.
      const common = size - 1;
      for (let i = 0; i < size; i++) {
        const listed = [...cluster.nodes.keys()].filter((at) => at === common || births.below(3) > 0);
        const seeds = listed.map((at) => `${HOST}:${cluster.portOf(at) + PEER}`).join(',');
        if (births.below(2) === 0) cluster.ownFlags[i] = { seeds };
      }
      await births.suffer(true);
      await births.heal();
    },
  );
});
