/** Copying ranges of bytes without a view of them as garbage, as far as that is cheaper. */

/** Up to this, a loop over the bytes costs less than finding a view of the source. */
const LOOP_BYTES = 16;
/** Above, the call into native code pays. */
const WORDS_BYTES = 512;
/** Of larger sources no view is kept: it would keep them from the collector. */
const SOURCE_BYTES = 1024 * 1024;

const NO_BYTES = new Uint8Array(0);

/** The source of the last copy: the commands of one entry lie in the same bytes. */
let viewed: Uint8Array = NO_BYTES;
let view: DataView = new DataView(NO_BYTES.buffer);

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
  if (sizeBytes <= LOOP_BYTES) {
    for (let from = start, to = at; from < end; from += 1, to += 1) target[to] = source[from];
  } else if (sizeBytes > WORDS_BYTES || source.length > SOURCE_BYTES) {
    target.set(source.subarray(start, end), at);
  } else {
    if (source !== viewed) {
      view = new DataView(source.buffer, source.byteOffset, source.length);
      viewed = source;
    }
    copyWords(view, start, end, targetView, at);
  }
}

/** At least 4 bytes: the last word may overlap the one before it. */
export function copyWords(source: DataView, start: number, end: number, target: DataView, at: number): void {
  const last = end - 4;
  let from = start;
  let to = at;
  for (; from + 12 <= last; from += 16, to += 16) {
    target.setInt32(to, source.getInt32(from, true), true);
    target.setInt32(to + 4, source.getInt32(from + 4, true), true);
    target.setInt32(to + 8, source.getInt32(from + 8, true), true);
    target.setInt32(to + 12, source.getInt32(from + 12, true), true);
  }
  for (; from < last; from += 4, to += 4) target.setInt32(to, source.getInt32(from, true), true);
  target.setInt32(at + last - start, source.getInt32(last, true), true);
}

const SHORT_BYTES = 192;

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
