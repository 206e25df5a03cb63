/** What a group's log says of a slot (design section 8). One group has it OWNED, or FROZEN in a move that the target's log has not decided for itself. */
export const SlotState = {
  /** Another group's, as far as this log knows. */
  NONE: 0,
  /** Served here; an export may be under way. */
  OWNED: 1,
  /** Owned and not served: a fence is in effect, and the target's log decides. */
  FROZEN: 2,
  /** On its way here: hidden, nothing expires or is evicted. */
  STAGING: 3,
} as const;
export type SlotState = (typeof SlotState)[keyof typeof SlotState];

/** How the highest move that has ended for a slot in this log went. */
export const MoveOutcome = { NONE: 0, WENT: 1, ABORTED: 2 } as const;
export type MoveOutcome = (typeof MoveOutcome)[keyof typeof MoveOutcome];

/** What became of an item of a move for one slot, once it is applied. */
export const MoveAnswer = {
  /** It took effect, now or when it came first. */
  DONE: 1,
  /** The move has ended here for the slot: it went over. */
  WENT: 2,
  /** The move has ended here for the slot: it stayed where it was. */
  ABORTED: 3,
  /** A leader of the source with a later term was heard: this one is none any more. */
  OLD_TERM: 4,
  /** Bytes that were not the next ones: `positions` tells which are. */
  NOT_NEXT: 5,
  /** The slot is in no state for it here: not begun, another move is under way, or not yet fenced. Nothing was done. */
  NOT_NOW: 6,
  /** A fence that takes effect once the last undecided transaction on the slot is decided. */
  PENDING: 7,
} as const;
export type MoveAnswer = (typeof MoveAnswer)[keyof typeof MoveAnswer];
