/**
 * The sequences that this node's session gives to writes, per slot, and the floors: all below a slot's floor is answered. Answers of one slot
 * come in order but for refusals, so what is answered ahead of the floor is rare and kept aside.
 */
const SLOT_COUNT = 16384;
/** Whether floors are to be told is known of groups of slots too: few are written between two tellings. */
const GROUP_SHIFT = 5;
const SLOTS_PER_GROUP = 1 << GROUP_SHIFT;
const NEVER_WRITTEN = 0;
const ALL_TOLD = 1;
const RAISED = 2;

export class Sequences {
  private readonly next = new Float64Array(SLOT_COUNT).fill(1);
  private readonly floors = new Float64Array(SLOT_COUNT).fill(1);
  private readonly ahead = new Map<number, Set<number>>();
  /** How many slots `ahead` has: mostly none, and then it is not asked. */
  private slotsAhead = 0;
  /** The floor that a write or a floors message has told last. */
  private readonly told = new Float64Array(SLOT_COUNT).fill(1);
  private readonly groups = new Uint8Array(SLOT_COUNT >>> GROUP_SHIFT);

  take(slot: number): number {
    const sequence = this.next[slot];
    this.next[slot] = sequence + 1;
    return sequence;
  }

  floor(slot: number): number {
    const floor = this.floors[slot];
    this.told[slot] = floor;
    return floor;
  }

  answered(slot: number, sequence: number): void {
    if (sequence !== this.floors[slot]) {
      let waiting = this.ahead.get(slot);
      if (waiting === undefined) this.ahead.set(slot, (waiting = new Set()));
      waiting.add(sequence);
      this.slotsAhead = this.ahead.size;
      return;
    }
    this.groups[slot >>> GROUP_SHIFT] = RAISED;
    this.floors[slot] = this.slotsAhead === 0 ? sequence + 1 : this.floorAfter(slot, sequence);
  }

  /** Above the sequence and all that follow it and were answered before. */
  private floorAfter(slot: number, sequence: number): number {
    let floor = sequence + 1;
    const waiting = this.ahead.get(slot);
    if (waiting === undefined) return floor;
    while (waiting.delete(floor)) floor += 1;
    if (waiting.size === 0) this.ahead.delete(slot);
    this.slotsAhead = this.ahead.size;
    return floor;
  }

  /** Floors told before may not have come to the new leader of the slots that `of` accepts: they are told again. */
  tellAgain(of: (slot: number) => boolean): void {
    const { floors, told, groups } = this;
    for (let group = 0; group < groups.length; group++) {
      if (groups[group] === NEVER_WRITTEN) continue;
      const start = group << GROUP_SHIFT;
      for (let slot = start; slot < start + SLOTS_PER_GROUP; slot++)
        if (floors[slot] > 1 && of(slot)) told[slot] = 1;
      groups[group] = RAISED;
    }
  }

  /** The same of these slots. */
  tellAgainOf(slots: Iterable<number>): void {
    const { floors, told, groups } = this;
    for (const slot of slots) {
      const group = slot >>> GROUP_SHIFT;
      if (groups[group] === NEVER_WRITTEN) continue;
      if (floors[slot] > 1) told[slot] = 1;
      groups[group] = RAISED;
    }
  }

  /**
   * Slots with nothing under way whose floor rose since it was told, among those that `of` accepts, from slot `from` on and round to it; at most
   * `limit`. They count as told. `next`: where to go on, so that busy slots keep none from its turn.
   */
  quiet(
    of: (slot: number) => boolean,
    limit: number,
    from: number,
  ): { slots: number[]; floors: number[]; next: number } {
    const slots: number[] = [];
    let passed = 0;
    while (passed < SLOT_COUNT && slots.length < limit) {
      const slot = (from + passed) % SLOT_COUNT;
      const groupEnd = ((slot >>> GROUP_SHIFT) + 1) << GROUP_SHIFT;
      const end = Math.min(groupEnd, slot + SLOT_COUNT - passed);
      passed +=
        this.groups[slot >>> GROUP_SHIFT] === RAISED ? this.pass(slot, end, of, limit, slots) : end - slot;
    }
    return { slots, floors: slots.map((slot) => this.floor(slot)), next: (from + passed) % SLOT_COUNT };
  }

  /** Looks at the slots of one group, up to `end` or the limit; returns how many. */
  private pass(
    slot: number,
    end: number,
    of: (slot: number) => boolean,
    limit: number,
    slots: number[],
  ): number {
    const { told, floors, next } = this;
    let hasMore = false;
    let at = slot;
    for (; at < end && slots.length < limit; at++) {
      if (told[at] === floors[at]) continue;
      if (next[at] === floors[at] && of(at)) slots.push(at);
      else hasMore = true;
    }
    if (!hasMore && at - slot === SLOTS_PER_GROUP) this.groups[slot >>> GROUP_SHIFT] = ALL_TOLD;
    return at - slot;
  }
}
