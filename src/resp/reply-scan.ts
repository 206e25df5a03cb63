/** Finds where a reply ends, without making anything of it. */
const LF = 10;

/** The offset after the whole, well-formed reply that begins at `at`. */
export function skipReply(bytes: Buffer, at: number): number {
  let pending = 1;
  let offset = at;
  while (pending > 0) {
    pending -= 1;
    const lineEnd = bytes.indexOf(LF, offset) + 1;
    const type = String.fromCharCode(bytes[offset]);
    const count = Number(bytes.toString('latin1', offset + 1, lineEnd - 2));
    offset = lineEnd;
    if (type === '$' || type === '=' || type === '!') offset += count < 0 ? 0 : count + 2;
    else if (type === '*' || type === '~' || type === '>') pending += Math.max(count, 0);
    else if (type === '%' || type === '|') pending += Math.max(count, 0) * 2;
  }
  return offset;
}
