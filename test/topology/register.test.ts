import { describe, expect, it } from 'vitest';

import { SimulatedTimers } from '../../src/env/sim/clock.ts';
import { attachDisk } from '../../src/env/sim/disk-process.ts';
import { SimulatedDisk } from '../../src/env/sim/disk.ts';
import { Scheduler } from '../../src/env/sim/scheduler.ts';
import { isNewer, StoredRegister } from '../../src/topology/register.ts';
import type { Topology } from '../../src/topology/types.ts';

const NODE = 'a'.repeat(40);

function at(generation: number, epoch: number): Topology {
  return {
    clusterId: 'c'.repeat(40),
    generation,
    epoch,
    version: 1,
    nodes: [
      {
        id: NODE,
        ordinal: 1,
        host: 'h',
        clientPort: 1,
        redirectPort: 2,
        peerPort: 3,
        adminPort: 4,
        zone: '',
        machine: '',
        weight: 1,
      },
    ],
    nextOrdinal: 2,
    shards: [
      { id: 1, group: 1, home: NODE, replicas: [{ member: 1, node: NODE }], first: [1], nextMember: 2 },
    ],
    slots: [{ from: 0, to: 16_383, shard: 1 }],
  };
}

describe('the register', () => {
  it('keeps the newest, told of once it is synced, and knows it again after a power loss', async () => {
    const disk = new SimulatedDisk({ seed: 1 });
    const timers = new SimulatedTimers(new Scheduler());
    const register = await StoredRegister.open(attachDisk(disk, timers), '/data');
    expect(register.current).toBeNull();
    const told: string[] = [];
    register.onNewer(({ generation, epoch }) => {
      expect(JSON.parse(Buffer.from(disk.content('/data/topology.json') ?? '').toString())).toMatchObject({
        content: { generation, epoch },
      });
      told.push(`${generation}.${epoch}`);
    });
    await Promise.all([at(1, 1), at(1, 3), at(1, 2), at(2, 1)].map((topology) => register.offer(topology)));
    await register.offer(at(1, 9));
    expect(told.at(-1)).toBe('2.1');
    expect(told).toEqual(told.toSorted());
    disk.crash('lost');
    const again = await StoredRegister.open(attachDisk(disk, timers), '/data');
    expect(again.current).toEqual(at(2, 1));
  });

  it('orders by generation, then by number', () => {
    expect(isNewer(at(1, 2), at(1, 1))).toBe(true);
    expect(isNewer(at(1, 2), at(1, 2))).toBe(false);
    expect(isNewer(at(2, 1), at(1, 9))).toBe(true);
    expect(isNewer(at(1, 9), at(2, 1))).toBe(false);
  });

  it('refuses a file that it cannot read, and names the remedy', async () => {
    const disk = new SimulatedDisk({ seed: 1 });
    disk.replaceContent('/data/topology.json', Buffer.from('{}'));
    const opening = StoredRegister.open(attachDisk(disk, new SimulatedTimers(new Scheduler())), '/data');
    await expect(opening).rejects.toThrow('torc repair --discard-replica');
  });
});
