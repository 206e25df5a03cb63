import { describe, expect, it } from 'vitest';

import { SimulatedTimers } from '../../src/env/sim/clock.ts';
import { attachDisk } from '../../src/env/sim/disk-process.ts';
import { SimulatedDisk } from '../../src/env/sim/disk.ts';
import { Scheduler } from '../../src/env/sim/scheduler.ts';
import { AcceptorFile } from '../../src/topology/acceptor-file.ts';
import { oneNode } from './one-node.ts';

const PATH = '/data/acceptor.json';
const topology = oneNode(1, 2);
const [{ id: self }] = topology.nodes;
const ballot = { round: 3, start: 2, node: self };
const accepted = { ballot, value: topology };
const state = {
  vote: { instance: { generation: 1, epoch: 2 }, promised: ballot, accepted },
  recovery: { instance: { generation: 3, epoch: 2 }, promised: ballot, accepted },
  boundTo: 3,
  barred: 2,
};

function open(disk: SimulatedDisk, node: string | null): Promise<AcceptorFile> {
  return AcceptorFile.open(attachDisk(disk, new SimulatedTimers(new Scheduler())), '/data', node);
}

describe('what an acceptor has promised', () => {
  it('is on disk before anybody is told', async () => {
    let isDurable = false;
    const slow = {
      readFile: () => Promise.resolve(null),
      replaceFile: async () => {
        for (let turns = 0; turns < 20; turns++) await Promise.resolve();
        isDurable = true;
      },
    };
    const file = await AcceptorFile.open(slow, '/data', self);
    const saved = file.save(self, state);
    expect(file.state).toBe(null);
    await saved;
    expect([isDurable, file.state]).toEqual([true, state]);
  });

  it('outlives a power loss, and binds no other node', async () => {
    const disk = new SimulatedDisk({ seed: 1 });
    const file = await open(disk, self);
    expect(file).toMatchObject({ isMissing: true, state: null });
    await file.save(self, null);
    await file.save(self, state);
    expect(file).toMatchObject({ isMissing: false, state });
    disk.crash('lost');
    expect((await open(disk, self)).state).toEqual(state);
    expect(await open(disk, 'b'.repeat(40))).toMatchObject({ isMissing: false, state: null });
  });

  it('is not guessed from a file that cannot be read', async () => {
    const disk = new SimulatedDisk({ seed: 1 });
    await (await open(disk, self)).save(self, state);
    disk.flipBit(PATH, 60, 1);
    await expect(open(disk, self)).rejects.toThrow('torc repair --discard-replica');
    disk.replaceContent(PATH, Buffer.from('{}'));
    await expect(open(disk, self)).rejects.toThrow('does not begin as a file of promises');
  });
});
