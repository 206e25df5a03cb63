import { expect, it } from 'vitest';

import type { ShardCommand } from '../../../../src/shard/state-machine.ts';
import { Args } from '../../../../src/resp/args.ts';
import { SimCluster } from '../cluster.ts';
import { Counters } from './counters.ts';
import { Invariants } from './invariants.ts';

const OF_SHARDS = { row: { spread: { by: 'shards' } } } as ShardCommand;

it('looks on and changes nothing: what is asked of a replica reaches it as it was asked', async () => {
  const cluster = new SimCluster(9, 3);
  const invariants = new Invariants(
    new Counters(),
    () => [],
    (name, what) => expect.fail(`${name}: ${what}`),
  );
  const applied = new Set<number | undefined>();
  const named: (boolean | undefined)[] = [];
  cluster.onlooker = {
    onReplica: (i, replica, recovered) => {
      const { raft, machine } = replica;
      const take = raft.takeReady.bind(raft);
      raft.takeReady = (applyBytes) => {
        applied.add(applyBytes);
        return take(applyBytes);
      };
      const readRefusal = machine.readRefusal.bind(machine);
      machine.readRefusal = (command, args, slot, namesSlots) => {
        if (command !== OF_SHARDS) return readRefusal(command, args, slot, namesSlots);
        named.push(namesSlots);
        return 0;
      };
      invariants.watch(i, replica, recovered, cluster.nodes[i].clock);
      machine.readRefusal(OF_SHARDS, new Args(), 0, true);
    },
  };
  await cluster.startAll();
  expect(await cluster.client(0).ask('SET', 'k', 'v')).toBe('+OK\r\n');
  // The engine always says how much is to be applied at most.
  expect(applied).not.toContain(undefined);
  expect(named).toEqual(Array(9).fill(true));
});
