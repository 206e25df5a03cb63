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
