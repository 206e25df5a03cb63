/**
 * `npm run bench:holds`: for how long single commands and background work hold the event loop of one node of Torc with 1M keys and a hash of
 * 1M fields, as the node's own metrics tell it, and how late meanwhile a GET of another client is answered.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { once } from 'node:events';
import { createConnection, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

import { buildGenerator, fill, load, type Entrance, type LoadSize } from './load.ts';
import { startOneTorc, type OneTorc } from './one-node.ts';
import { askInline, killAll } from './processes.ts';

const KEYS = Number(process.argv[2] ?? 1_000_000);
const FIELDS = KEYS;
const FIELDS_PER_COMMAND = 500;
const SIZE: LoadSize = { keys: KEYS, valueBytes: 100, seconds: 8, warmupSeconds: 0 };
/** Goals: no command and no background work above the one, a snapshot of all keys not above the other. */
const HOLD_AT_MOST_MS = 20;
const SNAPSHOT_AT_MOST_MS = 5;
/** A reply is there when nothing has come for so long. */
const QUIET_MS = 150;
const PROBE_EVERY_MS = 2;
const CONNECT_MS = 20;

interface Hold {
  name: string;
  holdMs: number;
  latestMs: number;
  tookMs: number;
  replyBytes: number;
  limitMs: number;
}

function encode(words: readonly string[]): string {
  return `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`;
}

class Client {
  private readonly socket: Socket;
  private bytes = 0;
  private lastMs = 0;

  constructor(port: number) {
    this.socket = createConnection(port, '127.0.0.1');
    this.socket.on('data', (chunk: Buffer) => {
      this.bytes += chunk.length;
      this.lastMs = performance.now();
    });
  }

  /** Sends, and waits until the replies have come; returns their size and how long they took. */
  async ask(commands: string): Promise<{ bytes: number; tookMs: number }> {
    this.bytes = 0;
    const startMs = performance.now();
    this.socket.write(commands);
    while (this.bytes === 0) await delay(1);
    while (performance.now() - this.lastMs < QUIET_MS) await delay(5);
    return { bytes: this.bytes, tookMs: this.lastMs - startMs };
  }

  send(commands: string): void {
    this.socket.write(commands);
  }

  /** One GET after the other; returns the longest time that one took until `done`. */
  async probe(until: () => boolean): Promise<number> {
    let latestMs = 0;
    while (!until()) {
      const startMs = performance.now();
      this.socket.write('GET key:000000000001\r\n');
      await once(this.socket, 'data');
      latestMs = Math.max(latestMs, performance.now() - startMs);
      await delay(PROBE_EVERY_MS);
    }
    return latestMs;
  }

  close(): void {
    this.socket.destroy();
  }
}

async function fillHash(client: Client, key: string): Promise<void> {
  for (let at = 0; at < FIELDS; at += FIELDS_PER_COMMAND * 20) {
    const commands: string[] = [];
    for (
      let first = at;
      first < Math.min(FIELDS, at + FIELDS_PER_COMMAND * 20);
      first += FIELDS_PER_COMMAND
    ) {
      const pairs: string[] = [];
      for (let i = first; i < first + FIELDS_PER_COMMAND; i++) pairs.push(`field:${i}`, `value:${i}`);
      commands.push(encode(['HSET', key, ...pairs]));
    }
    await client.ask(commands.join(''));
  }
}

class Bench {
  readonly holds: Hold[] = [];
  private readonly torc: OneTorc;
  private readonly client: Client;

  constructor(torc: OneTorc, client: Client) {
    this.torc = torc;
    this.client = client;
  }

  async command(name: string, words: readonly string[], settleMs = 0): Promise<void> {
    await this.during(name, async () => {
      const told = await this.client.ask(encode(words));
      await delay(settleMs);
      return told;
    });
  }

  async during(name: string, run: () => Promise<{ bytes: number; tookMs: number }>): Promise<Hold> {
    const prober = new Client(this.torc.port);
    await delay(CONNECT_MS);
    await this.torc.loopDelayMaxMs();
    let isDone = false;
    const probing = prober.probe(() => isDone);
    const { bytes, tookMs } = await run();
    isDone = true;
    const latestMs = await probing;
    const hold = {
      name,
      holdMs: await this.torc.loopDelayMaxMs(),
      latestMs,
      tookMs,
      replyBytes: bytes,
      limitMs: HOLD_AT_MOST_MS,
    };
    prober.close();
    this.holds.push(hold);
    console.log(
      `${name.padEnd(44)} hold ${hold.holdMs.toFixed(1).padStart(7)} ms  other GET ${latestMs.toFixed(1).padStart(7)} ms  took ${tookMs.toFixed(0).padStart(6)} ms  reply ${bytes} B`,
    );
    return hold;
  }
}

async function loaded(entrance: Entrance): Promise<{ bytes: number; tookMs: number }> {
  await load(entrance, { workload: 'set', connections: 50, pipeline: 1, generator: 'native' }, SIZE);
  return { bytes: 0, tookMs: SIZE.seconds * 1000 };
}

async function measure(torc: OneTorc): Promise<Bench> {
  const client = new Client(torc.port);
  const bench = new Bench(torc, client);
  await fill(torc.entrance, SIZE);
  await measureSnapshot(torc, bench, client);
  await fillHash(client, 'hash');
  await bench.during('nothing', async () => {
    await delay(1000);
    return { bytes: 0, tookMs: 1000 };
  });
  await bench.command('KEYS *', ['KEYS', '*']);
  await bench.command('KEYS, nothing matches', ['KEYS', 'no*such']);
  await bench.command('SCAN 0 COUNT 1000000', ['SCAN', '0', 'COUNT', '1000000']);
  await bench.command('DBSIZE', ['DBSIZE']);
  await bench.command('RANDOMKEY', ['RANDOMKEY']);
  await bench.command('HGETALL', ['HGETALL', 'hash']);
  await bench.command('HKEYS', ['HKEYS', 'hash']);
  await bench.command('HVALS', ['HVALS', 'hash']);
  await bench.command('HRANDFIELD 900000', ['HRANDFIELD', 'hash', '900000']);
  await bench.command('HRANDFIELD -1000000', ['HRANDFIELD', 'hash', '-1000000']);
  await bench.command('HSCAN COUNT 1000000', ['HSCAN', 'hash', '0', 'COUNT', '1000000']);
  await bench.command('MEMORY USAGE of the hash', ['MEMORY', 'USAGE', 'hash']);
  const many = Array.from({ length: 10_000 }, (_, i) => `key:${String(i * 7).padStart(12, '0')}`);
  // What it runs is compiled by then.
  await client.ask(encode(['MGET', ...many.slice(0, 100)]).repeat(300));
  await bench.command('MGET of 10,000 keys', ['MGET', ...many]);
  await bench.command('COPY of the hash', ['COPY', 'hash', '{hash}2'], 500);
  await bench.command('DEL of the hash', ['DEL', 'hash'], 1500);
  await bench.during('SET, 50 connections, with snapshots', () => loaded(torc.entrance));
  await bench.command('FLUSHALL', ['FLUSHALL'], 3000);
  client.close();
  return bench;
}

/** Writes, all to keys that the snapshot has not come to, or has: before-images are part of it. */
async function measureSnapshot(torc: OneTorc, bench: Bench, client: Client): Promise<void> {
  const isMaking = async (): Promise<boolean> =>
    (await askInline(torc.port, 'INFO persistence')).includes('rdb_bgsave_in_progress:1');
  const big = encode(['SET', 'big', 'x'.repeat(60_000)]);
  const few = (round: number): string =>
    Array.from(
      { length: 50 },
      (_, i) => `key:${String((round * 7919 + i * 104_729) % KEYS).padStart(12, '0')}`,
    )
      .map((key) => encode(['SET', key, 'w'.repeat(100)]))
      .join('');
  while (await isMaking()) await delay(100);
  await delay(1000);
  // The writes that bring it on are no part of it.
  for (let i = 0; !(await isMaking()) && i < 1000; i++) {
    client.send(big.repeat(10));
    await delay(20);
  }
  const hold = await bench.during(`snapshot of ${KEYS} keys, under writes`, async () => {
    const startMs = performance.now();
    for (let round = 0; await isMaking(); round++) {
      client.send(few(round));
      await delay(2);
    }
    return { bytes: 0, tookMs: performance.now() - startMs };
  });
  hold.limitMs = SNAPSHOT_AT_MOST_MS;
}

/** All keys expire at the same second; what is written is more than the budget holds. */
async function measureRemovals(bench: Bench, client: Client): Promise<void> {
  await bench.during('200,000 keys that expire at once', async () => {
    const startMs = performance.now();
    const at = String(Date.now() + 4000);
    for (let first = 0; first < 200_000; first += 2000) {
      const sets = Array.from({ length: 2000 }, (_, i) => encode(['SET', `e${first + i}`, 'v', 'PXAT', at]));
      await client.ask(sets.join(''));
    }
    while ((await client.ask('DBSIZE\r\n')).bytes > 5) await delay(100);
    return { bytes: 0, tookMs: performance.now() - startMs };
  });
  await client.ask(encode(['FLUSHALL']));
}

const directory = mkdtempSync(join(tmpdir(), 'torc-holds-'));
process.on('exit', () => {
  killAll();
  rmSync(directory, { recursive: true, force: true });
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1));

function goal(hold: Hold): string {
  const { limitMs } = hold;
  return `${hold.holdMs <= limitMs ? 'reached' : 'MISSED '}  ${hold.name}: ${hold.holdMs.toFixed(1)} ms (at most ${limitMs})`;
}

buildGenerator();
const torc = await startOneTorc(directory, ['--snapshot-after-bytes', '64mb']);
try {
  const bench = await measure(torc);
  const client = new Client(torc.port);
  await measureRemovals(bench, client);
  client.close();
  console.log(`\nGoals\n${bench.holds.map(goal).join('\n')}`);
} finally {
  await torc.stop();
}
