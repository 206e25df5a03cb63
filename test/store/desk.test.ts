import * as fc from 'fast-check';
import { expect, it } from 'vitest';

import { equalFrom, hashBytes } from '../../src/store/byte-hash.ts';
import { copyInto } from '../../src/store/copy-bytes.ts';
import { onDesk } from '../../src/store/desk.ts';

const SLAB_BYTES = 2048;

it('bytes on the desk are hashed, compared and copied as they are elsewhere', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 700 }),
      fc.nat(40),
      fc.nat(0xffffffff),
      fc.nat(699),
      (content, before, seed, flip) => {
        const source = Buffer.concat([Buffer.alloc(before, 7), content, Buffer.alloc(9, 0xff)]);
        const end = before + content.length;
        const desk = onDesk(source);
        expect(desk === source).toBe(false);
        expect(hashBytes(desk, before, end, seed)).toBe(hashBytes(source, before, end, seed));
        for (const from of [desk, source]) {
          const slab = Buffer.allocUnsafeSlow(SLAB_BYTES).fill(0xee);
          copyInto(from, before, end, slab, new DataView(slab.buffer), 24);
          expect(slab.subarray(24, 24 + content.length).equals(content)).toBe(true);
          expect(slab[23] === 0xee && slab[24 + content.length] === 0xee).toBe(true);
          const words = new Uint32Array(slab.buffer);
          expect(equalFrom(words, 6, from, before, end)).toBe(true);
          if (flip >= content.length) continue;
          slab[24 + flip] ^= 0x80;
          expect(equalFrom(words, 6, from, before, end)).toBe(false);
        }
      },
    ),
    { numRuns: 300 },
  );
});
