/** KEYS while slots move: slot after slot, as SCAN goes. So a key that is there throughout is told, and once, wherever its slot is meanwhile. */
import { Args } from '../resp/args.ts';
import { ScanWalk } from './shard-walk.ts';

const PAGE_KEYS = 2000;

export class KeysWalk extends ScanWalk {
  private readonly pieces: Buffer[] = [];
  private found = 0;

  /** `*2 $n cursor *k …` */
  protected override answered(reply: Buffer): void {
    const cursorAt = reply.indexOf('\n', 4) + 1;
    const countAt = reply.indexOf('\n', cursorAt) + 1;
    const elementsAt = reply.indexOf('\n', countAt) + 1;
    const count = Number(reply.toString('latin1', countAt + 1, elementsAt - 2));
    if (count > 0) {
      const piece = reply.subarray(elementsAt);
      this.pieces.push(piece);
      this.found += count;
      this.connection.keepPart(this.place, piece.length);
    }
    const cursor = Number(reply.toString('latin1', cursorAt, countAt - 2));
    if (cursor !== 0) {
      this.go(cursor);
      return;
    }
    this.place.setTail(this.pieces);
    this.answer(Buffer.from(`*${this.found}\r\n`));
  }
}

/** `SCAN 0 MATCH pattern COUNT n`, of `KEYS pattern`. */
export function keysAsScan(keys: Args): Args {
  const words = ['scan', '0', 'match', '', 'count', String(PAGE_KEYS)].map((word) => Buffer.from(word));
  words[3] = Buffer.from(keys.bytes.subarray(keys.start[1], keys.end[1]));
  const args = new Args();
  args.bytes = Buffer.concat(words);
  let at = 0;
  for (const { length } of words) {
    args.push(at, at + length);
    at += length;
  }
  return args;
}
