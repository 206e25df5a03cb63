import { EntryKind } from '../../../src/raft/entry.ts';
import type { Entry } from '../../../src/raft/entry.ts';

const CHECKSUM_OFFSET = 4;
const PRIME = 0x01000193;

/** What is replicated: a counter of writes, and a hash over every entry ever applied. */
export class CounterMachine {
  index = 0;
  term = 0;
  writes = 0;
  hash = 0x811c9dc5;

  apply(entry: Entry): void {
    this.index = entry.index;
    this.term = entry.term;
    if (entry.kind === EntryKind.COMMANDS) this.writes++;
    this.mix(entry.index);
    this.mix(entry.bytes.readUInt32LE(CHECKSUM_OFFSET));
  }

  save(): Buffer {
    return Buffer.from(JSON.stringify([this.index, this.term, this.writes, this.hash]));
  }

  load(data: Buffer): void {
    const [index, term, writes, hash] = JSON.parse(data.toString()) as number[];
    this.index = index;
    this.term = term;
    this.writes = writes;
    this.hash = hash;
  }

  private mix(value: number): void {
    this.hash = Math.imul(this.hash ^ value, PRIME) >>> 0;
  }
}
