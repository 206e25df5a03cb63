/**
 * The sequences that this node's session gives to writes, per slot, and the floors: all below a slot's floor is answered. Answers of one slot
 * come in order but for refusals, so what is answered ahead of the floor is rare and kept aside.
 */
const SLOT_COUNT = 16384;

export class Sequences {
  private readonly next = new Float64Array(SLOT_COUNT).fill(1);
  private readonly floors = new Float64Array(SLOT_COUNT).fill(1);
  private readonly ahead = new Map<number, Set<number>>();
  /** How many slots `ahead` has: mostly none, and then it is not asked. */
  private slotsAhead = 0;
  /** The floor that a write or a floors message has told last. */
  private readonly told = new Float64Array(SLOT_COUNT).fill(1);

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
    for (let slot = 0; slot < SLOT_COUNT; slot++) if (this.floors[slot] > 1 && of(slot)) this.told[slot] = 1;
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
    const floors: number[] = [];
    let passed = 0;
    for (; passed < SLOT_COUNT && slots.length < limit; passed++) {
      const slot = (from + passed) % SLOT_COUNT;
      const isQuiet = this.told[slot] !== this.floors[slot] && this.next[slot] === this.floors[slot];
      if (!isQuiet || !of(slot)) continue;
      slots.push(slot);
      floors.push(this.floor(slot));
    }
    return { slots, floors, next: (from + passed) % SLOT_COUNT };
  }
}
