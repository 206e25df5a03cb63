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
  private readonly countedSinceMs = new Float64Array(SLOT_COUNT).fill(Number.NEGATIVE_INFINITY);
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
      this.countedSinceMs.fill(nowMs);
    }
    this.wasLed = isLed;
    for (const slot of this.arrived.splice(0)) {
      this.counts[slot] = 0;
      this.countedSinceMs[slot] = nowMs;
    }
    if (nowMs - this.halvedMs < HALVED_EVERY_MS) return;
    this.halvedMs = nowMs;
    const { counts } = this;
    for (let slot = 0; slot < counts.length; slot++) counts[slot] >>>= 1;
  }

  /** A second. Of all slots, in a loop that is short, since it is never fast where it seldom runs. */
  rates(nowMs: number): Float64Array {
    const { countedSinceMs } = this;
    const rates = new Float64Array(this.counts);
    let sinceMs = Number.NaN;
    let weightMs = LEAST_MS;
    for (let slot = 0; slot < SLOT_COUNT; slot++) {
      if (rates[slot] === 0) continue;
      if (countedSinceMs[slot] !== sinceMs) {
        sinceMs = countedSinceMs[slot];
        weightMs = this.weightMs(nowMs - sinceMs, nowMs);
      }
      rates[slot] = (rates[slot] * MS_PER_SECOND) / weightMs;
    }
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
