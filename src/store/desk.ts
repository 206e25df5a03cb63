/**
 * The desk: a buffer that stays, where the commands of an entry lie while they are applied. What is under a view that never changes is read and
 * copied at a third of the cost of single bytes, while a view of each entry's own bytes would cost more than it saves. One for all replicas
 * of a process: none applies while another does.
 */
export const DESK_BYTES = 1024 * 1024;

/** The last bytes may be read with what lies behind them, as a word. */
const SLACK_BYTES = 8;

const bytesOfDesk: Buffer = Buffer.allocUnsafeSlow(DESK_BYTES + SLACK_BYTES);
const viewOfDesk: DataView = new DataView(bytesOfDesk.buffer);

/** Exported under other names: V8 takes what a module keeps to itself for constant, and fetches what it exports at each use. */
export const DESK = bytesOfDesk;
export const DESK_VIEW = viewOfDesk;

/** The same bytes at the same offsets: on the desk, until the next call, or where they were when they are too many. */
export function onDesk(bytes: Buffer): Buffer {
  if (bytes.length > DESK_BYTES) return bytes;
  bytesOfDesk.set(bytes);
  return bytesOfDesk;
}

/** The 4 bytes at `at`, little-endian, as an int32. */
export function wordAt(bytes: Uint8Array, at: number): number {
  if (bytes === bytesOfDesk) return viewOfDesk.getInt32(at, true);
  return bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
}
