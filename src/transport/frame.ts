import { readF64, readU16, readU32 } from '../little-endian.ts';
import {
  FRAME_EPOCH_AT,
  FRAME_GENERATION_AT,
  FRAME_HEADER_BYTES,
  FRAME_MAGIC,
  FRAME_MAGIC_AT,
  FRAME_PING_AT,
  FRAME_PONG_AT,
  FRAME_SECTIONS_AT,
  FRAME_VERSION,
  FRAME_VERSION_AT,
  FRAME_ZERO_AT,
  SECTION_HEADER_BYTES,
  SECTION_KIND_AT,
  SECTION_SIZE_AT,
} from './frame-layout.ts';
import { SectionBuffer } from './section-buffer.ts';
import type { Space } from './space.ts';
import { SectionKind } from './types.ts';
import type { SectionWriter } from './types.ts';

const KIND_MAX = Math.max(...Object.values(SectionKind));

/** What goes with every frame. */
export interface FrameHead {
  generation: number;
  epoch: number;
  ping: number;
  pong: number;
}

/** The frame to one peer that is being gathered in this turn. */
export class FrameBuilder {
  /** By kind. */
  private readonly sections: SectionBuffer[] = Array.from(
    { length: KIND_MAX + 1 },
    () => new SectionBuffer(),
  );
  /** `kinds[0, used)`, in the order in which they were first asked for since the last frame. */
  private readonly kinds: SectionKind[] = Object.values(SectionKind);
  private used = 0;

  get empty(): boolean {
    return this.used === 0;
  }

  section(kind: SectionKind): SectionWriter {
    const section = this.sections[kind];
    if (!section.isUsed) {
      section.isUsed = true;
      this.kinds[this.used] = kind;
      this.used += 1;
    }
    return section;
  }

  get sizeBytes(): number {
    let size = FRAME_HEADER_BYTES;
    for (let i = 0; i < this.used; i++) size += SECTION_HEADER_BYTES + this.sections[this.kinds[i]].sizeBytes;
    return size;
  }

  /** Writes the whole frame, of `sizeBytes`, at `at`; the builder is empty afterwards. */
  moveTo(target: Space, at: number, head: FrameHead): void {
    const { sections, kinds, used } = this;
    writeFrameHead(target.view, at, head, used);
    let next = at + FRAME_HEADER_BYTES;
    for (let i = 0; i < used; i++) {
      const section = sections[kinds[i]];
      writeSectionHead(target.view, next, kinds[i], section.sizeBytes);
      next = section.moveInto(target, next + SECTION_HEADER_BYTES);
    }
    this.used = 0;
  }

  /** Forgets what was gathered: the connection that it was for is gone. */
  clear(): void {
    for (let i = 0; i < this.used; i++) this.sections[this.kinds[i]].clear();
    this.used = 0;
  }
}

/** The size of a frame of one section. */
export function frameBytes(bodyBytes: number): number {
  return FRAME_HEADER_BYTES + SECTION_HEADER_BYTES + bodyBytes;
}

/** Writes a frame of one section, whose bytes are copied once. */
export function writeFrame(
  target: Space,
  at: number,
  kind: SectionKind,
  body: Uint8Array,
  head: FrameHead,
): void {
  writeFrameHead(target.view, at, head, 1);
  writeSectionHead(target.view, at + FRAME_HEADER_BYTES, kind, body.length);
  target.bytes.set(body, at + FRAME_HEADER_BYTES + SECTION_HEADER_BYTES);
}

/** Writes a frame that only asks for an echo, or gives one. */
export function writeEmptyFrame(target: Space, at: number, head: FrameHead): void {
  writeFrameHead(target.view, at, head, 0);
}

function writeFrameHead(view: DataView, at: number, head: FrameHead, sections: number): void {
  view.setUint32(at + FRAME_MAGIC_AT, FRAME_MAGIC, true);
  view.setUint16(at + FRAME_VERSION_AT, FRAME_VERSION, true);
  view.setUint16(at + FRAME_SECTIONS_AT, sections, true);
  view.setUint32(at + FRAME_GENERATION_AT, head.generation, true);
  view.setUint32(at + FRAME_PING_AT, head.ping, true);
  view.setFloat64(at + FRAME_EPOCH_AT, head.epoch, true);
  view.setUint32(at + FRAME_PONG_AT, head.pong, true);
  view.setUint32(at + FRAME_ZERO_AT, 0, true);
}

function writeSectionHead(view: DataView, at: number, kind: SectionKind, sizeBytes: number): void {
  view.setUint32(at + SECTION_KIND_AT, kind, true);
  view.setUint32(at + SECTION_SIZE_AT, sizeBytes, true);
}

/** What is wrong with the frame in `bytes[start, end)`, in words; null when it is whole. Checked before any section is delivered. */
export function frameProblem(bytes: Buffer, start: number, end: number): string | null {
  if (end - start < FRAME_HEADER_BYTES) return 'a frame is shorter than its header';
  if (readU32(bytes, start + FRAME_MAGIC_AT) !== FRAME_MAGIC) return 'a message is not a frame';
  const version = readU16(bytes, start + FRAME_VERSION_AT);
  if (version !== FRAME_VERSION) return `a frame has version ${version}, not ${FRAME_VERSION}`;
  let at = start + FRAME_HEADER_BYTES;
  for (let left = readU16(bytes, start + FRAME_SECTIONS_AT); left > 0; left--) {
    if (at + SECTION_HEADER_BYTES > end) return 'a frame ends within a section header';
    const kind = readU32(bytes, at + SECTION_KIND_AT);
    if (kind < 1 || kind > KIND_MAX) return `a frame has a section of unknown kind ${kind}`;
    at += SECTION_HEADER_BYTES + readU32(bytes, at + SECTION_SIZE_AT);
    if (at > end) return 'a frame ends within a section';
  }
  return at === end ? null : 'a frame has bytes behind its last section';
}

/** For a frame without a problem. */
export function eachSection(
  bytes: Buffer,
  frameStart: number,
  frameEnd: number,
  deliver: (kind: SectionKind, bytes: Buffer, start: number, end: number) => void,
): void {
  let at = frameStart + FRAME_HEADER_BYTES;
  while (at < frameEnd) {
    const start = at + SECTION_HEADER_BYTES;
    const end = start + readU32(bytes, at + SECTION_SIZE_AT);
    deliver(readU32(bytes, at + SECTION_KIND_AT) as SectionKind, bytes, start, end);
    at = end;
  }
}

export function framePing(bytes: Buffer, frameStart: number): number {
  return readU32(bytes, frameStart + FRAME_PING_AT);
}

export function framePong(bytes: Buffer, frameStart: number): number {
  return readU32(bytes, frameStart + FRAME_PONG_AT);
}

export function frameGeneration(bytes: Buffer, frameStart: number): number {
  return readU32(bytes, frameStart + FRAME_GENERATION_AT);
}

export function frameEpoch(bytes: Buffer, frameStart: number): number {
  return readF64(bytes, frameStart + FRAME_EPOCH_AT);
}
