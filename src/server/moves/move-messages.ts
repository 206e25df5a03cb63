/**
 * What the leaders of a move's two shards say to each other, and to all who route. A MOVES section is one message after the other:
 *
 * | 0 | size of all of it, u32 | 4 | size of the head, u32 | 8 | head, as JSON | … | items for the target's log (move-item.ts) |
 *
 * Cuts and effects go over the bulk connection; what clients wait for, answers and news over the control connection, which is quicker.
 */
import { z } from 'zod';
import { readU32, writeU32 } from '../../little-endian.ts';
import { MoveAnswer, MoveOutcome, SlotState } from '../../shard/moves/slot-state.ts';
import { Refusal } from '../../shard/waiter.ts';
import { SLOT_COUNT } from '../../topology/types.ts';

const PREFIX_BYTES = 8;

const whole = z.number().int().nonnegative();
const slot = whole.max(SLOT_COUNT - 1);
const shard = whole.max(65_535);
const move = z.number().int().positive();

const position = z.object({
  slot,
  state: z.enum(SlotState),
  ended: z.enum(MoveOutcome),
  cutIndex: whole,
  cutTerm: whole,
  isCut: z.boolean(),
  offset: whole,
});

const itemAnswers = z.object({ move, slots: z.array(slot), answers: z.array(z.enum(MoveAnswer)) });

/** To the target's leader: log these items, and say what is needed next of their slots, and of these. */
const ask = z.object({ kind: z.literal('ask'), number: whole, shard, move, slots: z.array(slot) });

const answer = z.object({
  kind: z.literal('answer'),
  number: whole,
  /** Why there are no answers; 0: there are. */
  refusal: z.union([z.literal(0), z.enum(Refusal)]),
  answers: z.array(itemAnswers),
  positions: z.array(position),
  /** How late the event loop of the target's leader came, when it was looked at last. */
  lateMs: z.number().nonnegative(),
});

/** To everybody: the move has given these slots to the shard. */
const owner = z.object({
  kind: z.literal('owner'),
  move,
  shard,
  slots: z.array(z.object({ from: slot, to: slot })),
});

const head = z.discriminatedUnion('kind', [ask, answer, owner]);

export type MoveMessage = z.infer<typeof head>;
export type MoveQuestion = z.infer<typeof ask>;
export type MoveReply = z.infer<typeof answer>;

export const NO_ITEMS = Buffer.alloc(0);

export function encodeMoveMessage(message: MoveMessage, items: Buffer): Buffer {
  const text = Buffer.from(JSON.stringify(message));
  const bytes = Buffer.allocUnsafe(PREFIX_BYTES + text.length + items.length);
  writeU32(bytes, bytes.length, 0);
  writeU32(bytes, text.length, 4);
  text.copy(bytes, PREFIX_BYTES);
  items.copy(bytes, PREFIX_BYTES + text.length);
  return bytes;
}

/** False when the section is malformed. */
export function readMoveMessages(
  bytes: Buffer,
  start: number,
  end: number,
  take: (message: MoveMessage, items: Buffer) => void,
): boolean {
  let at = start;
  while (at < end) {
    if (at + PREFIX_BYTES > end) return false;
    const to = at + readU32(bytes, at);
    const itemsAt = at + PREFIX_BYTES + readU32(bytes, at + 4);
    if (to > end || itemsAt > to) return false;
    const message = parseHead(bytes.toString('utf8', at + PREFIX_BYTES, itemsAt));
    if (message === null) return false;
    take(message, bytes.subarray(itemsAt, to));
    at = to;
  }
  return true;
}

function parseHead(text: string): MoveMessage | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  return head.safeParse(value).data ?? null;
}
