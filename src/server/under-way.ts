/**
 * Commands of one connection that may be under way at once: as many as keep their replies, at the size of its latest ones, within these bytes.
 * What is asked for cannot be called back: a client that asks for a thousand large values without reading must not get them all into memory.
 */
const UNDER_WAY_BYTES = 4 * 1024 * 1024;
const UNDER_WAY_LEAST = 16;
const UNDER_WAY_MOST = 1024;
/** Taken for the size of a reply before there was one. */
const FIRST_REPLY_BYTES = 64 * 1024;
/** How much of the average the next reply is. */
const REPLY_WEIGHT = 1 / 8;

export class UnderWay {
  private count = 0;
  private limit = UNDER_WAY_BYTES / FIRST_REPLY_BYTES;
  private averageReplyBytes = FIRST_REPLY_BYTES;

  get isFull(): boolean {
    return this.count >= this.limit;
  }

  begin(): void {
    this.count += 1;
  }

  end(replyBytes: number): void {
    this.count -= 1;
    this.averageReplyBytes += (replyBytes - this.averageReplyBytes) * REPLY_WEIGHT;
    const fitting = Math.floor(UNDER_WAY_BYTES / Math.max(1, this.averageReplyBytes));
    this.limit = Math.min(UNDER_WAY_MOST, Math.max(UNDER_WAY_LEAST, fitting));
  }
}
