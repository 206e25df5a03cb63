import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import {
  eachSection,
  FrameBuilder,
  frameBytes,
  framePing,
  framePong,
  frameProblem,
  writeEmptyFrame,
  writeFrame,
} from '../../src/transport/frame.ts';
import { FRAME_HEADER_BYTES } from '../../src/transport/frame-layout.ts';
import { Space } from '../../src/transport/space.ts';
import { SectionKind } from '../../src/transport/types.ts';

const kind = fc.constantFrom(...Object.values(SectionKind));
const HEAD = { generation: 1, epoch: 3, ping: 7, pong: 9 };
/** What lies around a frame is none of it. */
const BEFORE = 5;
const AFTER = 3;

interface Framed {
  bytes: Buffer;
  start: number;
  end: number;
}

function framed(sizeBytes: number, write: (space: Space) => void): Framed {
  const space = new Space(BEFORE + sizeBytes + AFTER);
  space.bytes.fill(0x99);
  write(space);
  const end = BEFORE + sizeBytes;
  expect(space.bytes.subarray(0, BEFORE).every((byte) => byte === 0x99)).toBe(true);
  expect(space.bytes.subarray(end).every((byte) => byte === 0x99)).toBe(true);
  return { bytes: space.bytes, start: BEFORE, end };
}

function built(builder: FrameBuilder): Framed {
  return framed(builder.sizeBytes, (space) => builder.moveTo(space, BEFORE, HEAD));
}

function sectionsOf({ bytes, start, end }: Framed): [SectionKind, Buffer][] {
  const read: [SectionKind, Buffer][] = [];
  eachSection(bytes, start, end, (kind, bytes, start, end) => read.push([kind, bytes.subarray(start, end)]));
  return read;
}

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
        const frame = built(builder);
        expect(builder.empty).toBe(true);
        expect(frameProblem(frame.bytes, frame.start, frame.end)).toBeNull();
        expect([framePing(frame.bytes, BEFORE), framePong(frame.bytes, BEFORE)]).toEqual([7, 9]);
        expect(sectionsOf(frame)).toEqual([...wanted]);
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
    const [[kind, body]] = sectionsOf(built(builder));
    expect([kind, body.length, body.readUInt32LE(0)]).toEqual([SectionKind.FORWARD, 15, 15]);
    expect(() => builder.section(SectionKind.FORWARD).patchU32(0, 1)).toThrow('within');
  });

  it('tell what is wrong with them, whatever came in', () => {
    const question = Buffer.from('question');
    const { bytes, start, end } = framed(frameBytes(question.length), (space) =>
      writeFrame(space, BEFORE, SectionKind.ASK, question, HEAD),
    );
    expect(frameProblem(bytes, start, end)).toBeNull();
    for (let cut = start; cut < end; cut++) expect(frameProblem(bytes, start, cut)).not.toBeNull();
    expect(frameProblem(bytes, start, end + 1)).toContain('behind its last section');
    const empty = framed(FRAME_HEADER_BYTES, (space) => writeEmptyFrame(space, BEFORE, HEAD));
    expect(frameProblem(empty.bytes, empty.start, empty.end)).toBeNull();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (junk) => {
        expect(frameProblem(Buffer.from(junk), 0, junk.length)).not.toBeNull();
      }),
    );
    fc.assert(
      fc.property(fc.integer({ min: start, max: end - 1 }), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const garbled = Buffer.from(bytes);
        garbled[at] ^= flip;
        if (frameProblem(garbled, start, end) !== null) return;
        eachSection(garbled, start, end, (_kind, _bytes, from, to) =>
          expect(start <= from && from <= to && to <= end).toBe(true),
        );
      }),
    );
  });
});
