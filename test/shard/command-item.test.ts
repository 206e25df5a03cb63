import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { Args } from '../../src/resp/args.ts';
import {
  COMMAND_HEADER_BYTES,
  ItemArena,
  ItemType,
  commandArgs,
  commandDb,
  commandFloorDelta,
  commandItemBytes,
  commandResp3,
  commandSequence,
  commandSlot,
  dbIn,
  isCommandItem,
  itemHead,
  itemSize,
  resp3In,
  slotIn,
  typeIn,
} from '../../src/shard/command-item.ts';
import { onDesk } from '../../src/store/desk.ts';
import { argsOf } from './encode.ts';

const words = fc.array(fc.uint8Array({ maxLength: 40 }), { minLength: 1, maxLength: 30 });

/** A letter a byte: long strings are compared at once, and buffers element by element. */
function wordsOf(args: Args): string[] {
  return Array.from({ length: args.count }, (_, i) =>
    args.bytes.toString('latin1', args.start[i], args.end[i]),
  );
}

describe('a command item', () => {
  it('gives back what went in, contiguous or picked in any order', () => {
    const arena = new ItemArena();
    fc.assert(
      fc.property(
        words,
        fc.nat(15),
        fc.nat(16383),
        fc.boolean(),
        fc.nat(),
        fc.nat(1000),
        fc.array(fc.nat()),
        (given, db, slot, resp3, base, delta, picks) => {
          const whole = argsOf(...given.map((word) => Buffer.from(word)));
          const picked = new Args();
          picked.bytes = whole.bytes;
          picked.push(whole.start[0], whole.end[0]);
          for (const pick of picks)
            picked.push(whole.start[pick % whole.count], whole.end[pick % whole.count]);
          for (const args of [whole, picked]) {
            arena.command(args, db, slot, resp3, base + delta, base);
            const { bytes, start, end } = arena;
            expect(isCommandItem(bytes, start, end)).toBe(true);
            expect(itemSize(bytes, start)).toBe(end - start);
            expect(end - start).toBeLessThanOrEqual(commandItemBytes(args));
            expect([commandDb(bytes, start), commandSlot(bytes, start), commandResp3(bytes, start)]).toEqual([
              db,
              slot,
              resp3,
            ]);
            expect(commandSequence(bytes, start)).toBe(base + delta);
            const back = new Args();
            commandArgs(bytes, start, back);
            expect(wordsOf(back)).toEqual(wordsOf(args));
          }
        },
      ),
      { numRuns: 200 },
    );
  });

  it('is read the same on the desk and, when it is too long for that, where it lies', () => {
    for (const sizeBytes of [0, 100, 2_000_000]) {
      const args = argsOf('SET', 'key', 'v'.repeat(sizeBytes));
      const arena = new ItemArena();
      arena.command(args, 9, 12_345, true, 2 ** 40 + 7, 2 ** 40);
      const source = Buffer.concat([Buffer.alloc(13), arena.bytes.subarray(arena.start, arena.end)]);
      const bytes = onDesk(source);
      expect(bytes === source).toBe(sizeBytes > 1024 * 1024);
      for (const each of [bytes, source]) {
        expect(itemSize(each, 13)).toBe(source.length - 13);
        const head = itemHead(each, 13);
        expect([typeIn(head), dbIn(head), slotIn(head), resp3In(head)]).toEqual([
          ItemType.COMMAND,
          9,
          12_345,
          true,
        ]);
        expect([commandSequence(each, 13), commandFloorDelta(each, 13)]).toEqual([2 ** 40 + 7, 7]);
        const back = new Args();
        commandArgs(each, 13, back);
        expect(wordsOf(back)).toEqual(wordsOf(args));
      }
    }
  });

  it('is told from garbage: whatever passes can be read within its bounds', () => {
    fc.assert(
      fc.property(words, fc.array(fc.tuple(fc.nat(200), fc.nat(255)), { minLength: 1 }), (given, flips) => {
        const arena = new ItemArena();
        arena.command(argsOf(...given.map((word) => Buffer.from(word))), 0, 1, false, 5, 5);
        const bytes = Buffer.from(arena.bytes.subarray(arena.start, arena.end));
        for (const [at, value] of flips) bytes[at % bytes.length] = value;
        if (!isCommandItem(bytes, 0, bytes.length)) return;
        const args = new Args();
        commandArgs(bytes, 0, args);
        for (let i = 0; i < args.count; i++) {
          expect(args.start[i]).toBeGreaterThanOrEqual(COMMAND_HEADER_BYTES);
          expect(args.end[i]).toBeGreaterThanOrEqual(args.start[i]);
          expect(args.end[i]).toBeLessThanOrEqual(bytes.length);
        }
      }),
      { numRuns: 500 },
    );
    expect(isCommandItem(Buffer.alloc(10), 0, 10)).toBe(false);
    expect(isCommandItem(Buffer.alloc(64), 0, 64)).toBe(false);
  });

  it('that is long has a buffer of its own, which goes with it', () => {
    const arena = new ItemArena();
    arena.command(argsOf('set', 'a', 'b'), 0, 1, false, 1, 1);
    const small = arena.bytes;
    arena.command(argsOf('set', 'a', Buffer.alloc(200_000)), 0, 1, false, 2, 1);
    expect(arena.bytes).not.toBe(small);
    expect(arena.start).toBe(0);
    arena.command(argsOf('set', 'a', 'c'), 0, 1, false, 3, 1);
    expect(arena.bytes).toBe(small);
  });
});
