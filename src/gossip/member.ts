/** What is known of one member. */
import { readU32 } from '../little-endian.ts';
import type { Suspicion } from './suspicion.ts';
import type { MemberName, MemberState, Metadata } from './types.ts';

/** Push-pull compares members by buckets, as many as a message has bits for. */
export const BUCKETS = 64;
/** A start of a node has so many incarnations; the next start's are greater. */
const INCARNATIONS_PER_START = 2 ** 24;

/** No greater one is taken or told: whoever is accused in the greatest can say no more against it, and all else goes on. */
export const INCARNATION_MOST = 2 ** 53 - 2;

export function firstIncarnation(start: number): number {
  return start * INCARNATIONS_PER_START + 1;
}

/** The start of the node, and how often it has spoken for itself since. */
export function incarnationParts(incarnation: number): { start: number; count: number } {
  return {
    start: Math.floor(incarnation / INCARNATIONS_PER_START),
    count: incarnation % INCARNATIONS_PER_START,
  };
}

export class Member {
  readonly name: MemberName;
  readonly bucket: number;
  private readonly nameHash: number;
  state: MemberState;
  /** 0: never heard of, but by the topology. */
  incarnation = 0;
  metadata: Metadata | null = null;
  /** When it came to its state, as seen here. */
  sinceMs: number;
  /** The topology names it: it is known before it was heard, and not forgotten when dead. */
  isExpected = false;
  /** Not null while it is suspected. */
  suspicion: Suspicion | null = null;

  constructor(name: MemberName, state: MemberState, nowMs: number) {
    this.name = name;
    const digits = Buffer.from(name, 'hex');
    this.bucket = digits[0] % BUCKETS;
    this.nameHash = hashOf(digits);
    this.state = state;
    this.sinceMs = nowMs;
  }

  get isLive(): boolean {
    return this.state === 'alive' || this.state === 'suspect';
  }

  /** Of what two members should agree on; 0 for one that is gone, since some forget it sooner. */
  get hash(): number {
    if (!this.isLive || this.incarnation === 0) return 0;
    const low = this.incarnation >>> 0;
    const high = Math.floor(this.incarnation / 2 ** 32);
    return mixed(mixed(mixed(this.nameHash ^ low) ^ high) ^ (this.state === 'alive' ? 1 : 2));
  }
}

function hashOf(bytes: Uint8Array): number {
  let hash = 0;
  for (let at = 0; at + 4 <= bytes.length; at += 4) hash = mixed(hash ^ readU32(bytes, at));
  return hash;
}

/** MurmurHash3's finalizer, on a number moved off its fixed point 0. */
function mixed(value: number): number {
  let hash = (value + 0x9e3779b9) | 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
