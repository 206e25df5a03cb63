/** So many that are answered are forgotten in one go. */
const FORGET_AT = 64;

/** Appends sent to one follower and not yet acknowledged: a shallow pipeline, limited by messages and by bytes. */
export class Inflight {
  private readonly maxMessages: number;
  private readonly maxBytes: number;
  /** Those below `first` are answered. */
  private lastIndexes: number[] = [];
  private sizes: number[] = [];
  private first = 0;
  private totalBytes = 0;

  constructor(maxMessages: number, maxBytes: number) {
    this.maxMessages = maxMessages;
    this.maxBytes = maxBytes;
  }

  get messages(): number {
    return this.lastIndexes.length - this.first;
  }

  get bytes(): number {
    return this.totalBytes;
  }

  get isFull(): boolean {
    return this.messages >= this.maxMessages || this.totalBytes >= this.maxBytes;
  }

  add(lastIndex: number, sizeBytes: number): void {
    this.lastIndexes.push(lastIndex);
    this.sizes.push(sizeBytes);
    this.totalBytes += sizeBytes;
  }

  /** All appends that end at or below `index` have been answered. */
  freeTo(index: number): void {
    const { lastIndexes, sizes } = this;
    while (this.first < lastIndexes.length && lastIndexes[this.first] <= index) {
      this.totalBytes -= sizes[this.first++];
    }
    if (this.first < FORGET_AT) return;
    lastIndexes.splice(0, this.first);
    sizes.splice(0, this.first);
    this.first = 0;
  }

  clear(): void {
    this.lastIndexes = [];
    this.sizes = [];
    this.first = 0;
    this.totalBytes = 0;
  }
}
