/** Numbers as INFO and MEMORY write them. */

const UNITS = ['B', 'K', 'M', 'G', 'T', 'P'];

/** `512B`, `1.50K`, `23.54G`. */
export function bytesForPeople(sizeBytes: number): string {
  let unit = 0;
  let size = sizeBytes;
  while (size >= 1024 && unit < UNITS.length - 1) {
    size /= 1024;
    unit += 1;
  }
  return unit === 0 ? `${sizeBytes}B` : `${size.toFixed(2)}${UNITS[unit]}`;
}

/** 0 when there is nothing to divide by. */
export function quotient(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}

export function percent(part: number, whole: number): string {
  return `${(quotient(part, whole) * 100).toFixed(2)}%`;
}

export function ratio(part: number, whole: number): string {
  return quotient(part, whole).toFixed(2);
}
