/** Values by name, looked up by the bytes of an argument whatever their case, without making a string. */
import { ShortNames } from './short-names.ts';
import { lowerCase } from './words.ts';

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

export class NameIndex<T> {
  private readonly names: (Buffer | null)[];
  private readonly values: (T | null)[];
  private readonly mask: number;
  private readonly short: ShortNames<T>;

  /** Names are lower case and differ. */
  constructor(entries: ReadonlyMap<string, T>) {
    let capacity = 8;
    while (capacity < entries.size * 4) capacity *= 2;
    this.mask = capacity - 1;
    this.names = Array.from({ length: capacity }, () => null);
    this.values = Array.from({ length: capacity }, () => null);
    for (const [name, value] of entries) this.add(Buffer.from(name), value);
    this.short = new ShortNames(entries);
  }

  find(bytes: Buffer, start: number, end: number): T | null {
    return this.short.find(bytes, start, end) ?? this.findAny(bytes, start, end);
  }

  private findAny(bytes: Buffer, start: number, end: number): T | null {
    const { names, mask } = this;
    for (let place = hashOf(bytes, start, end) & mask; ; place = (place + 1) & mask) {
      const name = names[place];
      if (name === null) return null;
      if (isName(name, bytes, start, end)) return this.values[place];
    }
  }

  private add(name: Buffer, value: T): void {
    let place = hashOf(name, 0, name.length) & this.mask;
    while (this.names[place] !== null) place = (place + 1) & this.mask;
    this.names[place] = name;
    this.values[place] = value;
  }
}

/** FNV-1a of the lower-cased bytes. */
function hashOf(bytes: Buffer, start: number, end: number): number {
  let hash = FNV_OFFSET;
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ lowerCase(bytes[at]), FNV_PRIME);
  return hash ^ (hash >>> 15);
}

function isName(name: Buffer, bytes: Buffer, start: number, end: number): boolean {
  if (end - start !== name.length) return false;
  for (let i = 0; i < name.length; i++) if (lowerCase(bytes[start + i]) !== name[i]) return false;
  return true;
}
