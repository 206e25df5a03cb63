import type { HardState, MemberId } from '../raft/types.ts';

/** Term, vote, commit: float64 each. */
export const HARD_STATE_BYTES = 24;
/** Milliseconds, float64. */
export const TIME_CEILING_BYTES = 8;
/** A member's id, float64. */
export const MEMBER_BYTES = 8;
/** An index, float64. */
export const LAST_INDEX_BYTES = 8;

export function writeHardState(view: DataView, offset: number, hardState: HardState): void {
  view.setFloat64(offset, hardState.term, true);
  view.setFloat64(offset + 8, hardState.vote, true);
  view.setFloat64(offset + 16, hardState.commit, true);
}

export function readHardState(payload: Buffer): HardState {
  return { term: payload.readDoubleLE(0), vote: payload.readDoubleLE(8), commit: payload.readDoubleLE(16) };
}

export function writeTimeCeiling(view: DataView, offset: number, timeMs: number): void {
  view.setFloat64(offset, timeMs, true);
}

export function readTimeCeiling(payload: Buffer): number {
  return payload.readDoubleLE(0);
}

export function writeMember(view: DataView, offset: number, member: MemberId): void {
  view.setFloat64(offset, member, true);
}

export function readMember(payload: Buffer): MemberId {
  return payload.readDoubleLE(0);
}

export function writeLastIndex(view: DataView, offset: number, index: number): void {
  view.setFloat64(offset, index, true);
}

export function readLastIndex(payload: Buffer): number {
  return payload.readDoubleLE(0);
}
