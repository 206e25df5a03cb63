import { unreachable } from '../assert.ts';
import type { Heartbeat, HeartbeatResponse, Membership, Message } from '../raft/types.ts';
import { FLAG_FIRST, FLAG_SECOND, MESSAGE_SIZE_AT, MessageKind } from './raft-layout.ts';
import type { SectionWriter } from './types.ts';

/** All but heartbeats and their responses, which have rows of their own. */
type SectionMessage = Exclude<Message, Heartbeat | HeartbeatResponse>;

/** Writes the message at the end of a RAFT section. Entries are copied as they are. */
export function writeMessage(writer: SectionWriter, message: SectionMessage): void {
  const start = writer.sizeBytes;
  writer.u8(kindOf(message));
  writer.u8(flagsOf(message));
  writer.u16(0);
  writer.u32(0);
  writer.f64(message.group);
  writer.f64(message.from);
  writer.f64(message.to);
  writer.f64(message.term);
  writeFields(writer, message);
  writer.patchU32(start + MESSAGE_SIZE_AT, writer.sizeBytes - start);
}

/** Writes a row of a HEARTBEATS section. */
export function writeHeartbeatRow(writer: SectionWriter, message: Heartbeat | HeartbeatResponse): void {
  const asks = message.kind === 'heartbeat';
  writer.u8(asks ? MessageKind.HEARTBEAT : MessageKind.HEARTBEAT_RESPONSE);
  writer.u8(0);
  writer.u16(0);
  writer.u32(0);
  writer.f64(message.group);
  writer.f64(message.from);
  writer.f64(message.to);
  writer.f64(message.term);
  writer.f64(message.session);
  writer.f64(message.round);
  writer.f64(asks ? message.timeMs : message.promiseMs);
  writer.f64(asks ? message.commit : 0);
}

function writeFields(writer: SectionWriter, message: SectionMessage): void {
  switch (message.kind) {
    case 'append':
      writeThree(writer, message.session, message.round, message.timeMs);
      writeThree(writer, message.prevIndex, message.prevTerm, message.commit);
      for (const { bytes } of message.entries) writer.bytes(bytes, 0, bytes.length);
      return;
    case 'append-response':
      writeThree(writer, message.session, message.round, message.promiseMs);
      writeThree(writer, message.index, message.hintIndex, message.hintTerm);
      return;
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

function kindOf(message: SectionMessage): number {
  switch (message.kind) {
    case 'append':
      return MessageKind.APPEND;
    case 'append-response':
      return MessageKind.APPEND_RESPONSE;
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

function flagsOf(message: SectionMessage): number {
  switch (message.kind) {
    case 'append-response':
      return flags(message.accepted, false);
    case 'vote':
      return flags(message.pre, message.transfer);
    case 'vote-response':
      return flags(message.pre, message.granted);
    case 'snapshot-response':
      return flags(message.installed, false);
    case 'append':
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
