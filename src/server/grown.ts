/** Takes over what was counted before there was room for more. */
export function grown<Counts extends Int32Array | Uint8Array>(counts: Counts, old: Counts | null): Counts {
  if (old !== null) counts.set(old);
  return counts;
}
