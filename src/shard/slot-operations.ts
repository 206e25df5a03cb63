/** How often the commands of each slot are run here, lately: counts that are halved now and then, so that what was long ago is forgotten. */
import { SLOT_COUNT } from '../topology/types.ts';

const HALVED_EVERY_MS = 10_000;
const MS_PER_SECOND = 1000;

export class SlotOperations {
  /** One is added for each command. */
  readonly counts = new Uint32Array(SLOT_COUNT);
  private halvedMs: number | null = null;

  /** Called now and then. */
  tend(nowMs: number): void {
    this.halvedMs ??= nowMs;
    if (nowMs - this.halvedMs < HALVED_EVERY_MS) return;
    this.halvedMs = nowMs;
    const { counts } = this;
    for (let slot = 0; slot < counts.length; slot++) counts[slot] >>>= 1;
  }

  /** A second. Of a steady flow half of the count comes from before the last halving: as much as in one interval. */
  rateOf(slot: number, nowMs: number): number {
    const sinceMs = nowMs - (this.halvedMs ?? nowMs);
    return (this.counts[slot] * MS_PER_SECOND) / (HALVED_EVERY_MS + sinceMs);
  }
}
