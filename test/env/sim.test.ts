import { describe, expect, it } from 'vitest';

import type { Disk } from '../../src/env/contracts.ts';
import { SimulatedClock, SimulatedTimers } from '../../src/env/sim/clock.ts';
import { attachDisk } from '../../src/env/sim/disk-process.ts';
import { SimulatedDisk, type Crash } from '../../src/env/sim/disk.ts';
import { SeededRandom } from '../../src/env/sim/random.ts';
import { Scheduler } from '../../src/env/sim/scheduler.ts';

describe('simulated time', () => {
  it('runs events in order of time, then of asking', () => {
    const scheduler = new Scheduler();
    const random = new SeededRandom(5);
    const ran: [number, number][] = [];
    for (let i = 0; i < 500; i += 1) {
      const delayMs = random.below(20);
      scheduler.after(delayMs, () => ran.push([scheduler.nowMs, i]));
    }
    scheduler.advance(10);
    expect(scheduler.nowMs).toBe(10);
    expect(ran.every(([timeMs]) => timeMs <= 10)).toBe(true);
    scheduler.advance(10);
    expect(ran).toHaveLength(500);
    const sorted = [...ran].sort((left, right) => left[0] - right[0] || left[1] - right[1]);
    expect(ran).toEqual(sorted);
  });

  it('gives each node clocks that drift and jump', () => {
    const scheduler = new Scheduler();
    const clock = new SimulatedClock(scheduler, { rate: 1.05, wallMs: 1000 });
    scheduler.advance(100);
    expect(clock.monotonicMs()).toBeCloseTo(105);
    clock.setRate(0.5);
    clock.jumpWall(-300);
    scheduler.advance(100);
    expect(clock.monotonicMs()).toBeCloseTo(155);
    expect(clock.wallMs()).toBeCloseTo(855);
  });

  it('holds the timers of a paused process, drops those of a dead one, and keeps turns apart', () => {
    const scheduler = new Scheduler();
    const timers = new SimulatedTimers(scheduler);
    const ran: string[] = [];
    timers.after(1, () => {
      timers.endOfTurn(() => ran.push('end'));
      ran.push('first');
    });
    timers.after(1, () => ran.push('second'));
    timers.after(1, () => ran.push('cancelled')).cancel();
    scheduler.advance(1);
    expect(ran).toEqual(['first', 'second', 'end']);
    timers.after(1, () => ran.push('late'));
    timers.pause();
    scheduler.advance(5);
    expect(ran).toHaveLength(3);
    timers.resume();
    scheduler.advance(0);
    expect(ran.at(-1)).toBe('late');
    timers.after(1, () => ran.push('never'));
    timers.stop();
    scheduler.advance(5);
    expect(ran.at(-1)).toBe('late');
  });
});

describe('a simulated crash', () => {
  const SECTOR = 512;

  function makeDisk(seed: number): { machine: SimulatedDisk; scheduler: Scheduler; attach: () => Disk } {
    const scheduler = new Scheduler();
    const machine = new SimulatedDisk({ seed });
    return { machine, scheduler, attach: () => attachDisk(machine, new SimulatedTimers(scheduler)) };
  }

  /** A synced beginning, then 20 sectors that are not. */
  async function writeAndCrash(seed: number, as: Crash): Promise<Uint8Array> {
    const { machine, scheduler, attach } = makeDisk(seed);
    const disk = attach();
    await disk.makeDirectory('/d');
    const file = await disk.open('/d/f', { create: true });
    await disk.syncDirectory('/d');
    file.writeNow(new Uint8Array(SECTOR).fill(1), 0);
    await scheduler.settle(new Promise((resolve) => file.sync(resolve)));
    file.writeNow(new Uint8Array(20 * SECTOR).fill(2), SECTOR);
    machine.crash(as);
    return machine.content('/d/f')!;
  }

  it('keeps what was synced in any case, and the rest as the crash says', async () => {
    expect(await writeAndCrash(1, 'kill')).toHaveLength(21 * SECTOR);
    expect(await writeAndCrash(1, 'kept')).toHaveLength(21 * SECTOR);
    expect(await writeAndCrash(1, 'lost')).toHaveLength(SECTOR);
    let holes = 0;
    for (let seed = 0; seed < 20; seed += 1) {
      const bytes = await writeAndCrash(seed, 'torn');
      expect(bytes.subarray(0, SECTOR).every((byte) => byte === 1)).toBe(true);
      for (let at = SECTOR; at < bytes.length; at += SECTOR) {
        const sector = bytes.subarray(at, at + SECTOR);
        expect(sector.every((byte) => byte === sector[0])).toBe(true);
        if (sector[0] === 0) holes += 1;
      }
    }
    expect(holes).toBeGreaterThan(10);
  });

  it('forgets names that were not synced', async () => {
    const { machine, attach } = makeDisk(1);
    const disk = attach();
    await disk.makeDirectory('/d');
    await disk.replaceFile('/d/old', Uint8Array.of(1));
    await disk.open('/d/new', { create: true });
    await disk.remove('/d/old');
    expect(machine.paths()).toEqual(['/d/new']);
    machine.crash('lost');
    expect(machine.paths()).toEqual(['/d/old']);
  });

  it('comes at an ordered operation, and ends the process there', async () => {
    const { machine, attach } = makeDisk(1);
    const disk = attach();
    await disk.makeDirectory('/d');
    const file = await disk.open('/d/f', { create: true });
    machine.crashAfter(1, 'kill');
    file.writeNow(Uint8Array.of(1), 0);
    expect(() => file.writeNow(new Uint8Array(100).fill(2), 1)).toThrow('the process is dead');
    expect(() => file.writeNow(Uint8Array.of(3), 0)).toThrow('the process is dead');
    expect(machine.running).toBe(false);
    expect(machine.content('/d/f')![0]).toBe(1);
  });

  it('does not bring back what a failed sync dropped, though a later sync succeeds', async () => {
    const { machine, scheduler, attach } = makeDisk(1);
    const disk = attach();
    await disk.makeDirectory('/d');
    const file = await disk.open('/d/f', { create: true });
    await disk.syncDirectory('/d');
    file.writeNow(Uint8Array.of(7), 0);
    machine.failAfter('sync', 'EIO', 0, false);
    const sync = (): Promise<Error | null> => scheduler.settle(new Promise((resolve) => file.sync(resolve)));
    expect(await sync()).toMatchObject({ code: 'EIO' });
    expect(await sync()).toBeNull();
    expect(machine.content('/d/f')).toEqual(Uint8Array.of(7));
    machine.crash('kept');
    expect(machine.content('/d/f')).toHaveLength(0);
  });

  it('is the same for the same seed', async () => {
    expect(await writeAndCrash(11, 'torn')).toEqual(await writeAndCrash(11, 'torn'));
    expect(await writeAndCrash(11, 'torn')).not.toEqual(await writeAndCrash(12, 'torn'));
  });
});
