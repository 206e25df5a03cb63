/**
 * A message in bytes: format u8, kind u8, the sender's highest epoch (u32, f64), what the kind has, the number of rumours (u16), and these. A name
 * has 20 bytes.
 */
import { unreachable } from '../assert.ts';
import { BUCKETS, INCARNATION_MOST } from './member.ts';
import { ByteReader, ByteWriter, NAME_BYTES } from './bytes.ts';
import { MalformedGossipError } from './malformed.ts';
import { metadataBytes, readMetadata, writeMetadata } from './metadata.ts';
import type { Message, Rumour } from './types.ts';

const FORMAT = 1;
/** The largest message that is made or taken. */
export const MESSAGE_BYTES_MOST = 64 * 1024;

const MESSAGE_KINDS = ['ping', 'ack', 'nack', 'ping-request', 'gossip', 'sync', 'sync-rows'] as const;
const RUMOUR_KINDS = ['alive', 'suspect', 'dead', 'left'] as const;

const HEADER_BYTES = 1 + 1 + 4 + 8;
const COUNT_BYTES = 2;
const RUMOUR_HEAD_BYTES = 1 + NAME_BYTES + 8;
export const RUMOUR_BYTES_LEAST = RUMOUR_HEAD_BYTES + NAME_BYTES;

const BODY_BYTES: Readonly<Record<Message['kind'], number>> = {
  ping: 4,
  ack: 4,
  nack: 4,
  'ping-request': 4 + NAME_BYTES,
  gossip: 0,
  sync: BUCKETS * 4,
  'sync-rows': BUCKETS * 4 + 1,
};

export function rumourBytes(rumour: Rumour): number {
  return RUMOUR_HEAD_BYTES + (rumour.kind === 'alive' ? metadataBytes(rumour.metadata) : NAME_BYTES);
}

export function messageBytes(message: Message): number {
  let sizeBytes = HEADER_BYTES + BODY_BYTES[message.kind] + COUNT_BYTES;
  for (const rumour of message.rumours) sizeBytes += rumourBytes(rumour);
  return sizeBytes;
}

export function encodeMessage(message: Message): Buffer {
  const writer = new ByteWriter(messageBytes(message));
  writer.u8(FORMAT);
  writer.u8(MESSAGE_KINDS.indexOf(message.kind));
  writer.u32(message.epoch.generation);
  writer.f64(message.epoch.epoch);
  writeBody(writer, message);
  writer.u16(message.rumours.length);
  for (const rumour of message.rumours) writeRumour(writer, rumour);
  return writer.finish();
}

function writeBody(writer: ByteWriter, message: Message): void {
  switch (message.kind) {
    case 'ping':
    case 'ack':
    case 'nack':
      writer.u32(message.sequence);
      break;
    case 'ping-request':
      writer.u32(message.sequence);
      writer.name(message.target);
      break;
    case 'sync':
      for (const hash of message.hashes) writer.u32(hash);
      break;
    case 'sync-rows':
      for (const hash of message.hashes) writer.u32(hash);
      writer.u8(message.wantsRows ? 1 : 0);
      break;
    case 'gossip':
  }
}

function writeRumour(writer: ByteWriter, rumour: Rumour): void {
  writer.u8(RUMOUR_KINDS.indexOf(rumour.kind));
  writer.name(rumour.name);
  writer.f64(rumour.incarnation);
  if (rumour.kind === 'alive') writeMetadata(writer, rumour.metadata);
  else writer.name(rumour.from);
}

/** Throws MalformedGossipError, and nothing else, for whatever is no message. */
export function decodeMessage(bytes: Buffer, start = 0, end = bytes.length): Message {
  if (end - start > MESSAGE_BYTES_MOST) throw new MalformedGossipError('a message is larger than it may be');
  const reader = new ByteReader(bytes, start, end);
  const format = reader.u8();
  if (format !== FORMAT) throw new MalformedGossipError(`a message has format ${format}, not ${FORMAT}`);
  const message = readBody(reader);
  reader.finish();
  return message;
}

function readBody(reader: ByteReader): Message {
  const kind = MESSAGE_KINDS.at(reader.u8());
  if (kind === undefined) throw new MalformedGossipError('a message is of no known kind');
  const epoch = { generation: reader.u32(), epoch: reader.count() };
  switch (kind) {
    case 'ping':
    case 'ack':
    case 'nack':
      return { kind, epoch, sequence: reader.u32(), rumours: readRumours(reader) };
    case 'ping-request':
      return { kind, epoch, sequence: reader.u32(), target: reader.name(), rumours: readRumours(reader) };
    case 'gossip':
      return { kind, epoch, rumours: readRumours(reader) };
    case 'sync':
      return { kind, epoch, hashes: readHashes(reader), rumours: readRumours(reader) };
    case 'sync-rows':
      return {
        kind,
        epoch,
        hashes: readHashes(reader),
        wantsRows: readFlag(reader),
        rumours: readRumours(reader),
      };
    default:
      return unreachable(kind, 'message');
  }
}

function readHashes(reader: ByteReader): Uint32Array {
  const hashes = new Uint32Array(BUCKETS);
  for (let bucket = 0; bucket < BUCKETS; bucket++) hashes[bucket] = reader.u32();
  return hashes;
}

function readFlag(reader: ByteReader): boolean {
  const flag = reader.u8();
  if (flag > 1) throw new MalformedGossipError('a flag is neither 0 nor 1');
  return flag === 1;
}

function readRumours(reader: ByteReader): Rumour[] {
  const rumours: Rumour[] = [];
  for (let left = reader.u16(); left > 0; left--) rumours.push(readRumour(reader));
  return rumours;
}

function readRumour(reader: ByteReader): Rumour {
  const kind = RUMOUR_KINDS.at(reader.u8());
  if (kind === undefined) throw new MalformedGossipError('a rumour is of no known kind');
  const head = { name: reader.name(), incarnation: reader.count() };
  if (head.incarnation > INCARNATION_MOST) throw new MalformedGossipError('an incarnation is none');
  if (kind === 'alive') return { kind, ...head, metadata: readMetadata(reader) };
  return { kind, ...head, from: reader.name() };
}
