import { entrySizeAt, parseEntry } from '../raft/entry.ts';
import type { Entry } from '../raft/entry.ts';
import type {
  AppendRequest,
  AppendResponse,
  Membership,
  MemberId,
  Message,
  SnapshotChunk,
} from '../raft/types.ts';
import { MalformedSectionError } from './malformed.ts';
import {
  APPEND_FIELDS,
  APPEND_RESPONSE_FIELDS,
  FIELD_BYTES,
  FLAG_FIRST,
  FLAG_SECOND,
  MESSAGE_FIELDS_AT,
  MESSAGE_FLAGS_AT,
  MESSAGE_FROM_AT,
  MESSAGE_GROUP_AT,
  MESSAGE_KIND_AT,
  MESSAGE_SIZE_AT,
  MESSAGE_TERM_AT,
  MESSAGE_TO_AT,
  MessageKind,
  ROW_BYTES,
  ROW_FIELDS_AT,
  ROW_KIND_AT,
  SNAPSHOT_FIELDS,
  SNAPSHOT_RESPONSE_FIELDS,
  TIMEOUT_NOW_FIELDS,
  VOTE_FIELDS,
  VOTE_RESPONSE_FIELDS,
} from './raft-layout.ts';
import { readF64, readU32 } from '../little-endian.ts';

/**
 * Reads the messages of a RAFT section and delivers each. Entries and data are views into `bytes`, not copies; the checksum of every
 * entry is verified. Throws a MalformedSectionError; what was delivered before it was whole.
 */
export function readMessages(
  bytes: Buffer,
  start: number,
  end: number,
  deliver: (message: Message) => void,
): void {
  let at = start;
  while (at < end) {
    if (at + MESSAGE_FIELDS_AT > end) throw new MalformedSectionError('a Raft message is cut short');
    const messageEnd = at + readU32(bytes, at + MESSAGE_SIZE_AT);
    if (messageEnd < at + MESSAGE_FIELDS_AT || messageEnd > end) {
      throw new MalformedSectionError('a Raft message has an impossible size');
    }
    deliver(readMessage(bytes, at, messageEnd));
    at = messageEnd;
  }
}

/** Reads the rows of a HEARTBEATS section, as `readMessages` does. */
export function readHeartbeatRows(
  bytes: Buffer,
  start: number,
  end: number,
  deliver: (message: Message) => void,
): void {
  if ((end - start) % ROW_BYTES !== 0) throw new MalformedSectionError('a row of heartbeats is cut short');
  for (let at = start; at < end; at += ROW_BYTES) deliver(readHeartbeatRow(bytes, at));
}

function readHeartbeatRow(bytes: Buffer, at: number): Message {
  const field = (number: number): number => readF64(bytes, at + ROW_FIELDS_AT + number * FIELD_BYTES);
  const base = { group: field(0), from: field(1), to: field(2), term: field(3) };
  const asked = { ...base, session: field(4), round: field(5) };
  switch (bytes[at + ROW_KIND_AT]) {
    case MessageKind.HEARTBEAT:
      return { kind: 'heartbeat', ...asked, timeMs: field(6), commit: field(7) };
    case MessageKind.HEARTBEAT_RESPONSE:
      return { kind: 'heartbeat-response', ...asked, promiseMs: field(6) };
    default:
      throw new MalformedSectionError(`unknown kind ${bytes[at + ROW_KIND_AT]} of a heartbeat's row`);
  }
}

function readMessage(bytes: Buffer, at: number, end: number): Message {
  const kind = bytes[at + MESSAGE_KIND_AT];
  if (kind === MessageKind.APPEND) return readAppend(bytes, at, end);
  if (kind === MessageKind.APPEND_RESPONSE) return readAppendResponse(bytes, at, end);
  const flags = bytes[at + MESSAGE_FLAGS_AT];
  const first = (flags & FLAG_FIRST) !== 0;
  const second = (flags & FLAG_SECOND) !== 0;
  const base = {
    group: readF64(bytes, at + MESSAGE_GROUP_AT),
    from: readF64(bytes, at + MESSAGE_FROM_AT),
    to: readF64(bytes, at + MESSAGE_TO_AT),
    term: readF64(bytes, at + MESSAGE_TERM_AT),
  };
  const fieldsAt = at + MESSAGE_FIELDS_AT;
  const field = (number: number): number => readF64(bytes, fieldsAt + number * FIELD_BYTES);
  switch (kind) {
    case MessageKind.VOTE:
      endsAfter(fieldsAt, VOTE_FIELDS, end);
      return { kind: 'vote', ...base, pre: first, transfer: second, lastIndex: field(0), lastTerm: field(1) };
    case MessageKind.VOTE_RESPONSE:
      endsAfter(fieldsAt, VOTE_RESPONSE_FIELDS, end);
      return {
        kind: 'vote-response',
        ...base,
        pre: first,
        granted: second,
        timeSeenMs: field(0),
        wallMs: field(1),
      };
    case MessageKind.TIMEOUT_NOW:
      endsAfter(fieldsAt, TIMEOUT_NOW_FIELDS, end);
      return { kind: 'timeout-now', ...base, lastIndex: field(0), lastTerm: field(1) };
    case MessageKind.SNAPSHOT:
      restAfter(fieldsAt, SNAPSHOT_FIELDS, end);
      return readSnapshot(bytes, base, fieldsAt, end);
    case MessageKind.SNAPSHOT_RESPONSE: {
      endsAfter(fieldsAt, SNAPSHOT_RESPONSE_FIELDS, end);
      const answered = { ...base, session: field(0), round: field(1), promiseMs: field(2) };
      const place = { snapshotId: field(3), nextOffset: field(4), index: field(5) };
      return { kind: 'snapshot-response', ...answered, ...place, installed: first };
    }
    default:
      throw new MalformedSectionError(`unknown kind ${kind} of a Raft message`);
  }
}

/** The messages of every turn are plain literals: spreading one object into another costs more than all the rest. */
function readAppend(bytes: Buffer, at: number, end: number): AppendRequest {
  const fieldsAt = at + MESSAGE_FIELDS_AT;
  const rest = restAfter(fieldsAt, APPEND_FIELDS, end);
  return {
    kind: 'append',
    group: readF64(bytes, at + MESSAGE_GROUP_AT),
    from: readF64(bytes, at + MESSAGE_FROM_AT),
    to: readF64(bytes, at + MESSAGE_TO_AT),
    term: readF64(bytes, at + MESSAGE_TERM_AT),
    session: readF64(bytes, fieldsAt),
    round: readF64(bytes, fieldsAt + FIELD_BYTES),
    timeMs: readF64(bytes, fieldsAt + 2 * FIELD_BYTES),
    prevIndex: readF64(bytes, fieldsAt + 3 * FIELD_BYTES),
    prevTerm: readF64(bytes, fieldsAt + 4 * FIELD_BYTES),
    commit: readF64(bytes, fieldsAt + 5 * FIELD_BYTES),
    entries: readEntries(bytes, rest, end),
  };
}

function readAppendResponse(bytes: Buffer, at: number, end: number): AppendResponse {
  const fieldsAt = at + MESSAGE_FIELDS_AT;
  endsAfter(fieldsAt, APPEND_RESPONSE_FIELDS, end);
  return {
    kind: 'append-response',
    group: readF64(bytes, at + MESSAGE_GROUP_AT),
    from: readF64(bytes, at + MESSAGE_FROM_AT),
    to: readF64(bytes, at + MESSAGE_TO_AT),
    term: readF64(bytes, at + MESSAGE_TERM_AT),
    session: readF64(bytes, fieldsAt),
    round: readF64(bytes, fieldsAt + FIELD_BYTES),
    promiseMs: readF64(bytes, fieldsAt + 2 * FIELD_BYTES),
    accepted: (bytes[at + MESSAGE_FLAGS_AT] & FLAG_FIRST) !== 0,
    index: readF64(bytes, fieldsAt + 3 * FIELD_BYTES),
    hintIndex: readF64(bytes, fieldsAt + 4 * FIELD_BYTES),
    hintTerm: readF64(bytes, fieldsAt + 5 * FIELD_BYTES),
  };
}

type MessageBase = Pick<SnapshotChunk, 'group' | 'from' | 'to' | 'term'>;

function readSnapshot(bytes: Buffer, base: MessageBase, fieldsAt: number, end: number): SnapshotChunk {
  const field = (number: number): number => readF64(bytes, fieldsAt + number * FIELD_BYTES);
  const voters = readMembers(bytes, fieldsAt + SNAPSHOT_FIELDS * FIELD_BYTES, end);
  const votersOld = readMembers(bytes, voters.end, end);
  const learners = readMembers(bytes, votersOld.end, end);
  const membership: Membership = {
    voters: voters.members,
    votersOld: votersOld.members,
    learners: learners.members,
  };
  return {
    kind: 'snapshot',
    ...base,
    session: field(0),
    round: field(1),
    timeMs: field(2),
    snapshotId: field(3),
    offset: field(4),
    totalBytes: field(5),
    snapshot: { index: field(6), term: field(7), membership },
    data: bytes.subarray(learners.end, end),
  };
}

function readMembers(bytes: Buffer, at: number, end: number): { members: MemberId[]; end: number } {
  if (at + 4 > end) throw new MalformedSectionError('a list of members is cut short');
  const listEnd = at + 4 + readU32(bytes, at) * FIELD_BYTES;
  if (listEnd > end) throw new MalformedSectionError('a list of members is cut short');
  const members: MemberId[] = [];
  for (let next = at + 4; next < listEnd; next += FIELD_BYTES) members.push(readF64(bytes, next));
  return { members, end: listEnd };
}

function readEntries(bytes: Buffer, start: number, end: number): Entry[] {
  const entries: Entry[] = [];
  let at = start;
  while (at < end) {
    const entryEnd = at + entrySizeAt(bytes, at);
    const entry = entryEnd > at && entryEnd <= end ? parseEntry(bytes.subarray(at, entryEnd)) : null;
    if (entry === null) throw new MalformedSectionError('a log entry arrived damaged');
    entries.push(entry);
    at = entryEnd;
  }
  return entries;
}

function restAfter(fieldsAt: number, fields: number, end: number): number {
  const rest = fieldsAt + fields * FIELD_BYTES;
  if (rest > end) throw new MalformedSectionError('a Raft message is cut short');
  return rest;
}

function endsAfter(fieldsAt: number, fields: number, end: number): void {
  if (restAfter(fieldsAt, fields, end) !== end) {
    throw new MalformedSectionError('a Raft message is too long');
  }
}
