/** Items of an entry that its leader decided itself: removals of expired and evicted keys, the memory policy, floors of quiet slots, nodes that left. */
import { readF64, readU16, writeF64, writeU16 } from '../little-endian.ts';
import type { EvictionPolicy, KeyspaceLimits, Victim } from '../store/types.ts';
import { ItemType } from './command-item.ts';
import { SLOT_COUNT } from '../topology/types.ts';
import { NODE_ID_BYTES } from './sessions-image.ts';
import type { SessionId } from './batch.ts';

const HEADER_BYTES = 8;

export const POLICIES: readonly EvictionPolicy[] = [
  'noeviction',
  'allkeys-lru',
  'allkeys-lfu',
  'allkeys-random',
  'volatile-lru',
  'volatile-lfu',
  'volatile-random',
  'volatile-ttl',
];

export type RemovalReason = 'expired' | 'evicted';

/** | 5: reason | 6: database | 8: version, float64 | 16: key | */
export function removeItem(victim: Omit<Victim, 'sizeBytes'>, reason: RemovalReason): Buffer {
  const item = newItem(ItemType.REMOVE, 16 + victim.key.length);
  item[5] = reason === 'expired' ? 0 : 1;
  item[6] = victim.db;
  item.writeDoubleLE(victim.version, 8);
  victim.key.copy(item, 16);
  return item;
}

export interface Removal {
  reason: RemovalReason;
  db: number;
  version: number;
  keyStart: number;
  keyEnd: number;
}

export function readRemoval(bytes: Buffer, at: number, sizeBytes: number): Removal {
  return {
    reason: bytes[at + 5] === 0 ? 'expired' : 'evicted',
    db: bytes[at + 6],
    version: bytes.readDoubleLE(at + 8),
    keyStart: at + 16,
    keyEnd: at + sizeBytes,
  };
}

/** What apply goes by: it travels in the log, so that all replicas go by the same at the same index. */
export interface MemoryPolicy {
  /** The shard's share of memory; 0: no limit. */
  budgetBytes: number;
  eviction: EvictionPolicy;
  limits: KeyspaceLimits;
}

/**
 * Until the log says otherwise. Not the node's settings: with others the same log, read again after a restart, would make another state.
 */
export const FIRST_POLICY: MemoryPolicy = {
  budgetBytes: 0,
  eviction: 'noeviction',
  limits: { hashMaxListpackEntries: 512, hashMaxListpackValueBytes: 64 },
};

/** | 5: policy | 8: budget, float64 | 16, 20: limits of listpacks | */
export function policyItem(policy: MemoryPolicy): Buffer {
  const item = newItem(ItemType.POLICY, 24);
  item[5] = POLICIES.indexOf(policy.eviction);
  item.writeDoubleLE(policy.budgetBytes, 8);
  item.writeUInt32LE(policy.limits.hashMaxListpackEntries, 16);
  item.writeUInt32LE(policy.limits.hashMaxListpackValueBytes, 20);
  return item;
}

export function readPolicy(bytes: Buffer, at: number): MemoryPolicy {
  return {
    eviction: POLICIES[bytes[at + 5]],
    budgetBytes: bytes.readDoubleLE(at + 8),
    limits: {
      hashMaxListpackEntries: bytes.readUInt32LE(at + 16),
      hashMaxListpackValueBytes: bytes.readUInt32LE(at + 20),
    },
  };
}

export function samePolicy(a: MemoryPolicy, b: MemoryPolicy): boolean {
  const { hashMaxListpackEntries, hashMaxListpackValueBytes } = a.limits;
  return (
    a.budgetBytes === b.budgetBytes &&
    a.eviction === b.eviction &&
    hashMaxListpackEntries === b.limits.hashMaxListpackEntries &&
    hashMaxListpackValueBytes === b.limits.hashMaxListpackValueBytes
  );
}

export function noRoomItem(): Buffer {
  return newItem(ItemType.NO_ROOM, HEADER_BYTES);
}

/** | 8: session | 32: slot, 2 bytes, and floor, float64, each | */
export function floorsItem(session: SessionId, slots: readonly number[], floors: readonly number[]): Buffer {
  const item = newItem(ItemType.FLOORS, FLOORS_AT + slots.length * FLOOR_BYTES);
  session.copy(item, HEADER_BYTES);
  let at = FLOORS_AT;
  for (let i = 0; i < slots.length; i++, at += FLOOR_BYTES) {
    writeU16(item, slots[i], at);
    writeF64(item, floors[i], at + 2);
  }
  return item;
}

const FLOORS_AT = HEADER_BYTES + NODE_ID_BYTES + 4;
const FLOOR_BYTES = 10;

/** Where the session of a floors item at `at` lies. */
export function floorsSession(at: number): number {
  return at + HEADER_BYTES;
}

export function eachFloor(
  bytes: Buffer,
  at: number,
  sizeBytes: number,
  visit: (slot: number, floor: number) => void,
): void {
  for (let i = at + FLOORS_AT; i + FLOOR_BYTES <= at + sizeBytes; i += FLOOR_BYTES) {
    visit(readU16(bytes, i), readF64(bytes, i + 2));
  }
}

/** Whether a floors item of another node may go into the log. */
export function isFloorsItem(bytes: Buffer, at: number, sizeBytes: number): boolean {
  if (sizeBytes < FLOORS_AT || (sizeBytes - FLOORS_AT) % FLOOR_BYTES !== 0) return false;
  let isGood = true;
  eachFloor(bytes, at, sizeBytes, (slot, floor) => {
    isGood &&= slot < SLOT_COUNT && Number.isSafeInteger(floor);
  });
  return isGood;
}

/** | 8: the node | */
export function departedItem(node: string): Buffer {
  const item = newItem(ItemType.DEPARTED, HEADER_BYTES + NODE_ID_BYTES);
  item.write(node, HEADER_BYTES, NODE_ID_BYTES, 'hex');
  return item;
}

export function readDeparted(bytes: Buffer, at: number): string {
  return bytes.toString('hex', at + HEADER_BYTES, at + HEADER_BYTES + NODE_ID_BYTES);
}

function newItem(type: number, sizeBytes: number): Buffer {
  const item = Buffer.alloc(sizeBytes);
  item.writeUInt32LE(sizeBytes, 0);
  item[4] = type;
  return item;
}
