import { readFileSync } from 'node:fs';
import { hostname, totalmem, uptime } from 'node:os';

import type { Machine } from './contracts.ts';

const BOOT_ID_FILE = '/proc/sys/kernel/random/boot_id';
/** cgroup v2, then v1. */
const MEMORY_LIMIT_FILES = ['/sys/fs/cgroup/memory.max', '/sys/fs/cgroup/memory/memory.limit_in_bytes'];
const LIMITS_FILE = '/proc/self/limits';
const BOOT_TIME_GRAIN_S = 10;

export class SystemMachine implements Machine {
  readonly processId = process.pid;
  readonly bootId = readBootId();
  readonly memoryBytes = readMemoryBytes();
  readonly hostName = hostname();
  readonly openFilesMost = readOpenFilesMost();

  residentBytes(): number {
    return process.memoryUsage.rss();
  }

  heap(): { usedBytes: number; totalBytes: number } {
    const { heapUsed, heapTotal } = process.memoryUsage();
    return { usedBytes: heapUsed, totalBytes: heapTotal };
  }

  cpuTime(): { userUs: number; systemUs: number } {
    const { user, system } = process.cpuUsage();
    return { userUs: user, systemUs: system };
  }
}

/** Where the kernel tells no boot id, the time of the boot stands for it: two starts of one boot may differ, two boots never agree. */
function readBootId(): string {
  const bootId = readText(BOOT_ID_FILE);
  if (bootId !== null) return bootId;
  const bootedAtS = Date.now() / 1000 - uptime();
  return `booted-${Math.round(bootedAtS / BOOT_TIME_GRAIN_S)}`;
}

function readMemoryBytes(): number {
  let memoryBytes = totalmem();
  for (const file of MEMORY_LIMIT_FILES) {
    const limitBytes = Number(readText(file) ?? Number.NaN);
    if (limitBytes > 0 && limitBytes < memoryBytes) memoryBytes = limitBytes;
  }
  return memoryBytes;
}

/** Node.js has raised the soft limit to the hard one when it started. */
function readOpenFilesMost(): number {
  const [, soft] = /^Max open files\s+(\d+)/m.exec(readText(LIMITS_FILE) ?? '') ?? [];
  return soft === undefined ? Number.POSITIVE_INFINITY : Number(soft);
}

function readText(file: string): string | null {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    // The file is a feature of the kernel; without it the caller has another way.
    return null;
  }
}
