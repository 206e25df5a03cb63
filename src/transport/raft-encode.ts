import { unreachable } from '../assert.ts';
import type {
  AppendRequest,
  AppendResponse,
  Heartbeat,
  HeartbeatResponse,
  Membership,
  Message,
} from '../raft/types.ts';
import { FLAG_FIRST, FLAG_SECOND, MESSAGE_SIZE_AT, MessageKind } from './raft-layout.ts';
import type { SectionWriter } from './types.ts';

/** All but heartbeats and their responses, which have rows of their own. */
type SectionMessage = Exclude<Message, Heartbeat | HeartbeatResponse>;
type SeldomMessage = Exclude<SectionMessage, AppendRequest | AppendResponse>;

/** Writes the message at the end of a RAFT section. Entries are copied as they are. */
export function writeMessage(writer: SectionWriter, message: SectionMessage): void {
  const start = writer.sizeBytes;
  // What differs in shape is told apart once: the two of every turn are read and written by functions that know no other.
  if (message.kind === 'append') writeAppend(writer, message);
  else if (message.kind === 'append-response') writeAppendResponse(writer, message);
  else writeSeldomMessage(writer, message);
  writer.patchU32(start + MESSAGE_SIZE_AT, writer.sizeBytes - start);
}

/** Writes a row of a HEARTBEATS section. */
export function writeHeartbeatRow(writer: SectionWriter, message: Heartbeat | HeartbeatResponse): void {
  const asks = message.kind === 'heartbeat';
  writeKind(writer, asks ? MessageKind.HEARTBEAT : MessageKind.HEARTBEAT_RESPONSE, 0);
  writer.f64(message.group);
  writer.f64(message.from);
  writer.f64(message.to);
  writer.f64(message.term);
  writer.f64(message.session);
  writer.f64(message.round);
  writer.f64(asks ? message.timeMs : message.promiseMs);
  writer.f64(asks ? message.commit : 0);
}

function writeAppend(writer: SectionWriter, message: AppendRequest): void {
  writeKind(writer, MessageKind.APPEND, 0);
  writer.f64(message.group);
  writer.f64(message.from);
  writer.f64(message.to);
  writer.f64(message.term);
  writeThree(writer, message.session, message.round, message.timeMs);
  writeThree(writer, message.prevIndex, message.prevTerm, message.commit);
  const { entries } = message;
  for (let i = 0; i < entries.length; i++) {
    const { bytes } = entries[i];
    writer.bytes(bytes, 0, bytes.length);
  }
}

function writeAppendResponse(writer: SectionWriter, message: AppendResponse): void {
  writeKind(writer, MessageKind.APPEND_RESPONSE, flags(message.accepted, false));
  writer.f64(message.group);
  writer.f64(message.from);
  writer.f64(message.to);
  writer.f64(message.term);
  writeThree(writer, message.session, message.round, message.promiseMs);
  writeThree(writer, message.index, message.hintIndex, message.hintTerm);
}

function writeSeldomMessage(writer: SectionWriter, message: SeldomMessage): void {
  writeKind(writer, kindOf(message), flagsOf(message));
  writer.f64(message.group);
  writer.f64(message.from);
  writer.f64(message.to);
  writer.f64(message.term);
  writeFields(writer, message);
}

/** The size is filled in when it is known. */
function writeKind(writer: SectionWriter, kind: number, flags: number): void {
  writer.u32(kind | (flags << 8));
  writer.u32(0);
}

function writeFields(writer: SectionWriter, message: SeldomMessage): void {
  switch (message.kind) {
    case 'vote':
    case 'timeout-now':
      writer.f64(message.lastIndex);
      writer.f64(message.lastTerm);
      return;
    case 'vote-response':
      writer.f64(message.timeSeenMs);
      writer.f64(message.wallMs);
      return;
    case 'snapshot':
      writeThree(writer, message.session, message.round, message.timeMs);
      writeThree(writer, message.snapshotId, message.offset, message.totalBytes);
      writer.f64(message.snapshot.index);
      writer.f64(message.snapshot.term);
      writeMembership(writer, message.snapshot.membership);
      writer.bytes(message.data, 0, message.data.length);
      return;
    case 'snapshot-response':
      writeThree(writer, message.session, message.round, message.promiseMs);
      writeThree(writer, message.snapshotId, message.nextOffset, message.index);
      return;
    default:
      unreachable(message, 'kind of Raft message');
  }
}

function kindOf(message: SeldomMessage): number {
  switch (message.kind) {
    case 'vote':
      return MessageKind.VOTE;
    case 'vote-response':
      return MessageKind.VOTE_RESPONSE;
    case 'timeout-now':
      return MessageKind.TIMEOUT_NOW;
    case 'snapshot':
      return MessageKind.SNAPSHOT;
    case 'snapshot-response':
      return MessageKind.SNAPSHOT_RESPONSE;
    default:
      return unreachable(message, 'kind of Raft message');
  }
}

function flagsOf(message: SeldomMessage): number {
  switch (message.kind) {
    case 'vote':
      return flags(message.pre, message.transfer);
    case 'vote-response':
      return flags(message.pre, message.granted);
    case 'snapshot-response':
      return flags(message.installed, false);
    case 'timeout-now':
    case 'snapshot':
      return 0;
    default:
      return unreachable(message, 'kind of Raft message');
  }
}

function flags(first: boolean, second: boolean): number {
  return (first ? FLAG_FIRST : 0) | (second ? FLAG_SECOND : 0);
}

function writeThree(writer: SectionWriter, first: number, second: number, third: number): void {
  writer.f64(first);
  writer.f64(second);
  writer.f64(third);
}

function writeMembership(writer: SectionWriter, membership: Membership): void {
  for (const members of [membership.voters, membership.votersOld, membership.learners]) {
    writer.u32(members.length);
    for (const member of members) writer.f64(member);
  }
}
