/** What a fault has at hand: the nodes, their lines and disks, and a source of chance. */
import { pause, type TorcCluster } from '../e2e/cluster/torc-cluster.ts';
import type { SeededRandom } from '../../src/env/sim/random.ts';
import type { Disk, DiskAbilities } from './disks.ts';
import type { Guest } from './guest.ts';
import type { Network } from './network.ts';

export interface Lab {
  cluster: TorcCluster;
  network: Network;
  disks: readonly Disk[];
  /** Comes when the cluster is resized. */
  guest: Guest;
  abilities: DiskAbilities;
  random: SeededRandom;
}

export function sizeOf({ cluster }: Lab): number {
  return cluster.nodes.length;
}

/** A whole number from `least` to `most`, both included. */
export function between({ random }: Lab, least: number, most: number): number {
  return least + random.below(most - least + 1);
}

/** So many different nodes. */
export function someNodes(lab: Lab, count: number): number[] {
  const places = Array.from({ length: sizeOf(lab) }, (_, place) => place);
  const chosen: number[] = [];
  while (chosen.length < count) chosen.push(...places.splice(lab.random.below(places.length), 1));
  return chosen;
}

/** Network faults for a while. They end however it goes. */
export async function withNetwork(
  lab: Lab,
  faults: Parameters<Network['apply']>[0],
  lastMs: number,
): Promise<void> {
  try {
    await lab.network.apply(faults);
    await pause(lastMs);
  } finally {
    await lab.network.apply([]);
  }
}
