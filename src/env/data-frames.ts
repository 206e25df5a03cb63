/**
 * The frames in which messages go over a WebSocket (RFC 6455, section 5.2): final, binary, and where a mask is demanded (client to server), one of
 * zeros, which changes nothing. This is all that nodes send each other but the closing frames, and ws spends ten times the instructions on one.
 */

/** Final, and binary. */
const FIRST_BYTE = 0x82;
const MASK_BIT = 0x80;
const LENGTH_BITS = 0x7f;
const LENGTH_16 = 126;
const LENGTH_64 = 127;
const MASK_BYTES = 4;
const HEADER_MAX_BYTES = 14;

/** A buffer for messages of several reads is kept up to this. */
const ASSEMBLY_KEPT_BYTES = 1024 * 1024;
const NO_BYTES = Buffer.alloc(0);

/** What `parse` finds where a frame begins. */
const UNFINISHED = 0;
const OTHER = -1;

/** The header's size before a message of this size. */
export function headerBytes(messageBytes: number, isMasked: boolean): number {
  const lengthBytes = messageBytes < LENGTH_16 ? 0 : messageBytes < 0x1_0000 ? 2 : 8;
  return 2 + lengthBytes + (isMasked ? MASK_BYTES : 0);
}

/** Writes the header of a message of this size from `at` on. */
export function writeHeader(bytes: Uint8Array, at: number, messageBytes: number, isMasked: boolean): void {
  const mask = isMasked ? MASK_BIT : 0;
  bytes[at] = FIRST_BYTE;
  let end = at + 2;
  if (messageBytes < LENGTH_16) bytes[at + 1] = mask | messageBytes;
  else if (messageBytes < 0x1_0000) {
    bytes[at + 1] = mask | LENGTH_16;
    end = writeBigEndian(bytes, end, messageBytes, 2);
  } else {
    bytes[at + 1] = mask | LENGTH_64;
    end = writeBigEndian(bytes, end, 0, 4);
    end = writeBigEndian(bytes, end, messageBytes, 4);
  }
  if (isMasked) bytes.fill(0, end, end + MASK_BYTES);
}

export interface DataFrameEvents {
  /** `bytes[start, end)` is a message. It may be read during the call only. */
  message(bytes: Buffer, start: number, end: number): void;
  /** A frame of another kind begins: it and all that comes after it is for a reader that knows all of them. It owns the bytes. */
  rest(bytes: Buffer): void;
}

/** Reads frames, however the bytes are cut, until one is not of the kind above, or too long: from there on it passes on what comes. */
export class DataFrames {
  /** A longer message is passed on. */
  maxBytes: number;
  private readonly events: DataFrameEvents;
  private readonly isMasked: boolean;
  /** The beginning of a header that the last read cut. */
  private readonly header = Buffer.alloc(HEADER_MAX_BYTES);
  private cutBytes = 0;
  /** Of the frame whose header was read last. */
  private messageBytes = 0;
  /** A message that the last read cut. */
  private assembly: Buffer = NO_BYTES;
  private isAssembling = false;
  private assembledBytes = 0;
  private isPassing = false;

  constructor(isMasked: boolean, maxBytes: number, events: DataFrameEvents) {
    this.isMasked = isMasked;
    this.maxBytes = maxBytes;
    this.events = events;
  }

  /** Takes what was read. `bytes` may be used again afterwards. */
  read(bytes: Buffer, sizeBytes: number): void {
    let at = 0;
    while (at < sizeBytes) {
      if (this.isAssembling) at = this.assemble(bytes, at, sizeBytes);
      else if (this.cutBytes > 0) at = this.goOnWithHeader(bytes, at, sizeBytes);
      else at = this.begin(bytes, at, sizeBytes);
    }
  }

  private begin(bytes: Buffer, at: number, end: number): number {
    const header = this.isPassing ? OTHER : this.parse(bytes, at, end);
    if (header === OTHER) return this.pass(Buffer.from(bytes.subarray(at, end)), end);
    if (header === UNFINISHED) {
      this.cutBytes = bytes.copy(this.header, 0, at, end);
      return end;
    }
    const start = at + header;
    const messageEnd = start + this.messageBytes;
    if (messageEnd > end) return this.beginAssembly(start);
    this.events.message(bytes, start, messageEnd);
    return messageEnd;
  }

  private goOnWithHeader(bytes: Buffer, from: number, end: number): number {
    const { header } = this;
    let at = from;
    let found = UNFINISHED;
    while (found === UNFINISHED && at < end) {
      header[this.cutBytes] = bytes[at];
      at += 1;
      this.cutBytes += 1;
      found = this.parse(header, 0, this.cutBytes);
    }
    if (found === UNFINISHED) return end;
    const cut = header.subarray(0, this.cutBytes);
    this.cutBytes = 0;
    if (found === OTHER) return this.pass(Buffer.concat([cut, bytes.subarray(at, end)]), end);
    return this.beginAssembly(at);
  }

  private beginAssembly(start: number): number {
    const { messageBytes } = this;
    this.isAssembling = messageBytes > 0;
    this.assembledBytes = 0;
    if (!this.isAssembling) this.events.message(NO_BYTES, 0, 0);
    else if (messageBytes > this.assembly.length) this.growAssembly(messageBytes);
    return start;
  }

  private growAssembly(messageBytes: number): void {
    const grownBytes = Math.min(this.assembly.length * 2, ASSEMBLY_KEPT_BYTES);
    this.assembly = Buffer.allocUnsafeSlow(Math.max(messageBytes, grownBytes));
  }

  private assemble(bytes: Buffer, at: number, end: number): number {
    const { assembly, messageBytes } = this;
    const until = Math.min(end, at + messageBytes - this.assembledBytes);
    this.assembledBytes += bytes.copy(assembly, this.assembledBytes, at, until);
    if (this.assembledBytes === messageBytes) {
      this.isAssembling = false;
      if (assembly.length > ASSEMBLY_KEPT_BYTES) this.assembly = NO_BYTES;
      this.events.message(assembly, 0, messageBytes);
    }
    return until;
  }

  private pass(bytes: Buffer, end: number): number {
    this.isPassing = true;
    this.events.rest(bytes);
    return end;
  }

  /** The size of the header at `at`, whose message has `messageBytes`; or UNFINISHED or OTHER. */
  private parse(bytes: Buffer, at: number, end: number): number {
    if (bytes[at] !== FIRST_BYTE) return OTHER;
    if (at + 2 > end) return UNFINISHED;
    const { isMasked } = this;
    const second = bytes[at + 1];
    if ((second & MASK_BIT) !== (isMasked ? MASK_BIT : 0)) return OTHER;
    const short = second & LENGTH_BITS;
    const lengthEnd = at + (short < LENGTH_16 ? 2 : short === LENGTH_16 ? 4 : 10);
    const headerEnd = isMasked ? lengthEnd + MASK_BYTES : lengthEnd;
    if (headerEnd > end) return UNFINISHED;
    if (
      isMasked &&
      (bytes[lengthEnd] | bytes[lengthEnd + 1] | bytes[lengthEnd + 2] | bytes[lengthEnd + 3]) !== 0
    )
      return OTHER;
    const messageBytes = short < LENGTH_16 ? short : readBigEndian(bytes, at + 2, lengthEnd);
    if (messageBytes > this.maxBytes) return OTHER;
    this.messageBytes = messageBytes;
    return headerEnd - at;
  }
}

function readBigEndian(bytes: Uint8Array, start: number, end: number): number {
  let value = 0;
  for (let at = start; at < end; at++) value = value * 256 + bytes[at];
  return value;
}

function writeBigEndian(bytes: Uint8Array, at: number, value: number, sizeBytes: number): number {
  for (let i = 0; i < sizeBytes; i++) bytes[at + i] = value >>> (8 * (sizeBytes - 1 - i));
  return at + sizeBytes;
}
