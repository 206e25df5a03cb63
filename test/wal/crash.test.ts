import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import type { Entry } from '../../src/raft/entry.ts';
import type { HardState, SnapshotMeta } from '../../src/raft/types.ts';
import type { Crash } from '../../src/env/sim/disk.ts';
import type { OpenedWal } from '../../src/wal/open.ts';
import type { Durability, WalRecovery } from '../../src/wal/types.ts';
import { entryOf, SimulatedWorld } from './world.ts';

const GROUPS = [1, 2, 3];
const RUNS = 80;

/** What the log says of one group, if all of it counts. */
interface GroupState {
  entries: readonly Entry[];
  hardState: HardState;
}

interface LogState {
  groups: readonly GroupState[];
  ceilingMs: number;
}

type Step =
  | { do: 'append'; group: number; count: number; payloadBytes: number }
  | { do: 'replace'; group: number; back: number; count: number }
  | { do: 'hardState'; group: number; vote: number }
  | { do: 'ceiling' }
  | { do: 'flush' }
  | { do: 'wait'; ms: number }
  | { do: 'snapshot'; group: number }
  | { do: 'crash'; as: Crash; again: { as: Crash; after: number }[] }
  | { do: 'restart' };

const crashAs = fc.constantFrom<Crash>('kill', 'lost', 'kept', 'torn', 'torn');
const group = fc.integer({ min: 0, max: GROUPS.length - 1 });
const payloadBytes = fc.oneof(
  { weight: 5, arbitrary: fc.integer({ min: 0, max: 200 }) },
  { weight: 2, arbitrary: fc.integer({ min: 500, max: 3000 }) },
  { weight: 1, arbitrary: fc.integer({ min: 8000, max: 20_000 }) },
);
const step = fc.oneof<fc.MaybeWeightedArbitrary<Step>[]>(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('append' as const),
      group,
      count: fc.integer({ min: 1, max: 6 }),
      payloadBytes,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('replace' as const),
      group,
      back: fc.integer({ min: 0, max: 8 }),
      count: fc.integer({ min: 1, max: 4 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('hardState' as const), group, vote: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('ceiling' as const) }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('flush' as const) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('wait' as const),
      ms: fc.double({ min: 0, max: 0.6, noNaN: true }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('snapshot' as const), group }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('crash' as const),
      as: crashAs,
      again: fc.array(fc.record({ as: crashAs, after: fc.nat(30) }), { maxLength: 3 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restart' as const) }) },
);

/** Runs steps against a log, and holds what comes back from the disk against what was put there. */
class Runner {
  readonly world: SimulatedWorld;
  readonly #durability: Durability;
  #opened: OpenedWal | null = null;
  /** The states after each thing staged since the start; the first is what was recovered. */
  #states: LogState[] = [emptyState()];
  /** States below this one are over: a callback said that this one is durable. */
  #durable = 0;
  #term = 1;
  readonly #snapshots = new Map<number, SnapshotMeta>();
  /** A snapshot whose commit was under way when the process died. */
  #doubtful: { group: number; meta: SnapshotMeta } | null = null;
  torn = 0;
  refused = false;

  constructor(seed: number, durability: Durability) {
    this.world = new SimulatedWorld(seed);
    this.#durability = durability;
  }

  async run(steps: readonly Step[]): Promise<void> {
    await this.#open();
    for (const one of steps) {
      await this.#step(one);
      if (this.refused) return;
    }
    await this.#step({ do: 'crash', as: 'lost', again: [] });
  }

  async #step(one: Step): Promise<void> {
    const { wal } = this.#opened!;
    switch (one.do) {
      case 'append':
        return this.#stage(one.group, this.#last(one.group) + 1, one.count, one.payloadBytes);
      case 'replace': {
        this.#term += 1;
        const floor = this.#snapshots.get(GROUPS[one.group])?.index ?? 0;
        return this.#stage(one.group, Math.max(this.#last(one.group) - one.back, floor) + 1, one.count, 100);
      }
      case 'hardState':
        return this.#stageHardState(one.group, one.vote);
      case 'ceiling': {
        const ceilingMs = this.#state().ceilingMs + 10;
        wal.stageTimeCeiling(ceilingMs);
        return void this.#states.push({ ...this.#state(), ceilingMs });
      }
      case 'flush': {
        const covered = this.#states.length - 1;
        return wal.flush(() => {
          expect(this.world.machineDisk.running).toBe(true);
          expect(covered).toBeGreaterThanOrEqual(this.#durable);
          this.#durable = covered;
        });
      }
      case 'wait':
        return this.world.scheduler.advance(one.ms);
      case 'snapshot':
        return this.#snapshot(one.group);
      case 'crash':
        return this.#crash(one.as, one.again);
      case 'restart':
        await this.world.settle(wal.close(this.#state().ceilingMs));
        this.#durable = this.#states.length - 1;
        this.world.stop('lost');
        return this.#open();
    }
  }

  #state(): LogState {
    return this.#states[this.#states.length - 1];
  }

  #last(index: number): number {
    const snapshot = this.#snapshots.get(GROUPS[index])?.index ?? 0;
    return this.#state().groups[index].entries.at(-1)?.index ?? snapshot;
  }

  /** One state an entry: a crash may keep a part of them. */
  #stage(at: number, first: number, count: number, payloadBytes: number): void {
    const entries = Array.from({ length: count }, (_, i) =>
      entryOf(this.#term, first + i, payloadBytes, this.#states.length),
    );
    for (const entry of entries) {
      const before = this.#state().groups[at].entries;
      this.#change(at, { entries: [...before.filter(({ index }) => index < entry.index), entry] });
    }
    this.#opened!.wal.stageEntries(GROUPS[at], entries);
  }

  #stageHardState(at: number, vote: number): void {
    this.#term += 1;
    const hardState = { term: this.#term, vote, commit: 0 };
    this.#opened!.wal.stageHardState(GROUPS[at], hardState);
    this.#change(at, { hardState });
  }

  #change(at: number, change: Partial<GroupState>): void {
    const state = this.#state();
    const groups = state.groups.map((before, i) => (i === at ? { ...before, ...change } : before));
    this.#states.push({ ...state, groups });
  }

  /** Of what is durable and will not be replaced. The process may die on the way. */
  async #snapshot(at: number): Promise<void> {
    const last = this.#states[this.#durable].groups[at].entries.at(-1);
    const present = this.#state().groups[at].entries;
    if (last === undefined || !present.includes(last) || this.#durable !== this.#states.length - 1) return;
    const meta = {
      index: last.index,
      term: last.term,
      membership: { voters: [1], votersOld: [], learners: [] },
    };
    const { snapshots, wal } = this.#opened!;
    const writer = await this.world.settle(snapshots.create(GROUPS[at], meta));
    await this.world.settle(writer.append(Buffer.alloc(3000, meta.index)));
    if (this.world.machineDisk.random.chance(0.2)) {
      this.#doubtful = { group: GROUPS[at], meta };
      const as = this.#durability === 'fsync' ? 'torn' : 'kill';
      this.world.machineDisk.crashAfter(this.world.machineDisk.random.below(6), as);
      await this.#untilSettledOrDead(writer.commit());
      return this.#crash('kill', []);
    }
    await this.world.settle(writer.commit());
    this.#snapshots.set(GROUPS[at], meta);
    const entries = present.filter(({ index }) => index > meta.index);
    this.#states = [this.#state()];
    this.#durable = 0;
    this.#change(at, { entries });
    this.#states.shift();
    wal.release(GROUPS[at], meta.index);
  }

  async #crash(as: Crash, again: readonly { as: Crash; after: number }[]): Promise<void> {
    const machineStops =
      (as !== 'kill' && this.world.machineDisk.running) || again.some((one) => one.as !== 'kill');
    if (this.world.machineDisk.running) this.world.stop(as);
    for (const { as: how, after } of again) {
      const opening = this.world.start({ durability: this.#durability });
      this.world.machineDisk.crashAfter(after, how);
      await this.#untilSettledOrDead(opening);
      if (this.world.machineDisk.running) this.world.stop(how);
      this.world.bootId = how === 'kill' ? this.world.bootId : `${this.world.bootId}"`;
    }
    if (this.#durability === 'buffered' && machineStops) {
      await expect(this.world.open({ durability: 'buffered' })).rejects.toMatchObject({
        code: 'TORC_UNCLEAN_STOP',
      });
      this.refused = true;
      return;
    }
    await this.#open();
  }

  /** Waits for an outcome that may never come, since the process dies. Refusals are looked at when it opens in the end. */
  async #untilSettledOrDead(promise: Promise<unknown>): Promise<void> {
    let settled = false;
    const done = (): void => {
      settled = true;
    };
    promise.then(done, done);
    await this.world.scheduler.runUntil(() => settled || !this.world.machineDisk.running);
  }

  async #open(): Promise<void> {
    this.#opened = await this.world.open({ durability: this.#durability, bufferedSyncDelayMs: 0.4 });
    const { recovery } = this.#opened;
    this.#settleDoubt(recovery);
    const entries = GROUPS.map((id) => recovery.groups.get(id)?.entries ?? []);
    const possible = this.#states.slice(this.#durable);
    const found = possible.find((state) =>
      state.groups.every((one, i) => sameEntries(one.entries, entries[i])),
    );
    if (found === undefined)
      throw new Error(`the log holds ${describeEntries(entries)}: never staged, or not all that was durable`);
    const hardStates = GROUPS.map(
      (id) => recovery.groups.get(id)?.hardState ?? { term: 0, vote: 0, commit: 0 },
    );
    for (const [i, hardState] of hardStates.entries()) {
      expect(possible.map((state) => state.groups[i].hardState)).toContainEqual(hardState);
    }
    expect(possible.map((state) => state.ceilingMs)).toContain(recovery.timeCeilingMs);
    for (const id of GROUPS)
      expect(recovery.groups.get(id)?.snapshot ?? undefined).toEqual(this.#snapshots.get(id));
    this.torn += recovery.tornBytes;
    const groups = GROUPS.map((_, i) => ({ entries: entries[i], hardState: hardStates[i] }));
    this.#states = [{ groups, ceilingMs: recovery.timeCeilingMs }];
    this.#durable = 0;
  }

  /** Either outcome is right; from now on it is this one. */
  #settleDoubt(recovery: WalRecovery): void {
    if (this.#doubtful === null) return;
    const { group: id, meta } = this.#doubtful;
    this.#doubtful = null;
    if (recovery.groups.get(id)?.snapshot?.index !== meta.index) return;
    this.#snapshots.set(id, meta);
    const at = GROUPS.indexOf(id);
    this.#states = this.#states.map((state) => ({
      ...state,
      groups: state.groups.map((one, i) =>
        i === at ? { ...one, entries: one.entries.filter(({ index }) => index > meta.index) } : one,
      ),
    }));
  }
}

function emptyState(): LogState {
  return {
    groups: GROUPS.map(() => ({ entries: [], hardState: { term: 0, vote: 0, commit: 0 } })),
    ceilingMs: 0,
  };
}

function sameEntries(left: readonly Entry[], right: readonly Entry[]): boolean {
  return left.length === right.length && left.every((entry, i) => entry.bytes.equals(right[i].bytes));
}

function describeEntries(groups: readonly (readonly Entry[])[]): string {
  return groups.map((entries) => entries.map(({ term, index }) => `${term}/${index}`).join(' ')).join(' | ');
}

describe('any run of writes, crashes and restarts', () => {
  for (const durability of ['fsync', 'buffered'] as const) {
    it(`gives back what was durable, and nothing that was never staged (${durability})`, async () => {
      let torn = 0;
      await fc.assert(
        fc.asyncProperty(
          fc.nat(),
          fc.array(step, { minLength: 5, maxLength: 60, size: 'max' }),
          async (seed, steps) => {
            const runner = new Runner(seed, durability);
            await runner.run(steps);
            torn += runner.torn;
          },
        ),
        { numRuns: RUNS },
      );
      if (durability === 'fsync') expect(torn).toBeGreaterThan(0);
    });
  }
});
