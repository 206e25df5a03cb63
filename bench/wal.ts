/**
 * The log alone: batches of 50 entries of 150 bytes, one after the other, as one busy node writes them.
 * `npx tsx bench/wal.ts [seconds] [directory]`
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { SystemClock } from '../src/env/clock.ts';
import { SystemDisk } from '../src/env/disk.ts';
import { SystemMachine } from '../src/env/machine.ts';
import { SystemRandom } from '../src/env/random.ts';
import { SystemTimers } from '../src/env/timers.ts';
import { EntryKind, sealEntry, writeEntryHeader, type Entry } from '../src/raft/entry.ts';
import { openWal } from '../src/wal/open.ts';
import type { Durability, Wal } from '../src/wal/types.ts';

const GROUP = 1;
const ENTRIES_PER_BATCH = 50;
const ENTRY_BYTES = 150;
const RELEASE_EVERY = 50_000;

const components = {
  disk: new SystemDisk(),
  clock: new SystemClock(),
  timers: new SystemTimers(),
  random: new SystemRandom(),
  machine: new SystemMachine(),
};
const seconds = Number(process.argv[2] ?? 3);
const home = process.argv[3] ?? tmpdir();

for (const durability of ['fsync', 'buffered'] as const) await measure(durability);

async function measure(durability: Durability): Promise<void> {
  const directory = await mkdtemp(join(home, 'torc-bench-wal-'));
  const syncMs: number[] = [];
  const { wal } = await openWal(components, {
    directory,
    durability,
    observe: (_, ms) => syncMs.push(ms),
    onFailure: (error) => {
      throw error;
    },
  });
  const batches = makeBatches();
  const cpuBefore = process.cpuUsage();
  const startedMs = performance.now();
  const entries = await writeFor(wal, batches, seconds * 1000);
  const elapsedMs = performance.now() - startedMs;
  const cpu = process.cpuUsage(cpuBefore);
  syncMs.sort((left, right) => left - right);
  console.log(
    `${durability.padEnd(9)} ${Math.round((entries / elapsedMs) * 1000)} entries/s` +
      `  ${((cpu.user + cpu.system) / entries).toFixed(2)} us CPU/entry (user ${(cpu.user / entries).toFixed(2)})` +
      `  batch p50 ${at(syncMs, 0.5)} ms p99 ${at(syncMs, 0.99)} ms  segments ${wal.stats.segments}`,
  );
  await wal.close(0);
  await rm(directory, { recursive: true, force: true });
}

/** Encoded beforehand: that is the leader's work, not the log's. */
function makeBatches(): Entry[][] {
  return Array.from({ length: 200 }, (_, batch) =>
    Array.from({ length: ENTRIES_PER_BATCH }, (_, i) => {
      const bytes = Buffer.alloc(ENTRY_BYTES, i);
      writeEntryHeader(bytes, { kind: EntryKind.COMMANDS, rules: 1, seed: 0, stampMs: 0 });
      return sealEntry(bytes, 1, batch * ENTRIES_PER_BATCH + i + 1);
    }),
  );
}

function writeFor(wal: Wal, batches: readonly Entry[][], durationMs: number): Promise<number> {
  const endMs = performance.now() + durationMs;
  let written = 0;
  let batch = 0;
  return new Promise((resolve) => {
    const next = (): void => {
      if (performance.now() > endMs) {
        resolve(written);
        return;
      }
      wal.stageEntries(GROUP, batches[batch]);
      batch = (batch + 1) % batches.length;
      written += ENTRIES_PER_BATCH;
      if (written % RELEASE_EVERY === 0) wal.release(GROUP, written);
      // In `buffered` the callback comes at once: the loop has to turn all the same.
      if (wal.durability === 'fsync') wal.flush(next);
      else wal.flush(() => setImmediate(next));
    };
    next();
  });
}

function at(sorted: readonly number[], quantile: number): string {
  return sorted[Math.floor(quantile * (sorted.length - 1))].toFixed(3);
}
