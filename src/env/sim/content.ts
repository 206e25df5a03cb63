const PAGE_BYTES = 8192;
/** Pages that were let go of: to take one again spares the collector work. */
const FREE_PAGES: Uint8Array[] = [];
const FREE_PAGES_MOST = 4096;
const ZEROS = new Uint8Array(256 * 1024);
/** Copies of what changes replaced, by the power of two that they fit into: used again, too. */
const FREE_COPIES: Uint8Array<ArrayBuffer>[][] = [];
const COPY_LEAST_SHIFT = 6;
const COPY_MOST_SHIFT = 18;
const FREE_COPIES_MOST_BYTES = 2 ** 20;

/** What a file holds, in pages; one that is all zeros, as most of a file made ahead, takes no memory. */
export class Content {
  #pages: (Uint8Array | undefined)[] = [];
  length = 0;
  /** From here on all is zeros. */
  #writtenEnd = 0;

  write(position: number, bytes: Uint8Array): void {
    const { length } = bytes;
    for (let from = 0; from < length;) {
      const at = (position + from) % PAGE_BYTES;
      const count = Math.min(PAGE_BYTES - at, length - from);
      const page = this.#page((position + from - at) / PAGE_BYTES);
      page.set(count === length ? bytes : bytes.subarray(from, from + count), at);
      from += count;
    }
    this.length = Math.max(this.length, position + length);
    this.#writtenEnd = Math.max(this.#writtenEnd, position + length);
  }

  zero(position: number, sizeBytes: number): void {
    const end = position + sizeBytes;
    // Beyond what has pages there is nothing to do.
    const pagesEnd = Math.min(end, this.#pages.length * PAGE_BYTES);
    for (let from = position; from < pagesEnd;) {
      const at = from % PAGE_BYTES;
      const count = Math.min(PAGE_BYTES - at, end - from);
      const number = (from - at) / PAGE_BYTES;
      if (count === PAGE_BYTES) this.#letGo(number);
      else this.#pages[number]?.fill(0, at, at + count);
      from += count;
    }
    this.length = Math.max(this.length, end);
  }

  truncate(sizeBytes: number): void {
    if (sizeBytes < this.length) this.zero(sizeBytes, this.length - sizeBytes);
    this.length = sizeBytes;
    this.#writtenEnd = Math.min(this.#writtenEnd, sizeBytes);
  }

  /** How many bytes were read into `target`. */
  read(target: Uint8Array, position: number): number {
    const count = Math.max(0, Math.min(target.length, this.length - position));
    for (let done = 0; done < count;) {
      const at = (position + done) % PAGE_BYTES;
      const part = Math.min(PAGE_BYTES - at, count - done);
      const page = this.#pages[(position + done - at) / PAGE_BYTES];
      if (page === undefined) target.fill(0, done, done + part);
      else target.set(page.subarray(at, at + part), done);
      done += part;
    }
    return count;
  }

  /** A copy of what lies there; null: zeros. */
  copyOf(position: number, sizeBytes: number): Uint8Array<ArrayBuffer> | null {
    if (position >= this.#writtenEnd || this.#isUnwritten(position, sizeBytes)) return null;
    const copy = takeCopy(sizeBytes);
    // What lies beyond the end is zeros.
    copy.fill(0, this.read(copy, position));
    return copy;
  }

  #isUnwritten(position: number, sizeBytes: number): boolean {
    const last = Math.floor((position + sizeBytes - 1) / PAGE_BYTES);
    for (let number = Math.floor(position / PAGE_BYTES); number <= last; number += 1)
      if (this.#pages[number] !== undefined) return false;
    return true;
  }

  /** A copy. */
  bytes(): Uint8Array {
    const bytes = new Uint8Array(this.length);
    this.read(bytes, 0);
    return bytes;
  }

  flipBit(offset: number, bit: number): void {
    if (offset < this.length) this.#page(Math.floor(offset / PAGE_BYTES))[offset % PAGE_BYTES] ^= 1 << bit;
  }

  copyFrom(other: Content): void {
    this.#pages = other.#pages.map((page) => page?.slice());
    this.length = other.length;
    this.#writtenEnd = other.#writtenEnd;
  }

  /** Nobody reads or writes it any more. */
  release(): void {
    for (const number of this.#pages.keys()) this.#letGo(number);
    this.#pages = [];
    this.length = 0;
    this.#writtenEnd = 0;
  }

  #letGo(number: number): void {
    const page = this.#pages[number];
    if (page !== undefined && FREE_PAGES.length < FREE_PAGES_MOST) FREE_PAGES.push(page);
    this.#pages[number] = undefined;
  }

  #page(number: number): Uint8Array {
    const { length } = this.#pages;
    // No holes: an array with holes is slow.
    for (let i = length; i <= number; i += 1) this.#pages.push(undefined);
    return (this.#pages[number] ??= FREE_PAGES.pop()?.fill(0) ?? new Uint8Array(PAGE_BYTES));
  }
}

function takeCopy(sizeBytes: number): Uint8Array<ArrayBuffer> {
  const shift = Math.max(32 - Math.clz32(sizeBytes - 1), COPY_LEAST_SHIFT);
  if (shift > COPY_MOST_SHIFT) return new Uint8Array(sizeBytes);
  return (FREE_COPIES[shift]?.pop() ?? new Uint8Array(2 ** shift)).subarray(0, sizeBytes);
}

/** What `copyOf` has made: nobody reads it any more. */
export function giveCopyBack({ buffer }: Uint8Array<ArrayBuffer>): void {
  const shift = 31 - Math.clz32(buffer.byteLength);
  if (shift > COPY_MOST_SHIFT || 2 ** shift !== buffer.byteLength) return;
  const free = (FREE_COPIES[shift] ??= []);
  if (free.length * buffer.byteLength < FREE_COPIES_MOST_BYTES) free.push(new Uint8Array(buffer));
}

/** Whether a write, of a page at least, is all zeros. */
export function isAllZeros(bytes: Uint8Array): boolean {
  if (bytes.length < PAGE_BYTES || bytes[0] !== 0) return false;
  for (let from = 0; from < bytes.length; from += ZEROS.length) {
    const part = bytes.subarray(from, from + ZEROS.length);
    if (Buffer.compare(part, ZEROS.subarray(0, part.length)) !== 0) return false;
  }
  return true;
}
