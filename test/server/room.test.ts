import { expect, it } from 'vitest';

import { Room } from '../../src/server/room.ts';
import type { RoomHost } from '../../src/server/room.ts';

const MEGABYTE = 1 << 20;

/** Nodes that share a machine have each a part of its memory, and all of one disk. */
function roomWith(changes: {
  memory?: number;
  maxmemory?: number;
  used?: readonly number[];
  disk?: { totalBytes: number; freeBytes: number };
  fails?: { error: Error | null };
}): { room: Room; asked: string[] } {
  const {
    memory = 1000,
    maxmemory = 0,
    used = [],
    disk = { totalBytes: 1e12, freeBytes: 1e12 },
    fails,
  } = changes;
  const asked: string[] = [];
  const host: RoomHost = {
    disk: {
      space(path) {
        asked.push(path);
        return fails?.error ? Promise.reject(fails.error) : Promise.resolve(disk);
      },
    },
    directory: '/data',
    memoryBytes: memory * MEGABYTE,
    maxmemoryBytes: () => maxmemory * MEGABYTE,
    replicas: used.map((megabytes) => ({ machine: { keyspace: { usedBytes: megabytes * MEGABYTE } } })),
  };
  return { room: new Room(host), asked };
}

async function sampled(room: Room, nowMs: number): Promise<number> {
  room.tend(nowMs);
  await new Promise((resolve) => setImmediate(resolve));
  return room.bytes / MEGABYTE;
}

it('is nothing before the disk has said how full it is', () => {
  expect(roomWith({}).room.bytes).toBe(0);
});

it('is 85 % of maxmemory less what all replicas hold, or of the memory where there is no maxmemory', async () => {
  expect(await sampled(roomWith({ maxmemory: 400, used: [100, 40] }).room, 0)).toBe(200);
  expect(await sampled(roomWith({ used: [100, 40] }).room, 0)).toBe(710);
});

it('is what is left of 85 % of the disk, when that is less', async () => {
  const disk = { totalBytes: 1000 * MEGABYTE, freeBytes: 400 * MEGABYTE };
  const { room, asked } = roomWith({ maxmemory: 4000, disk });
  expect(await sampled(room, 0)).toBe(250);
  expect(asked).toEqual(['/data']);
});

it('is never below nothing', async () => {
  expect(await sampled(roomWith({ maxmemory: 100, used: [90] }).room, 0)).toBe(0);
  const full = { totalBytes: 1000 * MEGABYTE, freeBytes: 100 * MEGABYTE };
  expect(await sampled(roomWith({ disk: full }).room, 0)).toBe(0);
});

it('goes by what the disk said within five seconds, and is nothing when that says no more', async () => {
  const disk = { totalBytes: 1000 * MEGABYTE, freeBytes: 1000 * MEGABYTE };
  const fails: { error: Error | null } = { error: null };
  const { room, asked } = roomWith({ disk, fails });
  expect(await sampled(room, 0)).toBe(850);
  disk.freeBytes = 300 * MEGABYTE;
  expect(await sampled(room, 4_999)).toBe(850);
  expect(await sampled(room, 5_000)).toBe(150);
  expect(asked).toHaveLength(2);
  fails.error = new Error('no such directory');
  expect(await sampled(room, 10_000)).toBe(0);
});
