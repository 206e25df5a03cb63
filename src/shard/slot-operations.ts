/**
 * How often the commands of each slot are run here, lately: counts that are halved now and then, so that what was long ago is forgotten. A slot that has
 * just come, and all slots of a leader that has just begun, have been counted for a short time only: their rates are of that time, or plans by
 * operations would take them for idle and move others after them.
 */
import { SLOT_COUNT } from '../topology/types.ts';

const HALVED_EVERY_MS = 10_000;
const HALVINGS_THAT_COUNT = 8;
/** A rate over less says nothing. */
const LEAST_MS = 1000;
const MS_PER_SECOND = 1000;

export class SlotOperations {
  /** One is added for each command. */
  readonly counts = new Uint32Array(SLOT_COUNT);
  /** Since when slots are counted: all, but those that have come since. */
  private allSinceMs = Number.NEGATIVE_INFINITY;
  private readonly sinceMs = new Map<number, number>();
  /** Slots that have come since the last look at the clock. */
  private readonly arrived: number[] = [];
  private halvedMs: number | null = null;
  private wasLed = false;

  /** The slot is here from now on. */
  arrive(slot: number): void {
    this.arrived.push(slot);
  }

  /** Called now and then. Who does not lead counts writes alone. */
  tend(isLed: boolean, nowMs: number): void {
    this.halvedMs ??= nowMs;
    if (isLed && !this.wasLed) {
      this.counts.fill(0);
      this.allSinceMs = nowMs;
      this.sinceMs.clear();
    }
    this.wasLed = isLed;
    for (const slot of this.arrived.splice(0)) {
      this.counts[slot] = 0;
      this.sinceMs.set(slot, nowMs);
    }
    if (nowMs - this.halvedMs < HALVED_EVERY_MS) return;
    this.halvedMs = nowMs;
    const { counts } = this;
    for (let slot = 0; slot < counts.length; slot++) counts[slot] >>>= 1;
    // Longer ago all counts weigh the same.
    const longAgoMs = nowMs - (HALVINGS_THAT_COUNT + 1) * HALVED_EVERY_MS;
    for (const [slot, sinceMs] of this.sinceMs) if (sinceMs < longAgoMs) this.sinceMs.delete(slot);
  }

  /** A second. Of all slots, in loops that are short, since they are never fast where they seldom run. */
  rates(nowMs: number): Float64Array {
    const rates = new Float64Array(this.counts);
    const weightMs = this.weightMs(nowMs - this.allSinceMs, nowMs);
    for (let slot = 0; slot < SLOT_COUNT; slot++) rates[slot] = (rates[slot] * MS_PER_SECOND) / weightMs;
    for (const [slot, sinceMs] of this.sinceMs)
      rates[slot] = (this.counts[slot] * MS_PER_SECOND) / this.weightMs(nowMs - sinceMs, nowMs);
    return rates;
  }

  /** For how long the count would be of a steady flow, had it never been halved: what came before each halving counts for half as much. */
  private weightMs(countedMs: number, nowMs: number): number {
    let weightMs = Math.min(countedMs, nowMs - (this.halvedMs ?? nowMs));
    let restMs = countedMs - weightMs;
    for (let halvings = 1; halvings <= HALVINGS_THAT_COUNT && restMs > 0; halvings++) {
      weightMs += Math.min(restMs, HALVED_EVERY_MS) / 2 ** halvings;
      restMs -= HALVED_EVERY_MS;
    }
    return Math.max(weightMs, LEAST_MS);
  }
}
