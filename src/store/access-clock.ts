/**
 * The access clock of an entry: when it was last used, and how often, as Redis approximates them. It is the leader's alone: outside digest
 * and snapshot. 24 bits of seconds plus one (0: never used), and 8 bits of a logarithmic counter that decays by one a minute.
 */
const COUNTER_BITS = 8;
const COUNTER_MASK = 0xff;
const CLOCK_RANGE = 2 ** 24 - 1;
const SECOND_MS = 1000;
const DECAY_SECONDS = 60;
/** The counter of a new key, so that it is not the first to go (`LFU_INIT_VAL`). */
const FIRST_COUNTER = 5;
/** `lfu-log-factor`. */
const LOG_FACTOR = 10;
const TWO_32 = 2 ** 32;

export const NEVER_USED = 0;

/** The clock of a key made just now. */
export function firstAccess(monotonicMs: number): number {
  return pack(secondsOf(monotonicMs), FIRST_COUNTER);
}

/** The clock after one more use: the counter rises with a chance that falls with its height. `pick`: a random uint32. */
export function nextAccess(access: number, monotonicMs: number, pick: number): number {
  if (access === NEVER_USED) return firstAccess(monotonicMs);
  // Within a second, and with the pick of who counts nothing by chance: the counter rises, and nothing has decayed.
  if (pick === 0 && access >>> COUNTER_BITS === secondsOf(monotonicMs) + 1)
    return (access & COUNTER_MASK) === COUNTER_MASK ? access : access + 1;
  const counter = frequencyOf(access, monotonicMs);
  const base = Math.max(0, counter - FIRST_COUNTER);
  const rises = counter < COUNTER_MASK && pick / TWO_32 < 1 / (base * LOG_FACTOR + 1);
  return pack(secondsOf(monotonicMs), rises ? counter + 1 : counter);
}

export function idleMsOf(access: number, monotonicMs: number): number {
  return access === NEVER_USED ? 0 : idleSeconds(access, monotonicMs) * SECOND_MS;
}

/** The counter as of now; 0 when never used. */
export function frequencyOf(access: number, monotonicMs: number): number {
  if (access === NEVER_USED) return 0;
  const periods = Math.floor(idleSeconds(access, monotonicMs) / DECAY_SECONDS);
  return Math.max(0, (access & COUNTER_MASK) - periods);
}

function secondsOf(monotonicMs: number): number {
  return ((monotonicMs / SECOND_MS) >>> 0) % CLOCK_RANGE;
}

function idleSeconds(access: number, monotonicMs: number): number {
  const idle = secondsOf(monotonicMs) - ((access >>> COUNTER_BITS) - 1);
  return idle < 0 ? idle + CLOCK_RANGE : idle;
}

function pack(seconds: number, counter: number): number {
  return (((seconds + 1) << COUNTER_BITS) | counter) >>> 0;
}
