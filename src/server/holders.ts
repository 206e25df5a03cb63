/**
 * How many followers of a shard hold what it has acknowledged: its leader alone knows, and is asked. For WAIT.
 *
 * An ASK record: number u32, shard u16, 0 u16, index f64 (0: what is applied now). An ANSWER record: number u32, holders u32, index f64 (0: the node
 * does not lead the shard).
 */
import type { Replica } from '../shard/replica.ts';
import type { NodeId, ShardId } from '../topology/types.ts';
import { SectionKind, type PeerLink } from '../transport/types.ts';

const RECORD_BYTES = 16;
/** An answer that takes longer is not waited for: the question is asked again. */
const ANSWER_TIMEOUT_MS = 500;

export interface Holding {
  /** The log up to here is what is asked about. */
  index: number;
  followers: number;
}

export interface HoldersHost {
  /** The time of the present turn. */
  nowMs(): number;
  replica(shard: ShardId): Replica | undefined;
  link(node: NodeId): PeerLink | undefined;
  wake(): void;
}

/** One shard that a WAIT is about: what is known of it, and the question under way. */
export class HeldShard {
  readonly shard: ShardId;
  /** 0 until a leader has named it: all that it had applied when it was asked first. */
  index = 0;
  followers = 0;
  question = 0;
  askedMs = 0;

  constructor(shard: ShardId) {
    this.shard = shard;
  }
}

export class Holders {
  private readonly host: HoldersHost;
  private readonly asked = new Map<number, { held: HeldShard; answered: () => void }>();
  private nextNumber = 1;

  constructor(host: HoldersHost) {
    this.host = host;
  }

  /** Brings `held` up to date: at once when the shard is led here, else `answered` is called when the leader has said. */
  refresh(held: HeldShard, leader: NodeId | null, answered: () => void): void {
    const here = this.count(held.shard, held.index);
    if (here !== null) {
      this.forget(held);
      take(held, here);
      return;
    }
    const isAsked = this.asked.has(held.question);
    if (leader === null || (isAsked && this.host.nowMs() - held.askedMs < ANSWER_TIMEOUT_MS)) return;
    this.forget(held);
    const link = this.host.link(leader);
    if (link?.connected !== true) return;
    held.question = this.nextNumber;
    held.askedMs = this.host.nowMs();
    this.nextNumber = (this.nextNumber + 1) >>> 0;
    this.asked.set(held.question, { held, answered });
    const section = link.section(SectionKind.ASK);
    section.u32(held.question);
    section.u16(held.shard);
    section.u16(0);
    section.f64(held.index);
    this.host.wake();
  }

  /** Nobody waits for its answer any more. */
  forget(held: HeldShard): void {
    this.asked.delete(held.question);
  }

  /** False when the section is malformed. */
  onAsk(peer: PeerLink, bytes: Buffer, start: number, end: number): boolean {
    if ((end - start) % RECORD_BYTES !== 0) return false;
    for (let at = start; at < end; at += RECORD_BYTES) {
      const found = this.count(bytes.readUInt16LE(at + 4), bytes.readDoubleLE(at + 8));
      const section = peer.section(SectionKind.ANSWER);
      section.u32(bytes.readUInt32LE(at));
      section.u32(found?.followers ?? 0);
      section.f64(found?.index ?? 0);
    }
    this.host.wake();
    return true;
  }

  /** False when the section is malformed. */
  onAnswer(bytes: Buffer, start: number, end: number): boolean {
    if ((end - start) % RECORD_BYTES !== 0) return false;
    for (let at = start; at < end; at += RECORD_BYTES) {
      const number = bytes.readUInt32LE(at);
      const question = this.asked.get(number);
      if (question === undefined) continue;
      this.asked.delete(number);
      const index = bytes.readDoubleLE(at + 8);
      if (index > 0) take(question.held, { index, followers: bytes.readUInt32LE(at + 4) });
      question.answered();
    }
    return true;
  }

  /** Null where the shard is not led, or not yet: a new leader may not have applied all that was acknowledged. */
  private count(shard: ShardId, index: number): Holding | null {
    const replica = this.host.replica(shard);
    if (replica?.isReadable !== true) return null;
    const upTo = index > 0 ? index : replica.machine.appliedIndex;
    return { index: upTo, followers: replica.raft.progress().filter((peer) => peer.match >= upTo).length };
  }
}

/** A new leader hears from its followers one by one: what is known does not become less. */
function take(held: HeldShard, { index, followers }: Holding): void {
  held.index = index;
  held.followers = Math.max(held.followers, followers);
}
