/**
 * The sizes that small blocks come in: steps of 8 bytes up to 256, of an eighth up to 4 KiB, then even shares of a span. A block wastes
 * at most 7 bytes below 256, an eighth up to 4 KiB, a sixth up to 10 KiB; what is larger takes whole pages. Pure: memory accounting goes by `roundedSize`.
 */
export const UNIT_BYTES = 8;
export const PAGE_BYTES = 4096;
export const SPAN_PAGES = 16;
export const SPAN_BYTES = SPAN_PAGES * PAGE_BYTES;

const FINE_STEP_LIMIT_BYTES = 256;
const STEPS_PER_DOUBLING = 8;
/** The largest small block: a sixth of a span. Above, whole pages waste less. */
const LEAST_BLOCKS_PER_SPAN = 6;

function classSizes(): number[] {
  const sizes: number[] = [];
  for (let size = UNIT_BYTES; size <= FINE_STEP_LIMIT_BYTES; size += UNIT_BYTES) sizes.push(size);
  for (let base = FINE_STEP_LIMIT_BYTES; base < PAGE_BYTES; base *= 2) {
    for (let step = 1; step <= STEPS_PER_DOUBLING; step += 1)
      sizes.push(base + (base / STEPS_PER_DOUBLING) * step);
  }
  for (let blocks = SPAN_BYTES / PAGE_BYTES - 1; blocks >= LEAST_BLOCKS_PER_SPAN; blocks -= 1) {
    sizes.push(Math.floor(SPAN_BYTES / blocks / UNIT_BYTES) * UNIT_BYTES);
  }
  return sizes;
}

export const CLASS_SIZES: readonly number[] = classSizes();
export const MAX_SMALL_BYTES = CLASS_SIZES[CLASS_SIZES.length - 1];

const CLASS_OF_UNITS = new Uint8Array(MAX_SMALL_BYTES / UNIT_BYTES + 1);
for (let units = 0, sizeClass = 0; units < CLASS_OF_UNITS.length; units += 1) {
  if (units * UNIT_BYTES > CLASS_SIZES[sizeClass]) sizeClass += 1;
  CLASS_OF_UNITS[units] = sizeClass;
}

/** The class of a small block; `sizeBytes` is at most MAX_SMALL_BYTES. */
export function classOf(sizeBytes: number): number {
  return CLASS_OF_UNITS[(sizeBytes + UNIT_BYTES - 1) >>> 3];
}

/** How many bytes a block of this size really takes. */
export function roundedSize(sizeBytes: number): number {
  if (sizeBytes <= MAX_SMALL_BYTES) return CLASS_SIZES[classOf(sizeBytes)];
  return Math.ceil(sizeBytes / PAGE_BYTES) * PAGE_BYTES;
}
