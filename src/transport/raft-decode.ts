import { entrySizeAt, parseEntry } from '../raft/entry.ts';
import type { Entry } from '../raft/entry.ts';
import type {
  AppendRequest,
  AppendResponse,
  GroupId,
  Heartbeat,
  HeartbeatResponse,
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
import { KeptBytes } from './kept-bytes.ts';
import { viewOf } from './space.ts';

/** What takes in a message; `group` and `from` are its own: of messages of so many shapes they would have to be looked for again. */
export type MessageTaker = (message: Message, group: GroupId, from: MemberId) => void;

/** Where entries are kept. */
const kept = new KeptBytes();

/**
 * Reads the messages of a RAFT section and delivers each. Entries and data are copied, so that `bytes` may be used again; the checksum of every
 * entry is verified. Throws a MalformedSectionError; what was delivered before it was whole.
 */
export function readMessages(bytes: Buffer, start: number, end: number, deliver: MessageTaker): void {
  const view = viewOf(bytes);
  let at = start;
  while (at < end) {
    if (at + MESSAGE_FIELDS_AT > end) throw new MalformedSectionError('a Raft message is cut short');
    const messageEnd = at + view.getUint32(at + MESSAGE_SIZE_AT, true);
    if (messageEnd < at + MESSAGE_FIELDS_AT || messageEnd > end) {
      throw new MalformedSectionError('a Raft message has an impossible size');
    }
    const group = view.getFloat64(at + MESSAGE_GROUP_AT, true);
    const from = view.getFloat64(at + MESSAGE_FROM_AT, true);
    deliver(readMessage(bytes, view, at, messageEnd), group, from);
    at = messageEnd;
  }
}

/** Reads the rows of a HEARTBEATS section, as `readMessages` does. */
export function readHeartbeatRows(bytes: Buffer, start: number, end: number, deliver: MessageTaker): void {
  if ((end - start) % ROW_BYTES !== 0) throw new MalformedSectionError('a row of heartbeats is cut short');
  const view = viewOf(bytes);
  for (let at = start; at < end; at += ROW_BYTES) {
    const message = readHeartbeatRow(view, at);
    deliver(message, message.group, message.from);
  }
}

// --- messages are plain literals, with the keys in the order of those that Raft makes: spreading one object into another costs more than all the rest

function readHeartbeatRow(view: DataView, at: number): Heartbeat | HeartbeatResponse {
  const fieldsAt = at + ROW_FIELDS_AT;
  const kind = view.getUint8(at + ROW_KIND_AT);
  switch (kind) {
    case MessageKind.HEARTBEAT:
      return {
        kind: 'heartbeat',
        group: view.getFloat64(fieldsAt, true),
        from: view.getFloat64(fieldsAt + FIELD_BYTES, true),
        to: view.getFloat64(fieldsAt + 2 * FIELD_BYTES, true),
        term: view.getFloat64(fieldsAt + 3 * FIELD_BYTES, true),
        session: view.getFloat64(fieldsAt + 4 * FIELD_BYTES, true),
        round: view.getFloat64(fieldsAt + 5 * FIELD_BYTES, true),
        timeMs: view.getFloat64(fieldsAt + 6 * FIELD_BYTES, true),
        commit: view.getFloat64(fieldsAt + 7 * FIELD_BYTES, true),
      };
    case MessageKind.HEARTBEAT_RESPONSE:
      return {
        kind: 'heartbeat-response',
        group: view.getFloat64(fieldsAt, true),
        from: view.getFloat64(fieldsAt + FIELD_BYTES, true),
        to: view.getFloat64(fieldsAt + 2 * FIELD_BYTES, true),
        term: view.getFloat64(fieldsAt + 3 * FIELD_BYTES, true),
        session: view.getFloat64(fieldsAt + 4 * FIELD_BYTES, true),
        round: view.getFloat64(fieldsAt + 5 * FIELD_BYTES, true),
        promiseMs: view.getFloat64(fieldsAt + 6 * FIELD_BYTES, true),
      };
    default:
      throw new MalformedSectionError(`unknown kind ${kind} of a heartbeat's row`);
  }
}

function readMessage(bytes: Buffer, view: DataView, at: number, end: number): Message {
  const kind = view.getUint8(at + MESSAGE_KIND_AT);
  if (kind === MessageKind.APPEND) return readAppend(bytes, view, at, end);
  if (kind === MessageKind.APPEND_RESPONSE) return readAppendResponse(view, at, end);
  return readSeldomMessage(kind, bytes, view, at, end);
}

function readAppend(bytes: Buffer, view: DataView, at: number, end: number): AppendRequest {
  const fieldsAt = at + MESSAGE_FIELDS_AT;
  const rest = restAfter(fieldsAt, APPEND_FIELDS, end);
  return {
    kind: 'append',
    group: view.getFloat64(at + MESSAGE_GROUP_AT, true),
    from: view.getFloat64(at + MESSAGE_FROM_AT, true),
    to: view.getFloat64(at + MESSAGE_TO_AT, true),
    term: view.getFloat64(at + MESSAGE_TERM_AT, true),
    session: view.getFloat64(fieldsAt, true),
    round: view.getFloat64(fieldsAt + FIELD_BYTES, true),
    timeMs: view.getFloat64(fieldsAt + 2 * FIELD_BYTES, true),
    prevIndex: view.getFloat64(fieldsAt + 3 * FIELD_BYTES, true),
    prevTerm: view.getFloat64(fieldsAt + 4 * FIELD_BYTES, true),
    commit: view.getFloat64(fieldsAt + 5 * FIELD_BYTES, true),
    entries: readEntries(bytes, rest, end),
  };
}

function readAppendResponse(view: DataView, at: number, end: number): AppendResponse {
  const fieldsAt = at + MESSAGE_FIELDS_AT;
  endsAfter(fieldsAt, APPEND_RESPONSE_FIELDS, end);
  return {
    kind: 'append-response',
    group: view.getFloat64(at + MESSAGE_GROUP_AT, true),
    from: view.getFloat64(at + MESSAGE_FROM_AT, true),
    to: view.getFloat64(at + MESSAGE_TO_AT, true),
    term: view.getFloat64(at + MESSAGE_TERM_AT, true),
    session: view.getFloat64(fieldsAt, true),
    round: view.getFloat64(fieldsAt + FIELD_BYTES, true),
    promiseMs: view.getFloat64(fieldsAt + 2 * FIELD_BYTES, true),
    accepted: (view.getUint8(at + MESSAGE_FLAGS_AT) & FLAG_FIRST) !== 0,
    index: view.getFloat64(fieldsAt + 3 * FIELD_BYTES, true),
    hintIndex: view.getFloat64(fieldsAt + 4 * FIELD_BYTES, true),
    hintTerm: view.getFloat64(fieldsAt + 5 * FIELD_BYTES, true),
  };
}

function readSeldomMessage(kind: number, bytes: Buffer, view: DataView, at: number, end: number): Message {
  const flags = bytes[at + MESSAGE_FLAGS_AT];
  const first = (flags & FLAG_FIRST) !== 0;
  const second = (flags & FLAG_SECOND) !== 0;
  const base = {
    group: view.getFloat64(at + MESSAGE_GROUP_AT, true),
    from: view.getFloat64(at + MESSAGE_FROM_AT, true),
    to: view.getFloat64(at + MESSAGE_TO_AT, true),
    term: view.getFloat64(at + MESSAGE_TERM_AT, true),
  };
  const fieldsAt = at + MESSAGE_FIELDS_AT;
  const field = (number: number): number => view.getFloat64(fieldsAt + number * FIELD_BYTES, true);
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
      return readSnapshot(bytes, view, base, fieldsAt, end);
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

type MessageBase = Pick<SnapshotChunk, 'group' | 'from' | 'to' | 'term'>;

function readSnapshot(
  bytes: Buffer,
  view: DataView,
  base: MessageBase,
  fieldsAt: number,
  end: number,
): SnapshotChunk {
  const field = (number: number): number => view.getFloat64(fieldsAt + number * FIELD_BYTES, true);
  const voters = readMembers(view, fieldsAt + SNAPSHOT_FIELDS * FIELD_BYTES, end);
  const votersOld = readMembers(view, voters.end, end);
  const learners = readMembers(view, votersOld.end, end);
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
    data: Buffer.from(bytes.subarray(learners.end, end)),
  };
}

function readMembers(view: DataView, at: number, end: number): { members: MemberId[]; end: number } {
  if (at + 4 > end) throw new MalformedSectionError('a list of members is cut short');
  const listEnd = at + 4 + view.getUint32(at, true) * FIELD_BYTES;
  if (listEnd > end) throw new MalformedSectionError('a list of members is cut short');
  const members: MemberId[] = [];
  for (let next = at + 4; next < listEnd; next += FIELD_BYTES) members.push(view.getFloat64(next, true));
  return { members, end: listEnd };
}

function readEntries(bytes: Buffer, start: number, end: number): Entry[] {
  const entries: Entry[] = [];
  if (start === end) return entries;
  kept.keep(bytes, start, end);
  const { space } = kept;
  const keptEnd = kept.at + end - start;
  let { at } = kept;
  while (at < keptEnd) {
    const sizeBytes = entrySizeAt(space.bytes, at);
    const isWhole = sizeBytes > 0 && at + sizeBytes <= keptEnd;
    const entry = isWhole ? parseEntry(space.part(at, sizeBytes)) : null;
    if (entry === null) throw new MalformedSectionError('a log entry arrived damaged');
    entries.push(entry);
    at += sizeBytes;
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
