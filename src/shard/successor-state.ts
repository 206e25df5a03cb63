/**
 * What the successor of a lost shard begins with when it is rewound: all that the sealed member with the longest log held
 * (topology/lost-shard.ts), of the slots that the register gives it and of no others (histories 4 and 16). What becomes of each part of the state says
 * the list of `moves/slot-parts.ts`. Pure.
 */
import { EntryKind, type Entry } from '../raft/entry.ts';
import { SLOT_COUNT, type SlotRange } from '../topology/types.ts';
import { SlotState } from './moves/slot-state.ts';
import { SlotStates } from './moves/slot-states.ts';
import type { StateMachine } from './state-machine.ts';

/**
 * Versions go on so far above all that the member holds: above those, too, that the lost ones may have told. A log that is behind by as many
 * entries as this is none that anybody goes on with.
 */
export const VERSIONS_AHEAD = 2 ** 32;

/**
 * Applies an entry that nobody waits for. Of a log that ends here all are, committed or not: what was acknowledged and is left is among them. Those
 * that were never committed are writes whose outcome nobody was told, or which ran again elsewhere: their rows are here, so a retry is told that they ran.
 */
export function applyLast(machine: StateMachine, entry: Entry): void {
  if (entry.kind === EntryKind.COMMANDS) machine.apply(entry, null);
  else if (entry.kind === EntryKind.MOVE) machine.applyMove(entry);
  else machine.skip(entry);
}

/** The slots are those that the successor owns. */
export function becomeSuccessor(machine: StateMachine, owned: readonly SlotRange[]): void {
  const { moves, keyspace } = machine;
  // All moves of the lost group have ended, as the other side's log said, whatever this one knew of them.
  moves.imports.clear();
  moves.exports.clear();
  const slots = new SlotStates();
  slots.found(owned);
  for (let slot = 0; slot < SLOT_COUNT; slot += 1) {
    if (slots.state(slot) === SlotState.OWNED) {
      slots.setEpoch(slot, moves.epochOf(slot) + 1);
      continue;
    }
    keyspace.flushSlot(-1, slot);
    machine.dropSessions(slot);
  }
  moves.slots.load(slots.image());
  // Its leader will send no more of it.
  machine.staged = null;
  machine.versionBase += VERSIONS_AHEAD;
}
