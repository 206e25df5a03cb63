import { describe, expect, it } from 'vitest';

import { SimulatedTimers } from '../../src/env/sim/clock.ts';
import { attachDisk } from '../../src/env/sim/disk-process.ts';
import { SimulatedDisk } from '../../src/env/sim/disk.ts';
import { Scheduler } from '../../src/env/sim/scheduler.ts';
import { HISTORY_LIMIT, isNewer, StoredRegister } from '../../src/topology/register.ts';
import { oneNode } from './one-node.ts';

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
    await Promise.all(
      [oneNode(1, 1), oneNode(1, 3), oneNode(1, 2), oneNode(2, 1)].map((topology) =>
        register.offer(topology),
      ),
    );
    await register.offer(oneNode(1, 9));
    expect(told.at(-1)).toBe('2.1');
    expect(told).toEqual(told.toSorted());
    disk.crash('lost');
    const again = await StoredRegister.open(attachDisk(disk, timers), '/data');
    expect(again.current).toEqual(oneNode(2, 1));
  });

  it('keeps the last ones for people, newest first, and leaves out what the disk has spoilt', async () => {
    const disk = new SimulatedDisk({ seed: 1 });
    const register = await StoredRegister.open(
      attachDisk(disk, new SimulatedTimers(new Scheduler())),
      '/data',
    );
    for (let epoch = 1; epoch <= HISTORY_LIMIT + 3; epoch++) await register.offer(oneNode(1, epoch));
    await register.offer(oneNode(2, 5));
    const epochs = (await register.kept()).map(({ generation, epoch }) => `${generation}.${epoch}`);
    expect(epochs).toHaveLength(HISTORY_LIMIT);
    expect(epochs.slice(0, 2)).toEqual(['2.5', `1.${HISTORY_LIMIT + 3}`]);
    disk.flipBit('/data/topologies/2.5.json', 40, 2);
    expect((await register.kept())[0].epoch).toBe(HISTORY_LIMIT + 3);
  });

  it('orders by generation, then by number', () => {
    expect(isNewer(oneNode(1, 2), oneNode(1, 1))).toBe(true);
    expect(isNewer(oneNode(1, 2), oneNode(1, 2))).toBe(false);
    expect(isNewer(oneNode(2, 1), oneNode(1, 9))).toBe(true);
    expect(isNewer(oneNode(1, 9), oneNode(2, 1))).toBe(false);
  });

  it('refuses a file that it cannot read, and names the remedy', async () => {
    const disk = new SimulatedDisk({ seed: 1 });
    disk.replaceContent('/data/topology.json', Buffer.from('{}'));
    const opening = StoredRegister.open(attachDisk(disk, new SimulatedTimers(new Scheduler())), '/data');
    await expect(opening).rejects.toThrow('torc repair --discard-replica');
  });
});
