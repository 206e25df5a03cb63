/** What the logs of all groups together say of slots (design section 8): at each step each slot is one group's. */
import { SlotState } from '../../../../src/shard/moves/slot-state.ts';
import type { GroupId } from '../../../../src/raft/types.ts';
import { SLOT_COUNT } from '../../../../src/topology/types.ts';
import type { Counters } from './counters.ts';
import type { Broken } from './group-law.ts';

/** At once; SLOT_COUNT is a multiple. */
const COMPARED_SLOTS = 1024;

interface GroupSlots {
  /** As of the highest index that any replica has applied. */
  index: number;
  readonly states: Uint8Array;
}

export class SlotLaw {
  /** A group has fenced these: whoever asks for one of them waits for what the other group decides. */
  onFrozen: (slots: readonly number[]) => void = () => {};
  private readonly groups = new Map<GroupId, GroupSlots>();
  private readonly broken: Broken;
  /** How many groups own each slot, and how many own it or have it frozen. */
  private readonly owners = new Uint8Array(SLOT_COUNT);
  private readonly holders = new Uint8Array(SLOT_COUNT);
  private readonly wasHeld = new Uint8Array(SLOT_COUNT);
  private readonly counters: Counters;

  constructor(counters: Counters, broken: Broken) {
    this.counters = counters;
    this.broken = broken;
  }

  /** A replica has applied its group's log up to `index`, with an entry of moves there. */
  applied(group: GroupId, index: number, moves: { readonly states: Uint8Array }): void {
    let known = this.groups.get(group);
    if (known === undefined)
      this.groups.set(group, (known = { index: 0, states: new Uint8Array(SLOT_COUNT) }));
    if (index <= known.index) return;
    known.index = index;
    const changed = differences(known.states, moves.states);
    for (const slot of changed) {
      const state = moves.states[slot];
      this.count(slot, known.states[slot], -1);
      if (known.states[slot] === SlotState.FROZEN)
        this.counters.sometimes(state === SlotState.OWNED ? 'slot thawed' : 'slot went to another shard');
      if (known.states[slot] === SlotState.STAGING && state === SlotState.NONE)
        this.counters.sometimes('import given up');
      this.count(slot, state, 1);
      known.states[slot] = state;
    }
    for (const slot of changed) this.check(slot, group);
    const frozen = changed.filter((slot) => known.states[slot] === SlotState.FROZEN);
    if (frozen.length > 0) this.onFrozen(frozen);
  }

  private count(slot: number, state: number, by: number): void {
    if (state === SlotState.OWNED) this.owners[slot] += by;
    if (state === SlotState.OWNED || state === SlotState.FROZEN) this.holders[slot] += by;
  }

  private check(slot: number, group: GroupId): void {
    if (this.owners[slot] > 1)
      this.broken('slots-owned-once', `slot ${slot} is owned by group ${group} and another`);
    if (this.holders[slot] > 0) this.wasHeld[slot] = 1;
    else if (this.wasHeld[slot] === 1)
      this.broken('slots-owned-once', `slot ${slot} is of no group after a step of group ${group}`);
  }

  /** A replica of the group reads in a slot, of which its own state says this. */
  served(group: GroupId, slot: number, state: SlotState): void {
    // While it is frozen the other group may own it already, and have changed it.
    if (state !== SlotState.OWNED)
      this.broken('slots-owned-once', `group ${group} serves slot ${slot}, which it does not own`);
    for (const [other, { states }] of this.groups)
      if (other !== group && states[slot] === SlotState.OWNED)
        this.broken('slots-owned-once', `group ${group} serves slot ${slot}, which is of group ${other}`);
  }
}

/** Most of an entry's slots are as they were: runs of them are compared at once. */
function differences(before: Uint8Array, after: Uint8Array): number[] {
  const found: number[] = [];
  for (let from = 0; from < SLOT_COUNT; from += COMPARED_SLOTS) {
    const to = from + COMPARED_SLOTS;
    if (Buffer.compare(before.subarray(from, to), after.subarray(from, to)) === 0) continue;
    for (let slot = from; slot < to; slot++) if (before[slot] !== after[slot]) found.push(slot);
  }
  return found;
}
