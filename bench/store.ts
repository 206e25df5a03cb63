/**
 * The store alone, in process: memory per key, speed, and the longest time that any one call took, while 5M keys of 100 bytes are filled in
 * and served, and while 1M keys are written as a snapshot. Run with `npx tsx --expose-gc bench/store.ts [keys]`.
 */
import { performance } from 'node:perf_hooks';
import { createKeyspace } from '../src/store/keyspace.ts';
import { createSlabPool } from '../src/store/slab-pool.ts';
import { Encoding, type Keyspace, NO_REF } from '../src/store/types.ts';

const KEYS = Number(process.argv[2] ?? 5_000_000);
const SNAPSHOT_KEYS = Math.min(KEYS, 1_000_000);
const SLICE_BYTES = 128 * 1024;
const BATCH = 1000;
const LIMITS = { hashMaxListpackEntries: 128, hashMaxListpackValueBytes: 64 };

const keyBytes = Buffer.alloc(16);
const value = Buffer.alloc(100, 'v');

function writeKey(number: number): void {
  keyBytes.write('key:', 0, 'latin1');
  for (let at = 15, rest = number; at >= 4; at -= 1, rest = Math.floor(rest / 10))
    keyBytes[at] = 48 + (rest % 10);
}

/** Slots as uneven as hashing makes them, without the cost of CRC16. */
function slotOf(number: number): number {
  return (Math.imul(number, 0x9e3779b1) >>> 18) & 16383;
}

function set(keyspace: Keyspace, number: number, slot: number): void {
  writeKey(number);
  value.writeUInt32LE(number, 0);
  keyspace.setString(0, slot, keyBytes, 0, 16, value, 0, 100, 0, Encoding.EMBSTR);
}

/** CPU time of this process: on a busy machine what the store takes, where wall time also tells what others took. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** Runs `count` calls in batches; tells the rate and the longest batch. */
function timed(name: string, count: number, call: (number: number) => void): void {
  let longestMs = 0;
  let longestCpuMs = 0;
  const start = performance.now();
  const startCpu = cpuMs();
  for (let number = 0; number < count; number += BATCH) {
    const before = performance.now();
    const beforeCpu = cpuMs();
    for (let each = number; each < Math.min(count, number + BATCH); each += 1) call(each);
    longestMs = Math.max(longestMs, performance.now() - before);
    longestCpuMs = Math.max(longestCpuMs, cpuMs() - beforeCpu);
  }
  const rate = (count / (performance.now() - start) / 1000).toFixed(2);
  const cpuNs = (((cpuMs() - startCpu) / count) * 1e6).toFixed(0);
  const longest = `longest ${BATCH} calls ${longestMs.toFixed(1)} ms, of CPU ${longestCpuMs.toFixed(1)} ms`;
  console.log(`${name.padEnd(34)} ${rate} M/s, ${cpuNs} ns of CPU; ${longest}`);
}

function rss(): number {
  globalThis.gc?.();
  return process.memoryUsage().rss;
}

function fillAndServe(): void {
  const rssBefore = rss();
  const slabs = createSlabPool();
  const keyspace = createKeyspace({ slabs, limits: LIMITS });
  keyspace.at(1, 1, true);
  timed(`set, ${KEYS} new keys`, KEYS, (number) => set(keyspace, number, slotOf(number)));
  const perKey = (bytes: number): string => (bytes / KEYS).toFixed(1);
  const rssBytes = perKey(rss() - rssBefore);
  console.log(
    `bytes a key: accounted ${perKey(keyspace.usedBytes)}, taken ${perKey(slabs.takenBytes)}, slabs ${perKey(slabs.heldBytes)}, resident ${rssBytes}, process ${perKey(rss())}`,
  );
  const random = (number: number): number =>
    Math.floor(((Math.imul(number, 0x85ebca6b) >>> 0) / 2 ** 32) * KEYS);
  let found = 0;
  timed('get, random', Math.min(KEYS, 3_000_000), (number) => {
    const key = random(number);
    writeKey(key);
    const ref = keyspace.find(0, slotOf(key), keyBytes, 0, 16);
    if (ref !== NO_REF) found += keyspace.string(ref).bytes[keyspace.window.start + 50];
  });
  timed('set, random, the same length', Math.min(KEYS, 3_000_000), (number) => {
    const key = random(number);
    set(keyspace, key, slotOf(key));
  });
  timed('delete', KEYS, (number) => {
    writeKey(number);
    keyspace.remove(keyspace.find(0, slotOf(number), keyBytes, 0, 16));
  });
  console.log(`after deleting all: held ${(slabs.heldBytes / 2 ** 20).toFixed(0)} MiB, checked ${found > 0}`);
}

function hotSlot(): void {
  const keyspace = createKeyspace({ slabs: createSlabPool(), limits: LIMITS });
  keyspace.at(1, 1, true);
  timed('set, 1000000 new keys in one slot', 1_000_000, (number) => set(keyspace, number, 5));
}

function snapshot(): void {
  const keyspace = createKeyspace({ slabs: createSlabPool(), limits: LIMITS });
  keyspace.at(1, 1, true);
  for (let number = 0; number < SNAPSHOT_KEYS; number += 1) set(keyspace, number, slotOf(number));
  const slices: Buffer[] = [];
  const taken = keyspace.beginSnapshot();
  let longestMs = 0;
  let longestCpuMs = 0;
  let totalMs = 0;
  for (let version = 2; ; version += 1) {
    const before = performance.now();
    const beforeCpu = cpuMs();
    const slice = taken.next(SLICE_BYTES);
    const tookMs = performance.now() - before;
    longestMs = Math.max(longestMs, tookMs);
    longestCpuMs = Math.max(longestCpuMs, cpuMs() - beforeCpu);
    totalMs += tookMs;
    if (slice === null) break;
    slices.push(slice);
    keyspace.at(1, version, true);
    for (let each = 0; each < 50; each += 1) {
      const number = (version * 7919 + each * 104729) % SNAPSHOT_KEYS;
      set(keyspace, number, slotOf(number));
    }
  }
  const bytes = slices.reduce((sum, slice) => sum + slice.length, 0);
  console.log(
    `snapshot of ${SNAPSHOT_KEYS} keys: ${(bytes / 2 ** 20).toFixed(0)} MiB in ${slices.length} slices of ${SLICE_BYTES / 1024} KiB, ${totalMs.toFixed(0)} ms, longest slice ${longestMs.toFixed(2)} ms, of CPU ${longestCpuMs.toFixed(2)} ms`,
  );
  load(slices);
}

function load(slices: readonly Buffer[]): void {
  const keyspace = createKeyspace({ slabs: createSlabPool(), limits: LIMITS });
  const loading = keyspace.beginLoad();
  let longestMs = 0;
  const start = performance.now();
  for (const slice of slices) {
    const before = performance.now();
    loading.feed(slice);
    longestMs = Math.max(longestMs, performance.now() - before);
  }
  loading.finish();
  const tookMs = performance.now() - start;
  console.log(`load: ${tookMs.toFixed(0)} ms, longest slice ${longestMs.toFixed(2)} ms`);
  const hash = keyspace.beginHash();
  let count = 1;
  const before = performance.now();
  while (hash.next(1000) === null) count += 1;
  const hashedMs = performance.now() - before;
  console.log(`hash: ${hashedMs.toFixed(0)} ms in ${count} slices`);
}

fillAndServe();
hotSlot();
snapshot();
