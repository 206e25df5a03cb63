const PAGE_BYTES = 8192;
const ZEROS = new Uint8Array(256 * 1024);

/** What a file holds, in pages; one that is all zeros, as most of a file made ahead, takes no memory. */
export class Content {
  #pages: (Uint8Array | undefined)[] = [];
  length = 0;

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
  }

  zero(position: number, sizeBytes: number): void {
    const end = position + sizeBytes;
    for (let from = position; from < end;) {
      const at = from % PAGE_BYTES;
      const count = Math.min(PAGE_BYTES - at, end - from);
      const number = (from - at) / PAGE_BYTES;
      if (count === PAGE_BYTES) this.#pages[number] = undefined;
      else this.#pages[number]?.fill(0, at, at + count);
      from += count;
    }
    this.length = Math.max(this.length, end);
  }

  truncate(sizeBytes: number): void {
    if (sizeBytes < this.length) this.zero(sizeBytes, this.length - sizeBytes);
    this.length = sizeBytes;
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
  }

  #page(number: number): Uint8Array {
    const { length } = this.#pages;
    // No holes: an array with holes is slow.
    for (let i = length; i <= number; i += 1) this.#pages.push(undefined);
    return (this.#pages[number] ??= new Uint8Array(PAGE_BYTES));
  }
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
