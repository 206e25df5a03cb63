/** Buffers for what is under way between simulated nodes, used again and again: a node that keeps bytes which it was only shown finds others there. */

const LEAST_SHIFT = 8;
const MOST_SHIFT = 16;
const KEPT_PER_SIZE = 256;
/** What lies in the bytes of a message after they were handed over. */
const USED_BYTE = 0xdb;

const free: Buffer[][] = Array.from({ length: MOST_SHIFT + 1 }, () => []);

/** The exponent of the power of two that `sizeBytes` fits into. */
function shiftOf(sizeBytes: number): number {
  return sizeBytes <= 1 << LEAST_SHIFT ? LEAST_SHIFT : 32 - Math.clz32(sizeBytes - 1);
}

/** A buffer that begins with a copy of `bytes`, and may be longer. */
export function wireCopy(bytes: Uint8Array): Buffer {
  const shift = shiftOf(bytes.length);
  const buffer = (shift <= MOST_SHIFT ? free[shift].pop() : undefined) ?? Buffer.allocUnsafeSlow(2 ** shift);
  buffer.set(bytes);
  return buffer;
}

/** The first `sizeBytes` were handed over: they are of no use any more. */
export function giveBack(buffer: Buffer, sizeBytes: number): void {
  Uint8Array.prototype.fill.call(buffer, USED_BYTE, 0, sizeBytes);
  const shift = shiftOf(buffer.length);
  if (shift <= MOST_SHIFT && free[shift].length < KEPT_PER_SIZE) free[shift].push(buffer);
}
