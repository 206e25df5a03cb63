/**
 * The arguments of one command as ranges of a buffer: no string, no object per argument. One instance is used again and again;
 * what it points to holds only during the call that hands it over.
 */
export class Args {
  bytes: Buffer = Buffer.alloc(0);
  /** How many arguments there are, the command's name (argument 0) included. */
  count = 0;
  /** Argument i is bytes[start[i], end[i]). Grown by `reserve`. */
  start: Uint32Array = new Uint32Array(16);
  end: Uint32Array = new Uint32Array(16);

  reserve(count: number): void {
    if (count <= this.start.length) return;
    const capacity = Math.max(count, this.start.length * 2);
    const start = new Uint32Array(capacity);
    const end = new Uint32Array(capacity);
    start.set(this.start);
    end.set(this.end);
    this.start = start;
    this.end = end;
  }

  push(start: number, end: number): void {
    if (this.count === this.start.length) this.reserve(this.count + 1);
    this.start[this.count] = start;
    this.end[this.count] = end;
    this.count += 1;
  }

  /** Of its own, with bytes of its own. */
  copy(): Args {
    const copy = new Args();
    const first = this.start[0];
    copy.bytes = Buffer.from(this.bytes.subarray(first, this.end[this.count - 1]));
    for (let i = 0; i < this.count; i++) copy.push(this.start[i] - first, this.end[i] - first);
    return copy;
  }

  /** From the first argument to the end of the last. */
  get spanBytes(): number {
    return this.end[this.count - 1] - this.start[0];
  }

  lengthBytes(index: number): number {
    return this.end[index] - this.start[index];
  }

  /** The argument as text, for the rare path: options that are not on the hot path, error messages. */
  text(index: number): string {
    return this.bytes.toString('latin1', this.start[index], this.end[index]);
  }
}
