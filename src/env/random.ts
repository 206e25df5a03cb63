import { randomBytes, randomFillSync } from 'node:crypto';

import type { Random } from './contracts.ts';

const POOL_WORDS = 256;

/** The system's generator, asked for many words at a time. */
export class SystemRandom implements Random {
  readonly #pool = new Uint32Array(POOL_WORDS);
  #next = POOL_WORDS;

  uint32(): number {
    if (this.#next === POOL_WORDS) {
      randomFillSync(this.#pool);
      this.#next = 0;
    }
    const word = this.#pool[this.#next];
    this.#next += 1;
    return word;
  }

  bytes(sizeBytes: number): Uint8Array {
    return randomBytes(sizeBytes);
  }
}
