/**
 * What is in each slot, and how often it is asked for: a shard's leader knows, and is asked. For plans of rebalancing and what is told of them.
 *
 * A LOADS section: what it is u8, 0 u8, shard u16, question u32; then in TOLD_AS_LEADER a bit for each slot that the shard serves, and a row for each
 * of those that is not empty: slot, keys, bytes and operations a second, each f64. TOLD is of a node that does not lead the shard.
 *
 * This runs seldom, so it is never fast, and all commands wait meanwhile: loops over slots do little in each round, on typed arrays alone, and call nothing.
 */
import { readU16, readU32, writeU16, writeU32 } from '../little-endian.ts';
import { SlotState } from '../shard/moves/slot-state.ts';
import type { Replica } from '../shard/replica.ts';
import { SLOT_COUNT, type NodeId, type ShardId, type Topology } from '../topology/types.ts';
import { SectionKind, type PeerLink } from '../transport/types.ts';

const { OWNED, FROZEN } = SlotState;
const What = { ASK: 0, TOLD: 1, TOLD_AS_LEADER: 2 } as const;
const HEAD_BYTES = 8;
const SERVED_BYTES = SLOT_COUNT / 8;
const ROW_FIELDS = 4;
const FIELD_BYTES = 8;
const ROW_BYTES = ROW_FIELDS * FIELD_BYTES;
/** Who has not answered by then is left out. */
const ANSWER_TIMEOUT_MS = 2000;

/** By slot. */
export interface SlotLoads {
  /** The shard whose log says that it serves the slot; 0: none that answered. */
  readonly servers: Uint16Array;
  readonly keys: Float64Array;
  readonly bytes: Float64Array;
  readonly operations: Float64Array;
  /** Shards whose leader did not answer: their slots are taken for empty. */
  readonly unknown: readonly ShardId[];
}

export interface SlotLoadsHost {
  readonly self: NodeId;
  topology(): Topology;
  /** As far as this node knows. */
  leaderOf(shard: ShardId): NodeId | null;
  replica(shard: ShardId): Replica | undefined;
  link(node: NodeId): PeerLink | undefined;
  nowMs(): number;
  after(delayMs: number, run: () => void): void;
  wake(): void;
}

/** What one gathering waits for. */
interface Question {
  readonly shard: ShardId;
  /** Null: the node asked does not lead it. */
  answered(told: Buffer | null): void;
}

export class SlotLoadsDesk {
  private readonly host: SlotLoadsHost;
  private readonly questions = new Map<number, Question>();
  private nextNumber = 1;

  constructor(host: SlotLoadsHost) {
    this.host = host;
  }

  /** Asks the leaders of all shards. Resolves when all have answered, or the time is up. */
  async gather(): Promise<SlotLoads> {
    const servers = new Uint16Array(SLOT_COUNT);
    const keys = new Float64Array(SLOT_COUNT);
    const bytes = new Float64Array(SLOT_COUNT);
    const operations = new Float64Array(SLOT_COUNT);
    const unknown: ShardId[] = [];
    await Promise.all(
      this.host.topology().shards.map(async ({ id }) => {
        const told = await this.ask(id);
        if (told === null) {
          unknown.push(id);
          return;
        }
        for (let slot = 0; slot < SLOT_COUNT; slot++)
          if ((told[slot >> 3] & (1 << (slot & 7))) !== 0) servers[slot] = id;
        const rows = rowsOf(told);
        for (let at = 0; at < rows.length; at += ROW_FIELDS) {
          const slot = rows[at];
          keys[slot] = rows[at + 1];
          bytes[slot] = rows[at + 2];
          operations[slot] = rows[at + 3];
        }
      }),
    );
    return { servers, keys, bytes, operations, unknown: unknown.sort((a, b) => a - b) };
  }

  /** False when the section is malformed. */
  onSection(peer: PeerLink, bytes: Buffer, start: number, end: number): boolean {
    if (end - start < HEAD_BYTES) return false;
    const what = bytes[start];
    const shard = readU16(bytes, start + 2);
    const number = readU32(bytes, start + 4);
    const told = bytes.subarray(start + HEAD_BYTES, end);
    if (what === What.ASK) {
      // A peer's questions of one turn are one section.
      for (let at = start; at < end; at += HEAD_BYTES) {
        if (end - at < HEAD_BYTES || bytes[at] !== What.ASK) return false;
        this.answer(peer, readU16(bytes, at + 2), readU32(bytes, at + 4));
      }
      return true;
    }
    if (what === What.TOLD) return told.length === 0 && this.take(number, shard, null);
    return what === What.TOLD_AS_LEADER && isTold(told) && this.take(number, shard, told);
  }

  private ask(shard: ShardId): Promise<Buffer | null> {
    const { host } = this;
    const leader = host.leaderOf(shard);
    if (leader === host.self) return Promise.resolve(this.tell(shard));
    const link = leader === null ? undefined : host.link(leader);
    if (link?.connected !== true) return Promise.resolve(null);
    return new Promise((resolve) => {
      const number = this.nextNumber;
      this.nextNumber = (this.nextNumber + 1) >>> 0;
      this.questions.set(number, { shard, answered: resolve });
      const section = link.section(SectionKind.LOADS);
      section.u8(What.ASK);
      section.u8(0);
      section.u16(shard);
      section.u32(number);
      host.wake();
      host.after(ANSWER_TIMEOUT_MS, () => this.take(number, shard, null));
    });
  }

  private answer(peer: PeerLink, shard: ShardId, number: number): void {
    const told = this.tell(shard);
    const head = Buffer.alloc(HEAD_BYTES);
    head[0] = told === null ? What.TOLD : What.TOLD_AS_LEADER;
    writeU16(head, shard, 2);
    writeU32(head, number, 4);
    // A parcel, since sections of one turn are gathered into one, and large shards have much to tell.
    const body = told ?? Buffer.alloc(0);
    if (peer.connected) peer.sendParcel(SectionKind.LOADS, head, body, 0, body.length);
    this.host.wake();
  }

  /** An answer that came too late is nobody's. */
  private take(number: number, shard: ShardId, told: Buffer | null): boolean {
    const question = this.questions.get(number);
    if (question?.shard !== shard) return question === undefined;
    this.questions.delete(number);
    question.answered(told);
    return true;
  }

  /** Null where the shard is not led. */
  private tell(shard: ShardId): Buffer | null {
    const replica = this.host.replica(shard);
    if (replica?.isReadable !== true) return null;
    const { keyspace, moves, operations } = replica.machine;
    const keys = new Float64Array(SLOT_COUNT);
    const bytes = new Float64Array(SLOT_COUNT);
    keyspace.contentsOfSlots(keys, bytes);
    const rates = operations.rates(this.host.nowMs());
    const served = Buffer.alloc(SERVED_BYTES);
    const rows = new Float64Array((moves.ownedCount + moves.frozenCount) * ROW_FIELDS);
    let end = 0;
    // As the log has them: the register learns of slots that went over only when their move ends.
    const { states } = moves;
    for (let slot = 0; slot < SLOT_COUNT; slot++) {
      if (states[slot] !== OWNED && states[slot] !== FROZEN) continue;
      served[slot >> 3] |= 1 << (slot & 7);
      if (rates[slot] === 0 && keys[slot] === 0) continue;
      rows[end] = slot;
      rows[end + 1] = keys[slot];
      rows[end + 2] = bytes[slot];
      rows[end + 3] = rates[slot];
      end += ROW_FIELDS;
    }
    return Buffer.concat([served, Buffer.from(rows.buffer, 0, end * FIELD_BYTES)]);
  }
}

/** A copy: what has come lies anywhere. */
function rowsOf(told: Buffer): Float64Array {
  const bytes = new Uint8Array(told.length - SERVED_BYTES);
  bytes.set(told.subarray(SERVED_BYTES));
  return new Float64Array(bytes.buffer);
}

function isTold(told: Buffer): boolean {
  if (told.length < SERVED_BYTES || (told.length - SERVED_BYTES) % ROW_BYTES !== 0) return false;
  const rows = rowsOf(told);
  for (let at = 0; at < rows.length; at += ROW_FIELDS) {
    const slot = rows[at];
    if (!Number.isInteger(slot) || slot < 0 || slot >= SLOT_COUNT) return false;
    if (!(rows[at + 1] >= 0 && rows[at + 2] >= 0 && rows[at + 3] >= 0)) return false;
  }
  return true;
}
