/** Replies as trees, to find where one ends and to normalise what may differ. */

export interface Reply {
  /** The first byte: `+ - : $ * _ # , % ~ > =`. */
  type: string;
  /** What follows it on the line, or the content of a bulk string; null for a null. */
  text: string | null;
  children: Reply[];
  /** Where the next reply begins. */
  end: number;
}

/** The reply at `at`; null when not all of it is there. */
export function parseReply(bytes: Buffer, at: number): Reply | null {
  const lineEnd = bytes.indexOf('\r\n', at);
  if (lineEnd < 0) return null;
  const type = String.fromCharCode(bytes[at]);
  const text = bytes.toString('latin1', at + 1, lineEnd);
  const next = lineEnd + 2;
  if (type === '$' || type === '=') return parseBulk(bytes, type, Number(text), next);
  if (type === '*' || type === '~' || type === '>')
    return parseChildren(bytes, type, text, Number(text), next);
  if (type === '%') return parseChildren(bytes, type, text, Number(text) * 2, next);
  return { type, text: type === '_' ? null : text, children: [], end: next };
}

function parseBulk(bytes: Buffer, type: string, length: number, at: number): Reply | null {
  if (length < 0) return { type, text: null, children: [], end: at };
  if (bytes.length < at + length + 2) return null;
  return { type, text: bytes.toString('latin1', at, at + length), children: [], end: at + length + 2 };
}

function parseChildren(bytes: Buffer, type: string, text: string, count: number, at: number): Reply | null {
  const children: Reply[] = [];
  let end = at;
  for (let i = 0; i < count; i++) {
    const child = parseReply(bytes, end);
    if (child === null) return null;
    children.push(child);
    end = child.end;
  }
  return { type, text: count < 0 ? null : text, children, end };
}
