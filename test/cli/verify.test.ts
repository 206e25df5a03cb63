import { describe, expect, it } from 'vitest';
import type { MarkReport } from '../../src/admin/status.ts';
import type { Address } from '../../src/env/contracts.ts';
import { hashesOfShard, type ReplicaPlace, type VerifyClient } from '../../src/cli/verify-shard.ts';
import { conclusion, judge, verifyCells } from '../../src/cli/verify-table.ts';

const SHARD = 1;
const EQUAL = 'e'.repeat(16);
const OTHER = 'f'.repeat(16);

/** A replica that answers as it is told. */
interface Played {
  leads?: boolean;
  hash?: string;
  /** What it tells of marks, one after the other, the last one again and again; else it is done at once. */
  tells?: ((mark: number) => object | number)[];
  standsAt?: number;
  isDown?: boolean;
}

/** The shard's replicas on 10.0.0.1, 10.0.0.2, …; the mark is always logged at index 50. */
class World implements VerifyClient {
  readonly replicas: Played[];
  readonly marks = new Set<number>();
  private timeMs = 0;
  private turn = 0;

  constructor(...replicas: Played[]) {
    this.replicas = replicas;
  }

  get places(): ReplicaPlace[] {
    return this.replicas.map((_, at) => ({
      node: `node-${at + 1}`,
      address: { host: `10.0.0.${at + 1}`, port: 8379 },
      reason: '',
    }));
  }

  run(places = this.places): ReturnType<typeof hashesOfShard> {
    return hashesOfShard(this, SHARD, places, 10_000);
  }

  ask(method: 'GET' | 'POST', { host }: Address, path: string): Promise<{ status: number; body: string }> {
    const replica = this.replicas[Number(host.slice(7)) - 1];
    if (replica.isDown === true) return Promise.reject(new Error('nothing listens there'));
    const url = new URL(path, 'http://node');
    const mark = Number(url.searchParams.get('mark'));
    const reply = (status: number, body: object | string): Promise<{ status: number; body: string }> =>
      Promise.resolve({ status, body: typeof body === 'string' ? body : JSON.stringify(body) });
    if (url.pathname === '/api/digest')
      return reply(200, { shard: SHARD, index: replica.standsAt ?? 40, digest: replica.hash ?? EQUAL });
    if (url.pathname === '/api/verify/mark')
      return replica.leads === true ? reply(200, { index: 50 }) : reply(409, 'This node does not lead.\n');
    this.marks.add(mark);
    const done: Partial<MarkReport> = { state: 'done', index: 50, hash: replica.hash ?? EQUAL };
    if (method === 'POST') return reply(200, { state: 'expected', appliedIndex: 40 });
    const tells = replica.tells ?? [];
    const told = tells.length > 1 ? tells.shift() : tells[0];
    const answer = told?.(this.marks.size) ?? done;
    return typeof answer === 'number' ? reply(answer, 'no\n') : reply(200, answer);
  }

  random(): number {
    this.turn += 1;
    return this.turn / 1000;
  }

  nowMs(): number {
    return this.timeMs;
  }

  sleep(delayMs: number): Promise<void> {
    this.timeMs += delayMs;
    return Promise.resolve();
  }
}

describe('the comparison of the replicas of a shard', () => {
  it('waits until each has come to the mark, and finds them equal', async () => {
    const world = new World(
      {
        tells: [
          () => ({ state: 'expected', appliedIndex: 45 }),
          () => ({ state: 'hashing', index: 50 }),
          () => 0,
        ],
      },
      { leads: true },
      {},
    );
    world.replicas[0].tells?.splice(2, 1, () => ({ state: 'done', index: 50, hash: EQUAL }));
    const rows = judge(SHARD, await world.run());
    expect(rows.map(({ index, hash, verdict }) => [index, hash, verdict])).toEqual(
      [1, 2, 3].map(() => [50, EQUAL, 'equal']),
    );
    expect(conclusion(rows)).toMatch(/^EQUAL: all 3/);
    expect(world.marks.size).toBe(1);
  });

  it('tells which one differs', async () => {
    const rows = judge(SHARD, await new World({ leads: true }, { hash: OTHER }, {}).run());
    expect(rows.map(({ verdict }) => verdict)).toEqual(['equal', 'differs', 'equal']);
    expect(conclusion(rows)).toBe('DIFFERENT: the replicas of shard 1 do not hold the same.');
  });

  it('says of two that differ that each does', async () => {
    const rows = judge(SHARD, await new World({ leads: true }, { hash: OTHER }).run());
    expect(rows.map(({ verdict }) => verdict)).toEqual(['differs', 'differs']);
  });

  it('goes on without one that is down, and says so', async () => {
    const world = new World({ leads: true }, {}, { isDown: true });
    const rows = judge(SHARD, await world.run());
    expect(verifyCells(rows)).toEqual([
      [1, 50, 'node-1', EQUAL, 'equal'],
      [1, 50, 'node-2', EQUAL, 'equal'],
      [1, '-', 'node-3', '-', 'not compared: nothing listens there'],
    ]);
    expect(conclusion(rows)).toBe(
      'INCOMPLETE: 1 of 3 replicas could not be compared; the other 2 are equal.',
    );
    const places = world.places.map((place, at) =>
      at === 2 ? { ...place, address: null, reason: 'no answer in time' } : place,
    );
    expect((await world.run(places))[2].reason).toBe('no answer in time');
  });

  it('sets another mark when one is lost with its leader', async () => {
    const lost = (marks: number): object =>
      marks === 1 ? { state: 'expected', appliedIndex: 60 } : { state: 'done', index: 50, hash: EQUAL };
    const world = new World({ leads: true, tells: [lost] }, { tells: [lost] }, {});
    expect(judge(SHARD, await world.run()).map(({ verdict }) => verdict)).toEqual(Array(3).fill('equal'));
    expect(world.marks.size).toBe(2);
  });

  it('gives up on a replica that does not come to the mark in time, or was restarted', async () => {
    const world = new World({ leads: true }, { tells: [() => ({ state: 'expected', appliedIndex: 3 })] });
    const [, behind] = await world.run();
    expect(behind.reason).toBe('it did not come to index 50 in time: it has applied 3');
    const [, restarted] = await new World({ leads: true }, { tells: [() => 404] }).run();
    expect(restarted.reason).toBe('it was restarted meanwhile');
    const rows = judge(SHARD, await world.run());
    expect(rows.map(({ verdict }) => verdict)).toEqual(['not compared', 'not compared']);
  });

  it('compares them as they stand when nobody leads', async () => {
    const world = new World({}, { standsAt: 41 }, {}, { isDown: true });
    const rows = judge(SHARD, await world.run());
    expect(rows.map(({ index, verdict }) => [index, verdict])).toEqual([
      [40, 'equal'],
      [41, 'not compared'],
      [40, 'equal'],
      [null, 'not compared'],
    ]);
  });

  it('has nothing to compare a single replica with', async () => {
    const rows = judge(SHARD, await new World({ leads: true }).run());
    expect(rows[0].verdict).toBe('only copy');
    expect(conclusion(rows)).toBe(
      'EQUAL: 0 of 1 replicas hold the same as the others of their shard; 1 is the only copy, with nothing to compare.',
    );
  });
});
