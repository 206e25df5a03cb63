/**
 * Numbers in bytes, little-endian, for what runs at each command: Buffer's own methods check their arguments again and are called where these
 * are inlined, at three to five times the cost. The caller has seen that the bytes are there.
 */
const doubles = new Float64Array(1);
const words = new Uint32Array(doubles.buffer);

export function readU16(bytes: Uint8Array, at: number): number {
  return bytes[at] | (bytes[at + 1] << 8);
}

export function readU32(bytes: Uint8Array, at: number): number {
  return (bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)) >>> 0;
}

export function readF64(bytes: Uint8Array, at: number): number {
  words[0] = readU32(bytes, at);
  words[1] = readU32(bytes, at + 4);
  return doubles[0];
}

export function writeU16(bytes: Uint8Array, value: number, at: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
}

export function writeU32(bytes: Uint8Array, value: number, at: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}

export function writeF64(bytes: Uint8Array, value: number, at: number): void {
  doubles[0] = value;
  writeU32(bytes, words[0], at);
  writeU32(bytes, words[1], at + 4);
}

/** Copies what is under one view to another: without a view of the range as garbage. At least 4 bytes: the last word may overlap the one before it. */
export function copyWords(source: DataView, start: number, end: number, target: DataView, at: number): void {
  const last = end - 4;
  let from = start;
  let to = at;
  for (; from + 12 <= last; from += 16, to += 16) {
    target.setInt32(to, source.getInt32(from, true), true);
    target.setInt32(to + 4, source.getInt32(from + 4, true), true);
    target.setInt32(to + 8, source.getInt32(from + 8, true), true);
    target.setInt32(to + 12, source.getInt32(from + 12, true), true);
  }
  for (; from < last; from += 4, to += 4) target.setInt32(to, source.getInt32(from, true), true);
  target.setInt32(at + last - start, source.getInt32(last, true), true);
}
