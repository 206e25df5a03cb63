import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import {
  eachSection,
  emptyFrame,
  FrameBuilder,
  frameOf,
  framePing,
  framePong,
  frameProblem,
} from '../../src/transport/frame.ts';
import { SectionKind } from '../../src/transport/types.ts';

const kind = fc.constantFrom(...Object.values(SectionKind));
const HEAD = { generation: 1, epoch: 3, ping: 7, pong: 9 };

describe('frames', () => {
  it('give back the sections written, gathered by kind in the order first asked for', () => {
    const writes = fc.array(fc.tuple(kind, fc.uint8Array({ maxLength: 3_000 })), { maxLength: 12 });
    const builder = new FrameBuilder();
    fc.assert(
      fc.property(writes, (writes) => {
        const wanted = new Map<SectionKind, Buffer>();
        for (const [kind, bytes] of writes) {
          builder.section(kind).bytes(bytes, 0, bytes.length);
          wanted.set(kind, Buffer.concat([wanted.get(kind) ?? Buffer.alloc(0), bytes]));
        }
        const frame = builder.take(HEAD);
        expect(builder.empty).toBe(true);
        expect(frameProblem(frame)).toBeNull();
        expect([framePing(frame), framePong(frame)]).toEqual([7, 9]);
        const read: [SectionKind, Buffer][] = [];
        eachSection(frame, (kind, bytes, start, end) => read.push([kind, bytes.subarray(start, end)]));
        expect(read).toEqual([...wanted]);
      }),
    );
  });

  it('patch what was written before', () => {
    const builder = new FrameBuilder();
    const section = builder.section(SectionKind.FORWARD);
    section.u32(0);
    section.u8(1);
    section.u16(2);
    section.f64(3);
    section.patchU32(0, section.sizeBytes);
    eachSection(builder.take(HEAD), (_kind, bytes, start) => expect(bytes.readUInt32LE(start)).toBe(15));
    expect(() => builder.section(SectionKind.FORWARD).patchU32(0, 1)).toThrow('within');
  });

  it('tell what is wrong with them, whatever came in', () => {
    const frame = frameOf(SectionKind.ASK, Buffer.from('question'), HEAD);
    for (let cut = 0; cut < frame.length; cut++) expect(frameProblem(frame.subarray(0, cut))).not.toBeNull();
    expect(frameProblem(Buffer.concat([frame, Buffer.alloc(1)]))).toContain('behind its last section');
    expect(frameProblem(emptyFrame(HEAD))).toBeNull();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        expect(frameProblem(Buffer.from(bytes))).not.toBeNull();
      }),
    );
    fc.assert(
      fc.property(fc.nat(frame.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const garbled = Buffer.from(frame);
        garbled[at] ^= flip;
        if (frameProblem(garbled) !== null) return;
        eachSection(garbled, (_kind, bytes, start, end) =>
          expect(start <= end && end <= bytes.length).toBe(true),
        );
      }),
    );
  });
});
