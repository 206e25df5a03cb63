import { SLOT_COUNT } from './sessions-image.ts';

const WORD_SHIFT = 5;
const WORD_MASK = (1 << WORD_SHIFT) - 1;

/** Slots, a bit each. */
export class SlotSet {
  private readonly words = new Int32Array(SLOT_COUNT >>> WORD_SHIFT);
  private count = 0;

  add(slot: number): void {
    const { words } = this;
    const word = words[slot >>> WORD_SHIFT];
    const withSlot = word | (1 << (slot & WORD_MASK));
    if (withSlot === word) return;
    words[slot >>> WORD_SHIFT] = withSlot;
    this.count += 1;
  }

  has(slot: number): boolean {
    return (this.words[slot >>> WORD_SHIFT] & (1 << (slot & WORD_MASK))) !== 0;
  }

  delete(slot: number): void {
    if (!this.has(slot)) return;
    this.words[slot >>> WORD_SHIFT] &= ~(1 << (slot & WORD_MASK));
    this.count -= 1;
  }

  /** Ascending. */
  slots(): Uint16Array {
    const slots = new Uint16Array(this.count);
    let found = 0;
    for (let at = 0; at < this.words.length; at += 1) {
      for (let word = this.words[at]; word !== 0; word &= word - 1)
        slots[found++] = (at << WORD_SHIFT) | (31 - Math.clz32(word & -word));
    }
    return slots;
  }
}
