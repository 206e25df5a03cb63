/** Tells the exports what is done to their slots while an entry is applied. A command on several slots is told apart, slot by slot. */
import { slotOf } from '../../../ring/index.ts';
import { assert, unreachable } from '../../assert.ts';
import type { KeyCommand, KeyContext } from '../../commands/types.ts';
import { Args } from '../../resp/args.ts';
import type { ReplyWriter } from '../../resp/reply-writer.ts';
import type { KeyspaceLimits } from '../../store/types.ts';
import { slotsOf } from '../../topology/slot-ranges.ts';
import type { SessionId } from '../batch.ts';
import { ItemArena, commandItemBytes } from '../command-item.ts';
import { ROW_REPLY_MAX_BYTES } from '../session-rows.ts';
import {
  floorEffect,
  flushEffect,
  removeEffect,
  rowEffect,
  runEffect,
  type KeyRemoval,
  type RunBy,
} from './effect.ts';
import type { Exports } from './exports.ts';

/** A larger command is no effect: to sum and copy it takes too long. Its slot is cut anew, in pieces. */
const EFFECT_MAX_BYTES = 1024 * 1024;

/** What it answers when it has flushed, and not refused its arguments. */
const SIMPLE_STRING = 43;

export class EffectRecorder {
  private readonly exports: Exports;
  private readonly arena = new ItemArena();
  private readonly part = new Args();
  private readonly by: RunBy = {
    version: 0,
    timeMs: 0,
    rules: 0,
    seed: 0,
    limits: { hashMaxListpackEntries: 0, hashMaxListpackValueBytes: 0 },
  };

  constructor(exports: Exports) {
    this.exports = exports;
  }

  /** The entry that is applied now. */
  at(version: number, timeMs: number, rules: number, limits: KeyspaceLimits): void {
    const { by } = this;
    by.version = version;
    by.timeMs = timeMs;
    by.rules = rules;
    by.limits = limits;
  }

  /** They changed within the entry. */
  set limits(limits: KeyspaceLimits) {
    this.by.limits = limits;
  }

  removal(slot: number, bytes: Buffer, removal: KeyRemoval): void {
    this.exports.add(slot, removeEffect(this.by, bytes, removal));
  }

  floor(slot: number, session: SessionId, floor: number): void {
    this.exports.add(slot, floorEffect(this.by, session, floor));
  }

  row(slot: number, session: SessionId, sequence: number, floor: number, reply: ReplyWriter): void {
    // Of one that is too large to be kept as much as tells so.
    const end = Math.min(reply.size, ROW_REPLY_MAX_BYTES + 1);
    this.exports.add(slot, rowEffect(this.by, session, sequence, floor, reply.buffer, 0, end));
  }

  /** A command that has just run; `seed`: the state of the draws before. */
  command(row: KeyCommand, context: KeyContext, seed: number): void {
    this.by.seed = seed;
    switch (row.spread.by) {
      case 'slot':
        if (this.exports.has(context.slot)) this.run(context.slot, context.db, context.args);
        break;
      case 'keys':
        this.keys(row, context);
        break;
      case 'shards':
      case 'scan':
      case 'random':
        this.flush(row, context);
        break;
      default:
        unreachable(row.spread, 'spread of a command');
    }
  }

  private keys(row: KeyCommand, { args, db }: KeyContext): void {
    const slots = new Set<number>();
    for (let i = row.firstKey; i < args.count; i += row.keyStep) slots.add(slotOfArgument(args, i));
    for (const slot of slots) if (this.exports.has(slot)) this.run(slot, db, this.partOf(row, args, slot));
  }

  /** The command with the keys of one slot alone: each key is a command of its own, as they are when shards differ. */
  private partOf(row: KeyCommand, args: Args, slot: number): Args {
    const { part } = this;
    part.bytes = args.bytes;
    part.count = 0;
    part.push(args.start[0], args.end[0]);
    for (let i = row.firstKey; i < args.count; i += row.keyStep) {
      if (slotOfArgument(args, i) !== slot) continue;
      for (let j = i; j < i + row.keyStep; j += 1) part.push(args.start[j], args.end[j]);
    }
    return part;
  }

  private run(slot: number, db: number, args: Args): void {
    const { arena } = this;
    if (commandItemBytes(args) > EFFECT_MAX_BYTES) {
      this.exports.lose(slot);
      return;
    }
    arena.command(args, db, slot, false, 0, 0);
    this.exports.add(slot, runEffect(this.by, db, arena.bytes, arena.start, arena.end));
  }

  /** The only writes on all keys. */
  private flush({ name }: KeyCommand, { db, reply, slots }: KeyContext): void {
    assert(name === 'flushall' || name === 'flushdb', 'a write on all keys flushes');
    if (reply.buffer[0] !== SIMPLE_STRING) return;
    const flushed = slots === null ? null : new Set(slotsOf(slots));
    for (const slot of this.exports.all())
      if (flushed === null || flushed.has(slot))
        this.exports.add(slot, flushEffect(this.by, name === 'flushall' ? -1 : db));
  }
}

function slotOfArgument({ bytes, start, end }: Args, argument: number): number {
  return slotOf(bytes, start[argument], end[argument]);
}
