/** A group without Raft: one log, the replicas that apply it, and which of them leads. */
import { writeU16 } from '../../../src/little-endian.ts';
import { newMachine } from '../../shard/fake-raft.ts';
import { itemOf, itemOnSlots } from '../../shard/encode.ts';
import { Batch, sessionId, type SessionId } from '../../../src/shard/batch.ts';
import { Feed } from '../../../src/shard/moves/feed.ts';
import { MoveItemType, moveEntry, slotsItem } from '../../../src/shard/moves/move-item.ts';
import type { ItemAnswers } from '../../../src/shard/moves/types.ts';
import { removeItem } from '../../../src/shard/prelude.ts';
import { hashNow } from '../../../src/shard/state-hash.ts';
import type { StateMachine } from '../../../src/shard/state-machine.ts';
import { StateLoad, StateSnapshot } from '../../../src/shard/state-snapshot.ts';
import type { Refusal, Waiter } from '../../../src/shard/waiter.ts';
import { EntryKind, sealEntry, type Entry } from '../../../src/raft/entry.ts';
import type { Instant } from '../../../src/raft/types.ts';
import type { Victim } from '../../../src/store/types.ts';
import type { MoveId, ShardId, SlotRange } from '../../../src/topology/types.ts';
import { FIRST_VERSION } from '../../../src/topology/cluster-version.ts';

const HASHES_KEPT = 64;
const HASH_EVERY = 11;
/** Of a command item. */
const SLOT_OFFSET = 6;

export const NOW: Instant = { monotonicMs: 0, wallMs: 0 };

/** What a command came to. */
export interface Outcome {
  text: string | null;
  refusal: Refusal | null;
}

export class BrokenRule extends Error {}

export function session(client: number): SessionId {
  return sessionId(String(client).repeat(40), 1);
}

export class Group {
  readonly shard: ShardId;
  readonly log: Entry[] = [];
  readonly machines: StateMachine[];
  leader = 0;
  term = 1;
  /** The leader's clock: it never goes back, whoever leads. */
  timeMs = 1000;
  private readonly hashes = new Map<number, string>();
  private readonly feeds = new Map<MoveId, Feed>();
  private readonly keptMaxBytes: number;
  private lastCutIndex = 0;
  private seed = 1;
  private snapshot: { from: StateSnapshot; to: StateMachine; load: StateLoad; hash: string } | null = null;

  constructor(shard: ShardId, slots: readonly SlotRange[], replicas: number, keptMaxBytes: number) {
    this.shard = shard;
    this.keptMaxBytes = keptMaxBytes;
    this.machines = Array.from({ length: replicas }, () => newMachine({}, undefined, keptMaxBytes));
    this.move(slotsItem(MoveItemType.FOUND, 0, 0, slots));
  }

  get machine(): StateMachine {
    return this.machines[this.leader];
  }

  /** The next entry of the log, applied by the leader. */
  private propose(bytes: Buffer): Entry {
    const entry = sealEntry(bytes, this.term, this.log.length + 1);
    this.log.push(entry);
    return entry;
  }

  /** `slot`: where one without keys goes; or the slots that it names. */
  command(
    words: string[],
    client: number,
    sequence: number,
    floor = sequence,
    db = 0,
    slot: number | readonly SlotRange[] | null = null,
  ): Outcome {
    const outcome: Outcome = { text: null, refusal: null };
    const waiter: Waiter = {
      reply: (bytes, start, end) => (outcome.text = bytes.toString('latin1', start, end)),
      replyLong: () => {},
      refuse: (refusal) => (outcome.refusal = refusal),
    };
    const batch = new Batch();
    const { bytes, start, end } =
      slot === null || typeof slot === 'number'
        ? itemOf(words, sequence, floor, db)
        : itemOnSlots(words, slot, sequence, floor, db);
    if (typeof slot === 'number') writeU16(bytes, slot, start + SLOT_OFFSET);
    batch.addCommand(waiter, session(client), bytes, start, end);
    const { entry, waiters } = batch.seal(FIRST_VERSION, (this.seed += 7), this.timeMs);
    this.machine.apply(this.propose(entry), waiters);
    this.note(this.machine);
    return outcome;
  }

  /** As expiry and eviction do. */
  remove(victim: Omit<Victim, 'sizeBytes'>, reason: 'expired' | 'evicted'): void {
    const batch = new Batch();
    batch.addPrelude(removeItem(victim, reason));
    const { entry } = batch.seal(FIRST_VERSION, 1, this.timeMs);
    this.machine.apply(this.propose(entry), null);
    this.note(this.machine);
  }

  move(items: Buffer): ItemAnswers[] {
    const answers = this.machine.applyMove(this.propose(moveEntry(FIRST_VERSION, this.timeMs, items)));
    this.timeMs = Math.max(this.timeMs, this.machine.timeMs);
    this.note(this.machine);
    return answers;
  }

  feed(move: MoveId): Feed {
    let feed = this.feeds.get(move);
    if (feed !== undefined) return feed;
    const next = (): number => (this.lastCutIndex = Math.max(this.log.length, this.lastCutIndex + 1));
    feed = new Feed(this.machine, { leaderTimeMs: () => this.timeMs }, move, this.term, next);
    this.feeds.set(move, feed);
    return feed;
  }

  /** Another leads: it has the whole log, and nothing of what was under way. */
  elect(replica: number): void {
    for (const feed of this.feeds.values()) feed.end();
    this.feeds.clear();
    this.lastCutIndex = 0;
    this.catchUp(replica, this.log.length);
    this.leader = replica;
    this.term += 1;
  }

  catchUp(replica: number, upTo: number): void {
    const machine = this.machines[replica];
    while (machine.appliedIndex < upTo) {
      const entry = this.log[machine.appliedIndex];
      if (entry.kind === EntryKind.MOVE) machine.applyMove(entry);
      else machine.apply(entry, null);
      this.note(machine);
    }
  }

  /** A replica begins anew from a snapshot of the leader's, made bit by bit. False: one is being made. */
  beginSnapshot(replica: number): boolean {
    if (this.snapshot !== null || replica === this.leader) return false;
    const hash = hashNow(this.machine);
    const { appliedIndex, appliedTerm } = this.machine;
    const to = newMachine({}, undefined, this.keptMaxBytes);
    this.machines[replica] = to;
    const from = new StateSnapshot(this.machine);
    this.snapshot = { from, to, load: new StateLoad(to, appliedIndex, appliedTerm), hash };
    return true;
  }

  /** A slice of it. */
  continueSnapshot(): 'none' | 'more' | 'done' | 'given up' {
    const { snapshot } = this;
    if (snapshot === null) return 'none';
    const { from, to, load, hash } = snapshot;
    if (from.overflowed) {
      from.abandon();
      this.snapshot = null;
      this.loadWhole(to);
      return 'given up';
    }
    const slice = from.next(4096);
    if (slice !== null) {
      load.feed(Buffer.from(slice));
      return 'more';
    }
    load.finish();
    this.snapshot = null;
    if (hashNow(to) !== hash)
      throw new BrokenRule(`state-hash: a snapshot of group ${this.shard} is not what was there`);
    return 'done';
  }

  get isSnapshotting(): boolean {
    return this.snapshot !== null;
  }

  private loadWhole(to: StateMachine): void {
    const { machine } = this;
    const load = new StateLoad(to, machine.appliedIndex, machine.appliedTerm);
    const from = new StateSnapshot(machine);
    for (let slice = from.next(65536); slice !== null; slice = from.next(65536))
      load.feed(Buffer.from(slice));
    load.finish();
    if (hashNow(to) !== hashNow(machine))
      throw new BrokenRule('state-hash: a snapshot is not what was there');
  }

  /** Replicas at one index have one state. */
  private note(machine: StateMachine): void {
    const { appliedIndex } = machine;
    if (appliedIndex % HASH_EVERY !== 0) return;
    const known = this.hashes.get(appliedIndex);
    const hash = hashNow(machine);
    if (known !== undefined && known !== hash)
      throw new BrokenRule(`state-hash: replicas of group ${this.shard} differ at ${appliedIndex}`);
    this.hashes.set(appliedIndex, hash);
    if (this.hashes.size > HASHES_KEPT * 4) this.hashes.delete([...this.hashes.keys()][0]);
  }
}
