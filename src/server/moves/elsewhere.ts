import { MoveOutcome } from '../../shard/moves/slot-state.ts';
import type { Replica } from '../../shard/replica.ts';
import type { Elsewhere } from '../../shard/waiter.ts';

/** Where a slot has gone that this replica's shard had, as far as its log says. */
export function elsewhereOf(replica: Replica | undefined, slot: number): Elsewhere | undefined {
  if (replica === undefined) return undefined;
  const { moves } = replica.machine;
  if (moves.isOwned(slot) || moves.outcomeOf(slot) !== MoveOutcome.WENT) return undefined;
  return { slot, shard: moves.peerOf(slot), move: moves.endedOf(slot) };
}
