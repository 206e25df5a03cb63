/** What the log says of slots, and of their exports, as bytes: for snapshots, and for the hash that replicas compare. */
import { readU32, writeU32 } from '../../little-endian.ts';
import type { Moves } from './moves.ts';

const HEADER_BYTES = 4;

/** | length of the states, u32 | states | exports | */
export function imageOfSlots({ slots, exports }: Moves): Buffer {
  const states = slots.image();
  const header = Buffer.alloc(HEADER_BYTES);
  writeU32(header, states.length, 0);
  return Buffer.concat([header, states, exports.image()]);
}

export function loadSlots({ slots, exports }: Moves, image: Buffer): void {
  const end = HEADER_BYTES + readU32(image, 0);
  slots.load(image.subarray(HEADER_BYTES, end));
  exports.load(image.subarray(end));
}
