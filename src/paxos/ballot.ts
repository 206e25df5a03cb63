/** The order of ballots and of instances. */
import type { Ballot, InstanceId } from './types.ts';

/** Negative: `one` is lower. */
export function compareBallots(one: Ballot, other: Ballot): number {
  if (one.round !== other.round) return one.round - other.round;
  if (one.start !== other.start) return one.start - other.start;
  if (one.node === other.node) return 0;
  return one.node < other.node ? -1 : 1;
}

export function sameBallot(one: Ballot, other: Ballot): boolean {
  return compareBallots(one, other) === 0;
}

export function compareInstances(one: InstanceId, other: InstanceId): number {
  return one.generation - other.generation || one.epoch - other.epoch;
}

/** The instance that is decided by the voters which the newest value names. */
export function nextInstance({ generation, epoch }: InstanceId): InstanceId {
  return { generation, epoch: epoch + 1 };
}

/** What survivors decide, when a majority of the voters is lost: no older generation counts from there on, not even one that came to nothing. */
export function recoveryInstance({ generation, epoch }: InstanceId, promised: number): InstanceId {
  return { generation: Math.max(generation, promised) + 1, epoch: epoch + 1 };
}
