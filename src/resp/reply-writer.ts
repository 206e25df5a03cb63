/**
 * Writes replies as bytes, in the protocol of the asking client. Grows by doubling; `reset` keeps the buffer.
 * Null, maps, sets, doubles and the like differ between RESP2 and RESP3 here and nowhere else.
 */
export class ReplyWriter {
  buffer: Buffer;
  /** Bytes written. */
  size = 0;
  /** 2 or 3: set before each command. */
  protocol: 2 | 3 = 2;

  constructor(initialBytes = 16 * 1024) {
    this.buffer = Buffer.allocUnsafeSlow(initialBytes);
  }

  reset(): void {
    this.size = 0;
  }
}
