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
import { SectionKind } from './types.ts';
import type { SectionWriter } from './types.ts';
import { readU16, readU32, writeF64, writeU16, writeU32 } from '../little-endian.ts';

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
  /** In the order in which they were first asked for since the last frame. */
  private readonly used: SectionKind[] = [];

  get empty(): boolean {
    return this.used.length === 0;
  }

  section(kind: SectionKind): SectionWriter {
    if (!this.used.includes(kind)) this.used.push(kind);
    return this.sections[kind];
  }

  get sizeBytes(): number {
    let size = FRAME_HEADER_BYTES;
    for (const kind of this.used) size += SECTION_HEADER_BYTES + this.sections[kind].sizeBytes;
    return size;
  }

  /** The whole frame in bytes of its own; the builder is empty afterwards. */
  take(head: FrameHead): Buffer {
    const frame = Buffer.allocUnsafe(this.sizeBytes);
    writeFrameHead(frame, head, this.used.length);
    let at = FRAME_HEADER_BYTES;
    for (const kind of this.used) {
      const section = this.sections[kind];
      writeSectionHead(frame, at, kind, section.sizeBytes);
      at = section.moveTo(frame, at + SECTION_HEADER_BYTES);
    }
    this.used.length = 0;
    return frame;
  }

  /** Forgets what was gathered: the connection that it was for is gone. */
  clear(): void {
    for (const kind of this.used) this.sections[kind].clear();
    this.used.length = 0;
  }
}

/** A frame of one section, whose bytes are copied once. */
export function frameOf(kind: SectionKind, body: Uint8Array, head: FrameHead): Buffer {
  const frame = Buffer.allocUnsafe(FRAME_HEADER_BYTES + SECTION_HEADER_BYTES + body.length);
  writeFrameHead(frame, head, 1);
  writeSectionHead(frame, FRAME_HEADER_BYTES, kind, body.length);
  frame.set(body, FRAME_HEADER_BYTES + SECTION_HEADER_BYTES);
  return frame;
}

/** A frame that only asks for an echo, or gives one. */
export function emptyFrame(head: FrameHead): Buffer {
  const frame = Buffer.allocUnsafe(FRAME_HEADER_BYTES);
  writeFrameHead(frame, head, 0);
  return frame;
}

function writeFrameHead(frame: Buffer, head: FrameHead, sections: number): void {
  writeU32(frame, FRAME_MAGIC, FRAME_MAGIC_AT);
  writeU16(frame, FRAME_VERSION, FRAME_VERSION_AT);
  writeU16(frame, sections, FRAME_SECTIONS_AT);
  writeU32(frame, head.generation, FRAME_GENERATION_AT);
  writeU32(frame, head.ping, FRAME_PING_AT);
  writeF64(frame, head.epoch, FRAME_EPOCH_AT);
  writeU32(frame, head.pong, FRAME_PONG_AT);
  writeU32(frame, 0, FRAME_ZERO_AT);
}

function writeSectionHead(frame: Buffer, at: number, kind: SectionKind, sizeBytes: number): void {
  writeU32(frame, kind, at + SECTION_KIND_AT);
  writeU32(frame, sizeBytes, at + SECTION_SIZE_AT);
}

/** What is wrong with a frame, in words; null when it is whole. Checked before any section is delivered. */
export function frameProblem(frame: Buffer): string | null {
  if (frame.length < FRAME_HEADER_BYTES) return 'a frame is shorter than its header';
  if (readU32(frame, FRAME_MAGIC_AT) !== FRAME_MAGIC) return 'a message is not a frame';
  const version = readU16(frame, FRAME_VERSION_AT);
  if (version !== FRAME_VERSION) return `a frame has version ${version}, not ${FRAME_VERSION}`;
  let at = FRAME_HEADER_BYTES;
  for (let left = readU16(frame, FRAME_SECTIONS_AT); left > 0; left--) {
    if (at + SECTION_HEADER_BYTES > frame.length) return 'a frame ends within a section header';
    const kind = readU32(frame, at + SECTION_KIND_AT);
    if (kind < 1 || kind > KIND_MAX) return `a frame has a section of unknown kind ${kind}`;
    at += SECTION_HEADER_BYTES + readU32(frame, at + SECTION_SIZE_AT);
    if (at > frame.length) return 'a frame ends within a section';
  }
  return at === frame.length ? null : 'a frame has bytes behind its last section';
}

/** For a frame without a problem. */
export function eachSection(
  frame: Buffer,
  deliver: (kind: SectionKind, bytes: Buffer, start: number, end: number) => void,
): void {
  let at = FRAME_HEADER_BYTES;
  while (at < frame.length) {
    const start = at + SECTION_HEADER_BYTES;
    const end = start + readU32(frame, at + SECTION_SIZE_AT);
    deliver(readU32(frame, at + SECTION_KIND_AT) as SectionKind, frame, start, end);
    at = end;
  }
}

export function framePing(frame: Buffer): number {
  return readU32(frame, FRAME_PING_AT);
}

export function framePong(frame: Buffer): number {
  return readU32(frame, FRAME_PONG_AT);
}
