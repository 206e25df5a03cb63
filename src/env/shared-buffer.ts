/**
 * Reading into one buffer (`onread`) saves an allocation of 64 KiB, which the collector then has to count and free, and a stream event per read: about
 * a fifth of a small command's cost. Node offers it to sockets that connect only, so the handle of an accepted one is wrapped anew.
 */
import { Socket } from 'node:net';
import type { OnReadOpts, SocketConstructorOpts } from 'node:net';

/** What one read of the system takes at most. */
const READ_BUFFER_BYTES = 64 * 1024;
/** All sockets read into it: whoever is handed the bytes is done with them when it returns. */
export const READ_BUFFER = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES);
/** Where Node keeps what it reads from; not a documented name, so it is looked for, never relied on. */
const HANDLE = '_handle';

/** A socket over the handle of `accepted`, which is of no use any more; null where this Node does not show the handle. */
export function reread(
  accepted: Socket,
  onBytes: (sizeBytes: number) => void,
  options: { readonly isPaused: boolean; readonly allowHalfOpen: boolean },
): Socket | null {
  const holder = accepted as unknown as Record<typeof HANDLE, unknown>;
  const handle = holder[HANDLE];
  if (!isStreamHandle(handle)) return null;
  holder[HANDLE] = null;
  const { isPaused, allowHalfOpen } = options;
  const all = { handle, onread: onreadOf(onBytes), pauseOnCreate: isPaused, allowHalfOpen };
  return new Socket(all as unknown as SocketConstructorOpts);
}

/** The option of a socket that connects. */
export function onreadOf(onBytes: (sizeBytes: number) => void): OnReadOpts {
  return {
    buffer: READ_BUFFER,
    callback: (sizeBytes) => {
      onBytes(sizeBytes);
      return true;
    },
  };
}

function isStreamHandle(handle: unknown): boolean {
  return typeof handle === 'object' && handle !== null && 'useUserBuffer' in handle && 'readStart' in handle;
}
