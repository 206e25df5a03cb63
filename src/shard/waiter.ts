/** Who waits at a shard's leader for what became of a command: a client's request here, or one that another node forwarded. */
import type { ReplyWriter } from '../resp/reply-writer.ts';
import type { MoveId, ShardId } from '../topology/types.ts';

/** Why a command was not answered by its own reply. */
export const Refusal = {
  /** Never proposed here: it may be sent to another leader as if for the first time. */
  NOT_PROPOSED: 1,
  /** Proposed, and leadership was lost: it may run yet. To be sent again with the same sequence. */
  LOST: 2,
  /** Never proposed: the leader's log has no room for more uncommitted entries. */
  LOG_FULL: 3,
  /** Its sequence is below the floor, or its session has ended: it was not run by this copy. */
  OUTDATED: 4,
  /** A read that was not answered. It says nothing of what was sent after it: that may have been proposed. */
  READ_LOST: 5,
  /** Not run: the slot's owner is being decided. To be asked here again, soon. */
  FROZEN: 6,
  /** Not run: the slot is another shard's. To be asked there, with the same sequence: `replica.machine.moves.peerOf` may know which. */
  MOVED: 7,
  /** Not run, now or ever before: of the slots that its keys lie in some are not served here. To be asked for in parts. */
  PARTED: 8,
} as const;
export type Refusal = (typeof Refusal)[keyof typeof Refusal];

/** Where a slot has gone to, as far as the shard that had it knows. */
export interface Elsewhere {
  slot: number;
  shard: ShardId;
  move: MoveId;
}

/** A reply of this size or more is worth a buffer of its own. */
export const LARGE_REPLY_BYTES = 512 * 1024;

/** How often those who wait for a reply that takes long are told that it is on its way. */
export const PROGRESS_INTERVAL_MS = 500;

/** Answered or refused once. */
export interface Waiter {
  /** `bytes[start, end)` is the reply; valid during the call. One of LARGE_REPLY_BYTES or more is the waiter's to keep: it does not change. */
  reply(bytes: Buffer, start: number, end: number): void;
  /** A long reply, in pieces that are the waiter's from now on; the first holds the header. */
  replyLong(pieces: readonly Buffer[]): void;
  /** `apart`: with PARTED, the slots that are not served here, in ascending order. */
  refuse(refusal: Refusal, apart?: readonly number[]): void;
  /** The answer takes long, and is being made. */
  progress?(nowMs: number): void;
  /** Nobody wants the answer any more, and nobody keeps it. */
  readonly isGone?: boolean;
}

/** Answers with what was written. A large reply leaves the writer, unless nobody keeps it: else a client that has gone would cost a buffer each. */
export function answerWith(waiter: Waiter, reply: ReplyWriter): void {
  const isKept = reply.size >= LARGE_REPLY_BYTES && waiter.isGone !== true;
  waiter.reply(reply.buffer, 0, reply.size);
  if (isKept) reply.letGo();
}

/** Takes the place of one who does not want the answer any more. */
export const NOBODY: Waiter = { reply: () => {}, replyLong: () => {}, refuse: () => {}, isGone: true };
