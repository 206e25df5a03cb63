/** Reads a reply as plain values: errors as their text, maps and sets as flat arrays, pushes as arrays. One value; the rest is left. */
export function parseReply(text: string): unknown {
  const [value] = parseReplies(text);
  return value;
}

/** All values of the text. */
export function parseReplies(text: string): unknown[] {
  const values: unknown[] = [];
  let at = 0;

  function line(): string {
    const end = text.indexOf('\r\n', at);
    if (end < 0) throw new Error(`the reply ends within a line: ${JSON.stringify(text.slice(at))}`);
    const found = text.slice(at, end);
    at = end + 2;
    return found;
  }

  function bulk(sizeBytes: number): string | null {
    if (sizeBytes < 0) return null;
    const found = text.slice(at, at + sizeBytes);
    if (text.slice(at + sizeBytes, at + sizeBytes + 2) !== '\r\n')
      throw new Error('a bulk string has another length');
    at += sizeBytes + 2;
    return found;
  }

  function many(count: number): unknown[] | null {
    return count < 0 ? null : Array.from({ length: count }, () => next());
  }

  function next(): unknown {
    const head = line();
    const rest = head.slice(1);
    switch (head[0]) {
      case '+':
      case '-':
        return rest;
      case ':':
      case ',':
        return Number(rest);
      case '#':
        return rest === 't';
      case '_':
        return null;
      case '$':
        return bulk(Number(rest));
      case '=':
        return bulk(Number(rest))?.slice(4);
      case '*':
      case '~':
      case '>':
        return many(Number(rest));
      case '%':
        return many(Number(rest) * 2);
      default:
        throw new Error(`no type of reply: ${head}`);
    }
  }

  while (at < text.length) values.push(next());
  return values;
}

/** A flat array of names and values as an object. */
export function fieldsOf(flat: unknown): Record<string, unknown> {
  const list = flat as unknown[];
  const fields: Record<string, unknown> = {};
  for (let at = 0; at < list.length; at += 2) fields[String(list[at])] = list[at + 1];
  return fields;
}
