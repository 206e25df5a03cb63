import { createXXHash64 } from 'hash-wasm';

/** Tokens and slots lie on a circle of this circumference: as many points as a number holds exactly. */
export const CIRCLE = 2 ** 53;

/** The point of a label on the circle. */
export type TokenHash = (label: string) => number;

/** Loaded once in a process. */
let loaded: Promise<TokenHash> | null = null;

/** Loads xxHash64, which takes a promise; what it gives is synchronous and may be kept for ever. */
export function loadTokenHash(): Promise<TokenHash> {
  return (loaded ??= load());
}

async function load(): Promise<TokenHash> {
  const hasher = await createXXHash64();
  return (label) => {
    const digest = hasher.init().update(label).digest('binary');
    return topBits(digest);
  };
}

/** The 53 highest bits of a big-endian 64-bit digest. */
function topBits(digest: Uint8Array): number {
  const view = new DataView(digest.buffer, digest.byteOffset, digest.byteLength);
  return view.getUint32(0) * 2 ** 21 + (view.getUint32(4) >>> 11);
}
