/** `torc verify` against real nodes; and real nodes that start from damaged directories. */
import { execFile } from 'node:child_process';
import { cp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { crc32 } from 'node:zlib';

import { Redis } from 'ioredis';
import { expect, onTestFinished, test } from 'vitest';

import { SeededRandom } from '../../src/env/sim/random.ts';
import { headerChecksum } from '../../src/wal/checksum.ts';
import { readRecordHeader, RECORD_HEADER_BYTES } from '../../src/wal/record.ts';
import { filesOf, flipIn, inflict, otherIn } from '../damage/damage.ts';
import { pause, TorcCluster } from './cluster/torc-cluster.ts';
import type { TorcNode } from './cluster/torc-node.ts';

const PROGRAM = fileURLToPath(new URL('../../dist/torc.js', import.meta.url));
const DAMAGES = 14;
const START_TIMEOUT_MS = 20_000;

interface Verified {
  code: number;
  output: string;
}

function verify({ ports }: TorcNode, ...words: string[]): Promise<Verified> {
  const args = [PROGRAM, 'verify', '--address', `127.0.0.1:${ports.admin}`, ...words];
  return new Promise((resolve) => {
    execFile(process.execPath, args, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), output: stdout + stderr });
    });
  });
}

function connect({ ports }: TorcNode): Redis {
  const client = new Redis({ port: ports.client, retryStrategy: () => 50, maxRetriesPerRequest: 100 });
  client.on('error', () => undefined);
  onTestFinished(() => client.disconnect());
  return client;
}

test('replicas are equal under load, and one that is down or differs is told', async () => {
  const cluster = await TorcCluster.forTest({ nodes: 3 });
  const client = connect(cluster.nodes[0]);
  for (let i = 0; i < 2000; i++) void client.set(`key${i}`, 'x'.repeat(i));
  await client.set('{a}needle', 'needle-AAAA');
  const load = { goesOn: true };
  const writing = (async () => {
    for (let i = 0; load.goesOn; i++) {
      await Promise.all(
        Array.from({ length: 50 }, (_, at) => client.set(`key${(i * 50 + at) % 3000}`, `v${i}`)),
      );
    }
  })();
  const equal = await verify(cluster.nodes[1]);
  expect(equal.output).toContain('EQUAL: all 9 replicas');
  expect(equal.code).toBe(0);
  const [again, json] = await Promise.all([verify(cluster.nodes[1]), verify(cluster.nodes[2], '--json')]);
  expect(again.code).toBe(0);
  const told = JSON.parse(json.output) as { verdict: string; replicas: { verdict: string; index: number }[] };
  expect(told.verdict).toBe('equal');
  expect(told.replicas.map(({ verdict }) => verdict)).toEqual(Array(9).fill('equal'));
  load.goesOn = false;
  await writing;

  const [, , third] = cluster.nodes;
  await third.stop();
  const incomplete = await verify(cluster.nodes[0]);
  expect(incomplete.code, incomplete.output).toBe(3);
  expect(incomplete.output).toContain('not compared: nothing listens there');
  expect(incomplete.output).toContain('INCOMPLETE: 3 of 9');

  await falsify(join(third.directory, 'log/log'), 'needle-AAAA', 'needle-AAAB');
  third.start();
  await cluster.waitReady();
  const different = await verify(cluster.nodes[0]);
  expect(different.code, different.output).toBe(1);
  expect(different.output).toMatch(/node-2\s+[0-9a-f]{16}\s+differs/);
  expect(different.output).toMatch(/DIFFERENT: the replicas of shard \d do not hold the same/);

  await Promise.all(cluster.nodes.map((node) => node.stop()));
  expect(await verify(cluster.nodes[0])).toMatchObject({ code: 3 });
});

/** Writes something else into an entry of the log, with checksums that fit: what no checksum can find. */
async function falsify(log: string, from: string, to: string): Promise<void> {
  for (const name of await readdir(log)) {
    const path = join(log, name);
    const bytes = await readFile(path);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const at = bytes.indexOf(from);
    if (at < 0) continue;
    bytes.write(to, at);
    let offset = at - (at % 8);
    while (!covers(readRecordHeader(bytes, view, offset), offset, at)) offset -= 8;
    const { payloadBytes = 0 } = readRecordHeader(bytes, view, offset) ?? {};
    const payload = offset + RECORD_HEADER_BYTES;
    const checksum = crc32(bytes.subarray(payload + 8, payload + payloadBytes));
    bytes.writeUInt32LE(checksum, payload + 4);
    bytes.writeUInt32LE(checksum, offset + 12);
    bytes.writeUInt32LE(headerChecksum(bytes, offset + 8, offset + RECORD_HEADER_BYTES), offset + 4);
    await writeFile(path, bytes);
    return;
  }
  throw new Error(`${from} is not in the log`);
}

function covers(header: ReturnType<typeof readRecordHeader>, offset: number, at: number): boolean {
  return header !== null && offset + RECORD_HEADER_BYTES + header.payloadBytes > at;
}

test('a node refuses a damaged directory in one line, or comes up with what it had', async () => {
  const cluster = await TorcCluster.forTest({ nodes: 1 });
  const [node] = cluster.nodes;
  const client = connect(node);
  for (let i = 0; i < 300; i++) void client.set(`key${i}`, 'x'.repeat(i));
  await client.hset('hash', { field: 'value', other: 'value' });
  const sum = await client.get('key77');
  await node.stop();
  const kept = `${node.directory}-kept`;
  await cp(node.directory, kept, { recursive: true });
  const files = (await filesOf(node.directory)).map(({ path, sizeBytes }) => {
    // Behind the first part of a file of the log there are only zeros.
    return { path, sizeBytes: Math.min(sizeBytes, 100_000) };
  });
  const random = new SeededRandom(7);
  const outcomes = { refused: 0, up: 0 };
  for (let i = 0; i < DAMAGES; i++) {
    const damage = i % 3 < 2 ? flipIn(files, random) : otherIn(files, random);
    await rm(node.directory, { recursive: true });
    await cp(kept, node.directory, { recursive: true });
    await inflict(node.directory, damage);
    const from = node.lines.length;
    node.start();
    const exit = await Promise.race([node.exited(), upOrLate(node)]);
    const context = `${JSON.stringify(damage)}\n${node.tail()}`;
    if (exit === 'up') {
      expect(await client.dbsize(), context).toBe(301);
      expect(await client.get('key77'), context).toBe(sum);
      await node.kill();
      outcomes.up += 1;
      continue;
    }
    expect(exit, context).toEqual({ code: 1, signal: null });
    const said = node.lines.slice(from).filter((line) => line.startsWith('torc: '));
    expect(said, context).toHaveLength(1);
    expect(said[0], context).toContain(node.directory);
    expect(said[0], context).toContain('torc repair --discard-replica');
    expect(node.lines.slice(from).join('\n'), context).not.toMatch(/^\s+at /m);
    outcomes.refused += 1;
  }
  expect(outcomes.refused).toBeGreaterThan(3);
});

async function upOrLate(node: TorcNode): Promise<'up' | 'late'> {
  const deadlineMs = performance.now() + START_TIMEOUT_MS;
  while (performance.now() < deadlineMs) {
    if (await node.isReady()) return 'up';
    if (!node.isRunning) return new Promise(() => undefined);
    await pause(30);
  }
  return 'late';
}
