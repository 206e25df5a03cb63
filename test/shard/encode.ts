import { Args } from '../../src/resp/args.ts';
import { CommandReader } from '../../src/resp/reader.ts';
import { ItemArena } from '../../src/shard/command-item.ts';
import { slotOf } from '../../ring/index.ts';
import type { SlotRange } from '../../src/topology/types.ts';

/** A command as a client sends it. */
export function respOf(...words: (string | Buffer)[]): Buffer {
  const parts: Buffer[] = [Buffer.from(`*${words.length}\r\n`)];
  for (const word of words) {
    const bytes = Buffer.from(word as string);
    parts.push(Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n'));
  }
  return Buffer.concat(parts);
}

export function argsOf(...words: (string | Buffer)[]): Args {
  const bytes = respOf(...words);
  const args = new Args();
  const reader = new CommandReader();
  reader.feed(bytes, 0, bytes.length);
  if (reader.next(args) !== 'command') throw new Error('not a command');
  return args;
}

export interface Item {
  bytes: Buffer;
  start: number;
  end: number;
}

const arena = new ItemArena();

/** Of a command on all keys that names the slots it is about. */
export function itemOnSlots(
  words: string[],
  slots: readonly SlotRange[],
  sequence = 0,
  floor = sequence,
  db = 0,
): Item {
  arena.commandOnSlots(argsOf(...words), db, slots, false, sequence, floor);
  return { bytes: arena.bytes, start: arena.start, end: arena.end };
}

/** A command item whose slot is that of its first argument. */
export function itemOf(words: (string | Buffer)[], sequence = 0, floor = sequence, db = 0): Item {
  const args = argsOf(...words);
  const slot = args.count > 1 ? slotOf(args.bytes, args.start[1], args.end[1]) : 0;
  arena.command(args, db, slot, false, sequence, floor);
  return { bytes: arena.bytes, start: arena.start, end: arena.end };
}
