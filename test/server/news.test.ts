import { describe, expect, it } from 'vitest';

import { SimulatedClock } from '../../src/env/sim/clock.ts';
import { Scheduler } from '../../src/env/sim/scheduler.ts';
import { silentLog } from '../../src/log.ts';
import { News, TOLD_IN_TURN } from '../../src/server/news.ts';
import { Peers } from '../../src/server/peers.ts';
import { SectionKind, type PeerLink } from '../../src/transport/types.ts';
import { FakeLink } from './fake-link.ts';

const INTERVAL_MS = 500;

/** A node that has so many others. */
class Rig {
  readonly scheduler = new Scheduler();
  readonly clock = new SimulatedClock(this.scheduler, { rate: 1, wallMs: 0 });
  readonly peers = new Peers(this.clock);
  readonly links: FakeLink[];
  readonly news: News;

  constructor(others: number) {
    this.links = Array.from({ length: others }, () => new FakeLink());
    const settings = { id: 'one', maxmemoryBytes: 0 };
    this.news = new News({
      replicas: [],
      peers: this.peers,
      links: new Map(this.links.map((link, at) => [String(at), link as unknown as PeerLink])),
      settings,
      log: silentLog,
      room: { tend: () => {}, bytes: 0 },
      wal: { stats: { syncedEnd: 0 } },
      isReady: () => true,
    } as unknown as ConstructorParameters<typeof News>[0]);
  }

  /** Who is told in one turn. */
  tell(): number[] {
    this.news.tell({ monotonicMs: this.clock.monotonicMs(), wallMs: 0 });
    return [...this.links.keys()].filter((at) => this.links[at].take(SectionKind.HINTS).length > 0);
  }

  async pass(durationMs: number): Promise<void> {
    const untilMs = this.scheduler.nowMs + durationMs;
    this.scheduler.after(durationMs, () => {});
    await this.scheduler.runUntil(() => this.scheduler.nowMs >= untilMs);
  }
}

describe('what a node tells the others', () => {
  it('may be told twice in a frame: a new connection, and what has changed in the same turn', () => {
    const rig = new Rig(1);
    rig.news.greet(rig.links[0] as unknown as PeerLink);
    rig.news.tell({ monotonicMs: 0, wallMs: 0 });
    const told = rig.links[0].take(SectionKind.HINTS);
    expect(rig.peers.hear('other', told, 0, told.length)?.name).toBe('one');
  });

  it('goes to all of a few, each half second', async () => {
    const rig = new Rig(4);
    expect(rig.tell()).toHaveLength(4);
    expect(rig.tell()).toEqual([]);
    await rig.pass(INTERVAL_MS);
    expect(rig.tell()).toHaveLength(4);
  });

  it('goes to many in turn, as much each second, and to all at once when it is new', async () => {
    const rig = new Rig(50);
    expect(rig.tell()).toHaveLength(50);
    const told = new Set<number>();
    for (let round = 0; round < 4; round++) {
      await rig.pass(INTERVAL_MS);
      const some = rig.tell();
      expect(some).toHaveLength(TOLD_IN_TURN);
      for (const at of some) told.add(at);
    }
    expect(told.size).toBe(50);
    rig.news.soon();
    expect(rig.tell()).toHaveLength(50);
  });

  it('is waited for longer, the more there are to be told', async () => {
    const rig = new Rig(160);
    rig.tell();
    await rig.pass(INTERVAL_MS);
    rig.tell();
    await rig.pass(10 * INTERVAL_MS);
    expect(rig.peers.isFailed('0')).toBe(false);
    await rig.pass(60 * INTERVAL_MS);
    expect(rig.peers.isFailed('0')).toBe(true);
  });
});
