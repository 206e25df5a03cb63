/** Copying ranges of bytes without a view of them as garbage, as far as that is cheaper. */

import { copyWords } from '../little-endian.ts';
import { DESK, DESK_VIEW } from './desk.ts';

/** Up to this, a loop over the bytes costs less than copying words. */
const LOOP_BYTES = 8;
/** Above, the call into native code pays. */
const WORDS_BYTES = 512;
/** Up to this length a loop beats a native copy. */
const SHORT_BYTES = 192;

/** Copies of this module's own (see desk.ts). */
const ownDesk = DESK;
const ownDeskView = DESK_VIEW;

/** `targetView`: of the same bytes as `target`. */
export function copyInto(
  source: Uint8Array,
  start: number,
  end: number,
  target: Uint8Array,
  targetView: DataView,
  at: number,
): void {
  const sizeBytes = end - start;
  if (source === ownDesk && sizeBytes > LOOP_BYTES && sizeBytes <= WORDS_BYTES) {
    copyWords(ownDeskView, start, end, targetView, at);
  } else {
    copyBytes(source, start, end, target, at);
  }
}

/** Between buffers that both have a view of their own: by words, whatever lies where. */
export function copyViewed(
  source: Uint8Array,
  sourceView: DataView,
  start: number,
  end: number,
  target: Uint8Array,
  targetView: DataView,
  at: number,
): void {
  const sizeBytes = end - start;
  if (sizeBytes > LOOP_BYTES && sizeBytes <= WORDS_BYTES) copyWords(sourceView, start, end, targetView, at);
  else copyBytes(source, start, end, target, at);
}

export function copyBytes(
  source: Uint8Array,
  start: number,
  end: number,
  target: Uint8Array,
  at: number,
): void {
  if (end - start > SHORT_BYTES) {
    target.set(source.subarray(start, end), at);
    return;
  }
  for (let from = start, to = at; from < end; from += 1, to += 1) target[to] = source[from];
}
