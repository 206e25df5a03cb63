/**
 * The commands that were looked up last, by name as it was sent and number of arguments: the few that a log is full of cost no look-up.
 * Subcommands are not kept, since their name is two arguments.
 */
import type { Args } from '../resp/args.ts';
import type { ShardCommand, ShardCommandLookup } from './state-machine.ts';

const NAME_MAX_BYTES = 8;
const PLACES = 64;
const PLACE_SHIFT = 26;
const SPREAD = 0x9e3779b1;

export class CommandMemo {
  private readonly lookup: ShardCommandLookup;
  /** Of each place the name's first 4 bytes, the others, and its length with the number of arguments. */
  private readonly keys = new Int32Array(PLACES * 3);
  private readonly commands: (ShardCommand | null)[] = Array.from({ length: PLACES }, () => null);

  constructor(lookup: ShardCommandLookup) {
    this.lookup = lookup;
  }

  find(args: Args): ShardCommand | null {
    const { bytes, count } = args;
    const start = args.start[0];
    const size = args.end[0] - start;
    if (size > NAME_MAX_BYTES) return this.lookup(args);
    let first = 0;
    let rest = 0;
    for (let i = 0; i < size; i += 1) {
      if (i < 4) first |= bytes[start + i] << (8 * i);
      else rest |= bytes[start + i] << (8 * i);
    }
    const shape = (count << 4) | size;
    const place = Math.imul(first ^ Math.imul(rest, SPREAD) ^ shape, SPREAD) >>> PLACE_SHIFT;
    const { keys } = this;
    const at = place * 3;
    if (keys[at] === first && keys[at + 1] === rest && keys[at + 2] === shape) return this.commands[place];
    const command = this.lookup(args);
    if (command !== null && !command.row.name.includes('|')) {
      keys[at] = first;
      keys[at + 1] = rest;
      keys[at + 2] = shape;
      this.commands[place] = command;
    }
    return command;
  }
}
