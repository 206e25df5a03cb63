import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { Inode } from '../../src/env/sim/inode.ts';
import { SeededRandom } from '../../src/env/sim/random.ts';

/** A file as it would be if each change were kept with its bytes. */
class PlainFile {
  seen: Uint8Array = new Uint8Array(0);
  durable: Uint8Array = new Uint8Array(0);
  changes: { apply: (to: Uint8Array) => Uint8Array; lost: boolean }[] = [];

  change(apply: (to: Uint8Array) => Uint8Array): void {
    this.seen = apply(this.seen);
    this.changes.push({ apply, lost: false });
  }

  sync(): void {
    for (const { apply, lost } of this.changes) if (!lost) this.durable = apply(this.durable);
    this.changes = [];
  }

  losePower(keeps: boolean): void {
    for (const { apply, lost } of this.changes) if (keeps && !lost) this.durable = apply(this.durable);
    this.changes = [];
    this.seen = this.durable;
  }
}

function resized(bytes: Uint8Array, sizeBytes: number): Uint8Array {
  const other = new Uint8Array(sizeBytes);
  other.set(bytes.subarray(0, sizeBytes));
  return other;
}

function written(to: Uint8Array, position: number, bytes: Uint8Array): Uint8Array {
  const after = resized(to, Math.max(to.length, position + bytes.length));
  after.set(bytes, position);
  return after;
}

describe('a simulated file', () => {
  const place = fc.nat(40_000);
  const step = fc.oneof(
    fc.record({
      kind: fc.constant('write' as const),
      at: place,
      size: fc.nat(20_000),
      byte: fc.constantFrom(0, 1, 2),
    }),
    fc.record({ kind: fc.constantFrom('truncate' as const, 'sync' as const, 'fail' as const), at: place }),
    fc.record({ kind: fc.constantFrom('lost' as const, 'kept' as const), at: place }),
  );

  it('is what was written, and after a power loss what was synced, with all or nothing of the rest', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
        const inode = new Inode();
        const plain = new PlainFile();
        for (const one of steps) {
          if (one.kind === 'write') {
            const bytes = new Uint8Array(one.size).fill(one.byte);
            inode.write(one.at, bytes);
            plain.change((to) => written(to, one.at, bytes));
          } else if (one.kind === 'truncate') {
            inode.truncate(one.at);
            plain.change((to) => resized(to, one.at));
          } else if (one.kind === 'sync') {
            inode.sync(inode.changesMade);
            plain.sync();
          } else if (one.kind === 'fail') {
            inode.failSync(inode.changesMade);
            for (const change of plain.changes) change.lost = true;
          } else {
            inode.losePower(one.kind, new SeededRandom(1));
            plain.losePower(one.kind === 'kept');
          }
          expect(Buffer.compare(inode.bytes(), plain.seen)).toBe(0);
        }
      }),
      { numRuns: 300 },
    );
  });
});
