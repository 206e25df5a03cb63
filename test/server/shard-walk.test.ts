import { describe, expect, it } from 'vitest';

import { COMMANDS } from '../../src/commands/table.ts';
import { compiledLookup } from '../../src/server/compiled-command.ts';
import type { Connection } from '../../src/server/connection.ts';
import { Request, type RequestOwner } from '../../src/server/request.ts';
import type { Router, ShardWay } from '../../src/server/router.ts';
import { KeysWalk, keysAsScan } from '../../src/server/keys-walk.ts';
import { NOTHING_DONE } from '../../src/server/route.ts';
import { RandomKeyWalk, ScanWalk, type WalkHost } from '../../src/server/shard-walk.ts';
import { SlotsWalk } from '../../src/server/slots-walk.ts';
import { rangeBytes } from '../../src/shard/command-item.ts';
import { rangesOf } from '../../src/topology/slot-ranges.ts';
import type { Args } from '../../src/resp/args.ts';
import type { SlotRange, SlotRun } from '../../src/topology/types.ts';
import { argsOf } from '../shard/encode.ts';

const SLOT_STRIDE = 2 ** 32;
const RUNS: readonly SlotRun[] = [
  { from: 0, to: 99, shard: 1 },
  { from: 100, to: 8191, shard: 2 },
  { from: 8192, to: 16383, shard: 1 },
];
const NIL = '$-1\r\n';

const lookup = compiledLookup(COMMANDS);

interface Asked {
  shard: number;
  slot: number;
  words: string[];
  rides: boolean;
  slots?: readonly SlotRange[] | null;
}

/** A connection's walk over two shards, which answer what the test says. */
class World {
  readonly asked: Asked[] = [];
  holds = 0;
  parts = 0;
  reply: string | null = null;
  protocol: 2 | 3 = 2;
  covered = new Set([1, 2]);
  readonly written = new Set<number>();
  /** Of KEYS. */
  place = new Request();
  readonly ways: readonly ShardWay[];
  /** Slots that have just gone there: the runs are those of before. */
  readonly movedTo2 = new Set<number>();
  private readonly pending: { shard: number; owner: RequestOwner; request: Request }[] = [];
  /** What waits for news of owners. */
  later: (() => void)[] = [];
  nowMs = 1000;
  private readonly host: WalkHost;

  constructor() {
    this.ways = [1, 2].map((shard, index) => {
      const runs = RUNS.filter((run) => run.shard === shard);
      const slotCount = runs.reduce((sum, { from, to }) => sum + to - from + 1, 0);
      return { index, shard, runs, slotCount } as unknown as ShardWay;
    });
    const wayOfSlot = (slot: number): ShardWay => {
      const run = RUNS.find(({ from, to }) => slot >= from && slot <= to);
      if (run === undefined) throw new RangeError(`slot ${slot}`);
      return this.ways[this.movedTo2.has(slot) ? 1 : run.shard - 1];
    };
    const submit = (
      request: Request,
      owner: RequestOwner,
      way: ShardWay,
      _command: unknown,
      args: Args,
      _db: number,
      _resp3: boolean,
      slot: number,
      rides: boolean,
    ): void => {
      const words = Array.from({ length: args.count }, (_, i) => args.text(i));
      this.asked.push({ shard: way.shard, slot, words, rides, slots: request.slots });
      this.pending.push({ shard: way.shard, owner, request });
    };
    this.host = {
      router: {
        ways: this.ways,
        wayOfSlot,
        ownerOf: wayOfSlot,
        parkTimeoutMs: 2000,
        holds: { later: (run: () => void) => this.later.push(run) },
        submit,
        pool: { take: () => new Request() },
      } as unknown as Router,
      now: this.now,
      covers: (_, way) => this.covered.has(way.shard),
      finishPlace: (_, __, bytes, start, end) => {
        expect(this.reply).toBeNull();
        this.reply = bytes.toString('latin1', start, end);
      },
    };
  }

  get last(): Asked {
    return this.asked[this.asked.length - 1];
  }

  scan(...words: string[]): void {
    new ScanWalk(...this.parts5('scan', ...words)).start();
  }

  onSlots(...words: string[]): void {
    new SlotsWalk(...this.parts5(...words)).start();
  }

  keys(pattern: string): void {
    const [host, connection, place] = this.parts5('keys', pattern);
    this.place = place;
    const args = keysAsScan(argsOf('keys', pattern));
    const scan = lookup(args);
    if (scan === null) throw new Error('scan');
    new KeysWalk(host, connection, place, scan, args).start();
  }

  private get now(): WalkHost['now'] {
    const nowMs = (): number => this.nowMs;
    return {
      get monotonicMs() {
        return nowMs();
      },
      wallMs: 0,
    };
  }

  randomKey(...picks: number[]): void {
    const random = (): number => picks.shift() ?? 0;
    new RandomKeyWalk(...this.parts5('randomkey'), random).start();
  }

  /** A shard that was asked answers; behind the reply stand slots that it has not. */
  answer(text: string, shard = this.last.shard, left: readonly number[] = []): void {
    this.finish(
      Buffer.concat([Buffer.from(`..${text}`, 'latin1'), rangeBytes(rangesOf(left)), Buffer.from('')]),
      2,
      shard,
    );
  }

  /** It has refused it: it has none of the slots. */
  refuse(shard: number): void {
    this.finish(NOTHING_DONE, 0, shard);
  }

  private finish(bytes: Buffer, start: number, shard: number): void {
    const at = this.pending.findIndex((one) => one.shard === shard);
    if (at < 0) throw new Error('nobody was asked');
    const [{ owner, request }] = this.pending.splice(at, 1);
    request.replyBytes = bytes;
    request.replyStart = start;
    request.replyEnd = bytes.length;
    owner.finished(request);
  }

  /** There is news, or time has passed. */
  goOn(): void {
    for (const run of this.later.splice(0)) run();
  }

  private parts5(...words: string[]): ConstructorParameters<typeof ScanWalk> {
    const args = argsOf(...words);
    const command = lookup(args);
    if (command === null) throw new Error(words[0]);
    const connection = {
      db: 3,
      protocol: this.protocol,
      hold: () => (this.holds += 1),
      release: () => (this.holds -= 1),
      partFinished: () => (this.parts += 1),
      keepPart: () => undefined,
      countWrite: () => undefined,
      hasWritesTo: (way: number) => this.written.has(way),
    } as unknown as Connection;
    return [this.host, connection, new Request(), command, args];
  }
}

function page(cursor: number, ...keys: string[]): string {
  const text = String(cursor);
  return `*2\r\n$${text.length}\r\n${text}\r\n*${keys.length}\r\n${keys.map((key) => `$${key.length}\r\n${key}\r\n`).join('')}`;
}

describe('SCAN over all shards', () => {
  it('answers with the first page that has keys, and its cursor', () => {
    const world = new World();
    world.scan('0', 'count', '5');
    expect(world.last).toMatchObject({ shard: 1, slot: 0, words: ['scan', '0', 'count', '5'], rides: false });
    expect(world.holds).toBe(1);
    world.answer(page(77, 'a', 'b'));
    expect(world.reply).toBe(page(77, 'a', 'b'));
    expect(world.holds).toBe(0);
    expect(world.parts).toBe(1);
  });

  it('goes on to the shard that the cursor lies in, and over empty pages', () => {
    const world = new World();
    const [second, third] = [100 * SLOT_STRIDE + 5, 8192 * SLOT_STRIDE];
    world.scan(String(second), 'match', 'x*');
    expect(world.last).toMatchObject({ shard: 2, slot: 100, words: ['scan', String(second), 'match', 'x*'] });
    world.answer(page(third));
    expect(world.reply).toBeNull();
    expect(world.last).toMatchObject({ shard: 1, slot: 8192, words: ['scan', String(third), 'match', 'x*'] });
    world.answer(page(0));
    expect(world.reply).toBe(page(0));
  });

  it('answers with an empty page after so many of them, so that no call takes for ever', () => {
    const world = new World();
    world.scan('0');
    let asked = 0;
    for (let cursor = 1; world.reply === null; cursor++, asked++) world.answer(page(cursor));
    expect(asked).toBe(64);
    expect(world.reply).toBe(page(64));
  });

  it('passes over what the port does not cover', () => {
    const world = new World();
    world.covered = new Set([2]);
    world.scan('0');
    expect(world.last).toMatchObject({ shard: 2, slot: 100, words: ['scan', String(100 * SLOT_STRIDE)] });
    world.answer(page(8192 * SLOT_STRIDE));
    // Nothing of what is left is covered.
    expect(world.reply).toBe(page(0));
    expect(world.holds).toBe(0);
  });

  it('passes over one slot alone where it went to a shard whose runs are not known yet', () => {
    const world = new World();
    world.covered = new Set([1]);
    world.movedTo2.add(8192);
    world.scan(String(8192 * SLOT_STRIDE));
    expect(world.last).toMatchObject({ shard: 1, slot: 8193 });
  });

  it('leaves it to a shard to refuse what is no cursor, and errors are the reply', () => {
    for (const cursor of ['x', '', '-1', String(SLOT_STRIDE * 16384), '99999999999999999']) {
      const world = new World();
      world.scan(cursor);
      expect(world.last).toMatchObject({ shard: 1, slot: 0, words: ['scan', cursor] });
      world.answer('-ERR invalid cursor\r\n');
      expect(world.reply).toBe('-ERR invalid cursor\r\n');
      expect(world.holds).toBe(0);
    }
  });

  it('rides behind writes of its connection where there are some', () => {
    const world = new World();
    world.written.add(1);
    world.scan('0');
    expect(world.last.rides).toBe(false);
    world.answer(page(100 * SLOT_STRIDE));
    expect(world.last).toMatchObject({ shard: 2, rides: true });
  });
});

describe('RANDOMKEY over all shards', () => {
  it('asks a shard by its share of the slots', () => {
    const shards = [0, 8291, 8292, 16383, 16384].map((pick) => {
      const world = new World();
      world.randomKey(pick);
      return world.last.shard;
    });
    expect(shards).toEqual([1, 1, 2, 2, 1]);
  });

  it('asks the next one while they are empty, and then says so in the words of the protocol', () => {
    for (const [protocol, nil] of [
      [2, NIL],
      [3, '_\r\n'],
    ] as const) {
      const world = new World();
      world.protocol = protocol;
      world.randomKey(16383, 0);
      world.answer(nil);
      world.answer(nil);
      expect(world.asked.map(({ shard }) => shard)).toEqual([2, 1]);
      expect(world.reply).toBe(nil);
      expect(world.holds).toBe(0);
    }
  });

  it('answers with the key of the first that has one, or with an error', () => {
    const world = new World();
    world.randomKey(16383, 0);
    world.answer(NIL);
    world.answer('$1\r\nk\r\n');
    expect(world.reply).toBe('$1\r\nk\r\n');
    const failing = new World();
    failing.randomKey(0);
    failing.answer('-CLUSTERDOWN\r\n');
    expect(failing.reply).toBe('-CLUSTERDOWN\r\n');
    expect(failing.asked).toHaveLength(1);
  });

  it('asks only shards that the port covers: with none there is no key', () => {
    const world = new World();
    world.covered = new Set([2]);
    world.randomKey(0);
    expect(world.last.shard).toBe(2);
    const none = new World();
    none.covered = new Set();
    none.randomKey(0);
    expect(none.reply).toBe(NIL);
    expect(none.asked).toEqual([]);
  });
});

describe('a command on all slots', () => {
  it('asks each shard about the slots that it is known to have, by name', () => {
    const world = new World();
    world.onSlots('dbsize');
    expect(world.asked).toMatchObject([
      {
        shard: 1,
        slot: 0,
        words: ['dbsize'],
        slots: [
          { from: 0, to: 99 },
          { from: 8192, to: 16_383 },
        ],
      },
      { shard: 2, slot: 100, slots: [{ from: 100, to: 8191 }] },
    ]);
    world.answer(':3\r\n', 2);
    expect([world.reply, world.holds]).toEqual([null, 1]);
    world.answer(':4\r\n', 1);
    expect([world.reply, world.holds, world.parts]).toEqual([':7\r\n', 0, 2]);
  });

  it('asks the owners of what was left out, and of nothing else: no slot counts twice, none is missed', () => {
    const world = new World();
    world.onSlots('dbsize');
    // Slot 5 has gone to shard 2, after that was asked.
    world.answer(':4\r\n', 2);
    world.answer(':10\r\n', 1, [5, 8192, 8193]);
    expect(world.reply).toBeNull();
    for (const slot of [5, 8192]) world.movedTo2.add(slot);
    world.goOn();
    expect(world.asked.slice(2)).toMatchObject([
      {
        shard: 2,
        slots: [
          { from: 5, to: 5 },
          { from: 8192, to: 8192 },
        ],
      },
      { shard: 1, slots: [{ from: 8193, to: 8193 }] },
    ]);
    world.refuse(1);
    world.answer(':100\r\n', 2);
    world.goOn();
    expect(world.last).toMatchObject({ shard: 1, slot: 8193 });
    world.answer(':1000\r\n', 1);
    expect(world.reply).toBe(':1114\r\n');
  });

  it('leaves to others what has gone from those that the port covers', () => {
    const world = new World();
    world.covered = new Set([1]);
    world.onSlots('flushall');
    expect(world.asked.map(({ shard }) => shard)).toEqual([1]);
    world.movedTo2.add(7);
    world.answer('+OK\r\n', 1, [7]);
    world.goOn();
    expect(world.reply).toBe('+OK\r\n');
    const none = new World();
    none.covered = new Set();
    none.onSlots('dbsize');
    expect(none.reply).toMatch(/^-CLUSTERDOWN/);
  });

  it('ends with the error of a shard: nothing ran when none has done its part, else nobody can say', () => {
    const refused = new World();
    refused.onSlots('flushall', 'x');
    for (const shard of [1, 2]) refused.answer('-ERR syntax error\r\n', shard, [9]);
    expect(refused.reply).toBe('-ERR syntax error\r\n');
    const inPart = new World();
    inPart.onSlots('flushall');
    inPart.answer('+OK\r\n', 1);
    inPart.answer('-CLUSTERDOWN no\r\n', 2);
    expect(inPart.reply).toMatch(/^-INDETERMINATE/);
    const unknown = new World();
    unknown.onSlots('flushall');
    unknown.answer('-CLUSTERDOWN no\r\n', 1);
    unknown.answer('-INDETERMINATE of the other\r\n', 2);
    expect(unknown.reply).toBe('-INDETERMINATE of the other\r\n');
  });

  it('does not wait for ever for slots that nobody serves', () => {
    const world = new World();
    world.onSlots('dbsize');
    world.answer(':4\r\n', 2);
    world.answer(':4\r\n', 1, [5]);
    for (let round = 0; world.reply === null; round++) {
      expect(round).toBeLessThan(5);
      world.nowMs += 600;
      world.goOn();
      world.answer(':0\r\n', 1, [5]);
    }
    expect(world.reply).toMatch(/^-CLUSTERDOWN/);
  });
});

describe('KEYS while slots move', () => {
  it('goes slot after slot, page by page, and tells all keys at once', () => {
    const world = new World();
    world.keys('a*');
    expect(world.last).toMatchObject({
      shard: 1,
      slot: 0,
      words: ['scan', '0', 'match', 'a*', 'count', '2000'],
    });
    world.answer(page(100 * SLOT_STRIDE, 'ab', 'ac'));
    expect(world.last).toMatchObject({ shard: 2, slot: 100 });
    world.answer(page(8192 * SLOT_STRIDE));
    world.answer(page(0, 'ad'));
    const whole = Buffer.concat([Buffer.from(world.reply ?? ''), ...world.place.tail]);
    expect(whole.toString()).toBe('*3\r\n$2\r\nab\r\n$2\r\nac\r\n$2\r\nad\r\n');
    expect(world.holds).toBe(0);
  });
});
