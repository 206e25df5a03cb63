/** Appends sent to one follower and not yet acknowledged: a shallow pipeline, limited by messages and by bytes. */
export class Inflight {
  private readonly maxMessages: number;
  private readonly maxBytes: number;
  private lastIndexes: number[] = [];
  private sizes: number[] = [];
  private totalBytes = 0;

  constructor(maxMessages: number, maxBytes: number) {
    this.maxMessages = maxMessages;
    this.maxBytes = maxBytes;
  }

  get messages(): number {
    return this.lastIndexes.length;
  }

  get bytes(): number {
    return this.totalBytes;
  }

  get isFull(): boolean {
    return this.lastIndexes.length >= this.maxMessages || this.totalBytes >= this.maxBytes;
  }

  add(lastIndex: number, sizeBytes: number): void {
    this.lastIndexes.push(lastIndex);
    this.sizes.push(sizeBytes);
    this.totalBytes += sizeBytes;
  }

  /** All appends that end at or below `index` have been answered. */
  freeTo(index: number): void {
    let count = 0;
    while (count < this.lastIndexes.length && this.lastIndexes[count] <= index) {
      this.totalBytes -= this.sizes[count++];
    }
    if (count === 0) return;
    this.lastIndexes.splice(0, count);
    this.sizes.splice(0, count);
  }

  clear(): void {
    this.lastIndexes = [];
    this.sizes = [];
    this.totalBytes = 0;
  }
}
