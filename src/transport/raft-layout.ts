/**
 * The bytes of Raft messages. Little-endian; terms, indexes, times and ids that count without end are float64.
 *
 * A RAFT section is a sequence of messages:
 *
 * | offset | size | field |
 * | 0  | 1 | kind |
 * | 1  | 1 | flags |
 * | 2  | 2 | zero |
 * | 4  | 4 | size of the whole message |
 * | 8  | 8 | group |
 * | 16 | 8 | from |
 * | 24 | 8 | to |
 * | 32 | 8 | term |
 * | 40 |   | float64 fields of the kind, in the order below, then what is of variable size |
 *
 * append: session, round, timeMs, prevIndex, prevTerm, commit; then the entries, each telling its own size
 * append-response: session, round, promiseMs, index, hintIndex, hintTerm; flag 1: accepted
 * vote: lastIndex, lastTerm; flag 1: pre, flag 2: transfer
 * vote-response: timeSeenMs, wallMs; flag 1: pre, flag 2: granted
 * timeout-now: lastIndex, lastTerm
 * snapshot: session, round, timeMs, snapshotId, offset, totalBytes, index, term; then three lists of members (count u32, ids), then data
 * snapshot-response: session, round, promiseMs, snapshotId, nextOffset, index; flag 1: installed
 *
 * A HEARTBEATS section is a sequence of rows of one size: kind u8, 7 zero, then float64: group, from, to, term, session, round, and for a
 * heartbeat timeMs and commit, for its response promiseMs and 0.
 */
export const MESSAGE_KIND_AT = 0;
export const MESSAGE_FLAGS_AT = 1;
export const MESSAGE_SIZE_AT = 4;
export const MESSAGE_GROUP_AT = 8;
export const MESSAGE_FROM_AT = 16;
export const MESSAGE_TO_AT = 24;
export const MESSAGE_TERM_AT = 32;
export const MESSAGE_FIELDS_AT = 40;
export const FIELD_BYTES = 8;

/** Numbers are never used again for another kind. */
export const MessageKind = {
  APPEND: 1,
  APPEND_RESPONSE: 2,
  HEARTBEAT: 3,
  HEARTBEAT_RESPONSE: 4,
  VOTE: 5,
  VOTE_RESPONSE: 6,
  TIMEOUT_NOW: 7,
  SNAPSHOT: 8,
  SNAPSHOT_RESPONSE: 9,
} as const;

export const APPEND_FIELDS = 6;
export const APPEND_RESPONSE_FIELDS = 6;
export const VOTE_FIELDS = 2;
export const VOTE_RESPONSE_FIELDS = 2;
export const TIMEOUT_NOW_FIELDS = 2;
export const SNAPSHOT_FIELDS = 8;
export const SNAPSHOT_RESPONSE_FIELDS = 6;

export const FLAG_FIRST = 1;
export const FLAG_SECOND = 2;

export const ROW_KIND_AT = 0;
export const ROW_FIELDS_AT = 8;
const ROW_FIELDS = 8;
export const ROW_BYTES = ROW_FIELDS_AT + ROW_FIELDS * FIELD_BYTES;
