/** Which commands Torc refuses on the client port because their keys lie in several slots: what one shard must do at once. */
import { slotOf } from '../../ring/index.ts';
import type { Command } from './generator.ts';

export const CROSS_SLOT_TEXT = "-CROSSSLOT Keys in request don't hash to the same slot\r\n";

interface Keys {
  minWords: number;
  maxWords: number;
  step: number;
  /** Position of the last key; -1: all are keys and what belongs to them. */
  last: number;
}

const ALL_AT_ONCE: Readonly<Record<string, Keys>> = {
  mset: { minWords: 3, maxWords: Infinity, step: 2, last: -1 },
  msetnx: { minWords: 3, maxWords: Infinity, step: 2, last: -1 },
  rename: { minWords: 3, maxWords: 3, step: 1, last: 2 },
  renamenx: { minWords: 3, maxWords: 3, step: 1, last: 2 },
  copy: { minWords: 3, maxWords: Infinity, step: 1, last: 2 },
  lcs: { minWords: 3, maxWords: Infinity, step: 1, last: 2 },
};

export function isCrossSlot(command: Command): boolean {
  const keys = ALL_AT_ONCE[String(command[0]).toLowerCase()];
  if (keys === undefined || command.length < keys.minWords || command.length > keys.maxWords) return false;
  const last = keys.last < 0 ? command.length - 1 : keys.last;
  const slots = new Set<number>();
  for (let i = 1; i <= last; i += keys.step) {
    const key = Buffer.from(String(command[i]), 'latin1');
    slots.add(slotOf(key, 0, key.length));
  }
  return slots.size > 1;
}
