/**
 * A command over several slots is one request to the shard that has them all, as far as this node knows. Where it does not, it is refused, and parted: a
 * request of its own for each slot that is not served there, and one for the rest. That with the slot of the first key keeps the sequence: what
 * asks for the whole once more there finds that it has run. What follows on the connection on one of the slots waits until a write over several
 * is answered, since it could overtake a part.
 */
import { slotOf } from '../../ring/index.ts';
import { assert } from '../assert.ts';
import { Args } from '../resp/args.ts';
import { ReplyWriter } from '../resp/reply-writer.ts';
import { commandArgs, commandResp3 } from '../shard/command-item.ts';
import type { CompiledCommand } from './compiled-command.ts';
import { MergedReply } from './merged-reply.ts';
import { RequestState, type Request, type RequestOwner } from './request.ts';

/** The name and options of a command with some of its keys (with the arguments that belong to each). */
export function pickArgs(args: Args, { firstKey, keyStep }: CompiledCommand, keys: readonly number[]): Args {
  const picked = new Args();
  picked.bytes = args.bytes;
  for (let i = 0; i < firstKey; i++) picked.push(args.start[i], args.end[i]);
  for (const key of keys) {
    for (let i = key; i < key + keyStep; i++) picked.push(args.start[i], args.end[i]);
  }
  return picked;
}

/** What one part of a request asks for. */
export interface Portion {
  args: Args;
  /** Of its first key. */
  slot: number;
  /** All that its keys lie in. */
  slots: ReadonlySet<number>;
}

export interface Parting {
  portions: readonly Portion[];
  /** Which of them each key is in. */
  order: readonly number[];
}

/** How a request is parted when these slots of it are not where the others are. */
export function partingOf({ span, bytes, start }: Request, apart: readonly number[]): Parting {
  assert(span !== null, 'what is parted has several slots');
  const { command } = span;
  const args = new Args();
  commandArgs(bytes, start, args);
  const alone = new Set(apart);
  const groups = new Map<number, { keys: number[]; slot: number; slots: Set<number>; at: number }>();
  const order: number[] = [];
  for (let key = command.firstKey; key < args.count; key += command.keyStep) {
    const slot = slotOf(args.bytes, args.start[key], args.end[key]);
    const name = alone.has(slot) ? slot : REST;
    let group = groups.get(name);
    if (group === undefined)
      groups.set(name, (group = { keys: [], slot, slots: new Set(), at: groups.size }));
    group.keys.push(key);
    group.slots.add(slot);
    order.push(group.at);
  }
  const portions = [...groups.values()].map(({ keys, slot, slots }) => {
    return { args: pickArgs(args, command, keys), slot, slots };
  });
  return { portions, order };
}

const REST = -1;

/** Owns the parts of a request until all are answered; then the request is, to whom it belongs. */
export class PartedRequest implements RequestOwner {
  private readonly whole: Request;
  private readonly merged: MergedReply;
  private readonly protocol: 2 | 3;

  constructor(whole: Request, { portions, order }: Parting) {
    const { span, isWrite, bytes, start } = whole;
    const spread = span?.command.row.spread;
    assert(spread?.by === 'keys', 'only what is about single keys is parted');
    this.whole = whole;
    this.merged = new MergedReply(spread.merge, isWrite, portions.length, order);
    this.protocol = commandResp3(bytes, start) ? 3 : 2;
  }

  hold(): void {
    this.whole.owner?.hold();
  }

  release(): void {
    this.whole.owner?.release();
  }

  rerouted(part: Request, way: number): void {
    this.whole.owner?.rerouted(part, way);
  }

  countPart(part: Request): void {
    this.whole.owner?.countPart(part);
  }

  partFinished(part: Request): void {
    this.whole.owner?.partFinished(part);
  }

  get isGone(): boolean {
    return this.whole.isGone;
  }

  finished(part: Request): void {
    const { whole, merged } = this;
    merged.take(part);
    this.partFinished(part);
    if (!merged.isWhole) return;
    const reply = new ReplyWriter(256);
    reply.protocol = this.protocol;
    whole.setTail(merged.write(reply));
    whole.state = RequestState.DONE;
    whole.replyBytes = reply.buffer;
    whole.replyStart = 0;
    whole.replyEnd = reply.size;
    if (whole.isLarge) whole.owner?.release();
    whole.owner?.finished(whole);
  }
}
