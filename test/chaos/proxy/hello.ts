/**
 * Who dials: the node id in the first message of the mesh's handshake, read from the dialer's bytes as they pass. They are an HTTP request to
 * upgrade, then a masked WebSocket frame with the hello as JSON.
 */
const LIMIT_BYTES = 64 * 1024;
const END_OF_REQUEST = Buffer.from('\r\n\r\n');
const SHORT_LENGTH = 125;
const LENGTH_OF_TWO_BYTES = 126;
const MASK_BYTES = 4;

export class HelloReader {
  private bytes = Buffer.alloc(0);
  private over = false;

  /** The node id, once; null before and after. */
  take(chunk: Buffer): string | null {
    if (this.over) return null;
    this.bytes = Buffer.concat([this.bytes, chunk]);
    const message = firstMessage(this.bytes);
    if (message === null) {
      if (this.bytes.length > LIMIT_BYTES) throw new Error('no hello where the mesh begins with one');
      return null;
    }
    this.over = true;
    this.bytes = Buffer.alloc(0);
    return (JSON.parse(message.toString('utf8')) as { node: string }).node;
  }
}

/** Null until it is whole. */
function firstMessage(bytes: Buffer): Buffer | null {
  const requestEnd = bytes.indexOf(END_OF_REQUEST);
  if (requestEnd < 0) return null;
  const frame = bytes.subarray(requestEnd + END_OF_REQUEST.length);
  if (frame.length < 2) return null;
  const shortLength = frame[1] & 0x7f;
  if (shortLength > LENGTH_OF_TWO_BYTES) throw new Error('a hello of more than 64 KiB');
  const lengthBytes = shortLength <= SHORT_LENGTH ? 0 : 2;
  if (frame.length < 2 + lengthBytes + MASK_BYTES) return null;
  const length = lengthBytes === 0 ? shortLength : frame.readUInt16BE(2);
  const start = 2 + lengthBytes + MASK_BYTES;
  if (frame.length < start + length) return null;
  const mask = frame.subarray(start - MASK_BYTES, start);
  return Buffer.from(frame.subarray(start, start + length).map((byte, at) => byte ^ mask[at % MASK_BYTES]));
}
