/** What a member says of itself: its bytes, their limit, and which changes of it others should hear of soon. */
import { assert } from '../assert.ts';
import { textBytes, type ByteReader, type ByteWriter } from './bytes.ts';
import { MalformedGossipError } from './malformed.ts';
import type { LeaderHint, Metadata } from './types.ts';

export const METADATA_BYTES_MOST = 1024;
/** Of more shards than these the leaders are not hinted at: what a node tells its peers directly has them all. */
export const LEADS_MOST = 16;
const LABEL_BYTES_MOST = 64;
const HOST_BYTES_MOST = 255;
const HINT_BYTES = 4 + 8;
const FIXED_BYTES = 4 * 2 + 8 + 4 + (4 + 8) + 1;

export function metadataBytes(metadata: Metadata): number {
  const { label, host, zone, machine, version, leads } = metadata;
  const texts =
    textBytes(label) + textBytes(host) + textBytes(zone) + textBytes(machine) + textBytes(version);
  return FIXED_BYTES + texts + leads.length * HINT_BYTES;
}

/** What would not fit is shortened: gossip is advice. */
export function fitted(metadata: Metadata): Metadata {
  const { label, host, zone, machine, version, leads } = metadata;
  const fits: Metadata = {
    ...metadata,
    label: cut(label, LABEL_BYTES_MOST),
    host: cut(host, HOST_BYTES_MOST),
    zone: cut(zone, LABEL_BYTES_MOST),
    machine: cut(machine, HOST_BYTES_MOST),
    version: cut(version, LABEL_BYTES_MOST),
    leads: leads.slice(0, LEADS_MOST),
  };
  assert(metadataBytes(fits) <= METADATA_BYTES_MOST, 'fitted metadata is within its limit');
  return fits;
}

/** By bytes of UTF-8, not within a character. */
function cut(text: string, bytesMost: number): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= bytesMost) return text;
  let end = bytesMost;
  while ((bytes[end] & 0xc0) === 0x80) end -= 1;
  return bytes.toString('utf8', 0, end);
}

export function writeMetadata(writer: ByteWriter, metadata: Metadata): void {
  writer.text(metadata.label);
  writer.text(metadata.host);
  writer.text(metadata.zone);
  writer.text(metadata.machine);
  writer.text(metadata.version);
  writer.u16(metadata.clientPort);
  writer.u16(metadata.redirectPort);
  writer.u16(metadata.peerPort);
  writer.u16(metadata.adminPort);
  writer.f64(metadata.weight);
  writer.u32(metadata.load);
  writer.u32(metadata.epoch.generation);
  writer.f64(metadata.epoch.epoch);
  writer.u8(metadata.leads.length);
  for (const { shard, term } of metadata.leads) {
    writer.u32(shard);
    writer.f64(term);
  }
}

export function readMetadata(reader: ByteReader): Metadata {
  const metadata: Metadata = {
    label: reader.text(),
    host: reader.text(),
    zone: reader.text(),
    machine: reader.text(),
    version: reader.text(),
    clientPort: reader.u16(),
    redirectPort: reader.u16(),
    peerPort: reader.u16(),
    adminPort: reader.u16(),
    weight: reader.f64(),
    load: reader.u32(),
    epoch: { generation: reader.u32(), epoch: reader.count() },
    leads: readLeads(reader),
  };
  if (!Number.isFinite(metadata.weight) || metadata.weight <= 0)
    throw new MalformedGossipError('a weight is none');
  if (metadataBytes(metadata) > METADATA_BYTES_MOST)
    throw new MalformedGossipError('metadata is larger than it may be');
  return metadata;
}

function readLeads(reader: ByteReader): LeaderHint[] {
  const count = reader.u8();
  if (count > LEADS_MOST) throw new MalformedGossipError('metadata names too many leaders');
  const leads: LeaderHint[] = [];
  for (let i = 0; i < count; i++) leads.push({ shard: reader.u32(), term: reader.count() });
  return leads;
}

/** All but what changes at many members at once or all the time: load and epoch. Those are told when something else is, or now and then. */
export function isSameButPassing(one: Metadata, other: Metadata): boolean {
  return (
    one.label === other.label &&
    one.host === other.host &&
    one.clientPort === other.clientPort &&
    one.redirectPort === other.redirectPort &&
    one.peerPort === other.peerPort &&
    one.adminPort === other.adminPort &&
    one.zone === other.zone &&
    one.machine === other.machine &&
    one.weight === other.weight &&
    one.version === other.version &&
    haveSameLeads(one.leads, other.leads)
  );
}

export function isSame(one: Metadata, other: Metadata): boolean {
  const { load, epoch } = other;
  const hasSamePassing =
    one.load === load && one.epoch.generation === epoch.generation && one.epoch.epoch === epoch.epoch;
  return hasSamePassing && isSameButPassing(one, other);
}

function haveSameLeads(one: readonly LeaderHint[], other: readonly LeaderHint[]): boolean {
  return (
    one.length === other.length &&
    one.every(({ shard, term }, at) => shard === other[at].shard && term === other[at].term)
  );
}
