/**
 * This node's replica of one shard: its Raft member, its state machine, and, while it leads, the batch of the turn, those who wait for the
 * entries in flight, and reads (§6.4 of the thesis).
 */
import { assert } from '../assert.ts';
import type { LongRead } from '../commands/long-read.ts';
import { ENTRY_HEADER_BYTES, EntryKind, writeEntryHeader, type Entry } from '../raft/entry.ts';
import type { Instant, RaftCore, ReadReady } from '../raft/types.ts';
import { Args } from '../resp/args.ts';
import { ReplyWriter } from '../resp/reply-writer.ts';
import { DATABASE_COUNT, type Victim } from '../store/types.ts';
import { SLOT_COUNT, type NodeId, type ShardId, type SlotRange } from '../topology/types.ts';
import { Batch, EntryWaiters, type SessionId } from './batch.ts';
import {
  LARGE_COMMAND_BYTES,
  commandArgs,
  commandDb,
  commandResp3,
  commandSequence,
  commandSlot,
  commandSlots,
} from './command-item.ts';
import type { LogTime } from './log-time.ts';
import { markEntry } from './mark.ts';
import { MoveDesk } from './moves/move-desk.ts';
import { moveEntry } from './moves/move-item.ts';
import type { MoveWaiter, ReplicaMoves } from './moves/types.ts';
import {
  floorsItem,
  noRoomItem,
  departedItem,
  policyItem,
  removeItem,
  samePolicy,
  type MemoryPolicy,
  type RemovalReason,
} from './prelude.ts';
import { EvictionsUnderWay, type Evicted } from './evictions-under-way.ts';
import { RUN_ITEM, StagingQueue } from './staging.ts';
import type { ShardCommand, ShardCommandLookup, StateMachine } from './state-machine.ts';
import { NOBODY, Refusal, answerWith, type Waiter } from './waiter.ts';

/** A batch that grows over this is sealed before the turn ends: an entry is applied in one go, at every replica. */
const ENTRY_TARGET_BYTES = 64 * 1024;
/** Removals join an entry up to this size: with its longest command it stays below what an entry may have. */
const ENTRY_FULL_BYTES = 112 * 1024 * 1024;
/** What a small write adds beside its bytes: header, index, alignment. */
const GROWTH_PER_COMMAND_BYTES = 64;
/** Keys with an expiry that one round of the active cycle looks at. While a quarter of them had expired, another follows once they are gone. */
const EXPIRE_EXAMINE = 400;
/** What is above the budget beside what an entry itself needs, after a limit was lowered, is evicted bit by bit: so much an entry. */
const EVICTION_ARREARS_BYTES = 512 * 1024;
/** One eviction makes room for this much more than asked, so that not every write evicts. */
const EVICTION_SLACK_BYTES = 64 * 1024;
/** Those that are found may be under way already: others are looked for so often. */
const EVICTION_TRIES = 4;

interface InFlight {
  index: number;
  term: number;
  stampMs: number;
  growthBytes: number;
  waiters: EntryWaiters;
  /** Of commands: reads may ride in it. */
  takesReads: boolean;
  /** Of an entry of moves. */
  moveWaiter: MoveWaiter | null;
  evicted: Evicted;
}

interface WaitingRead {
  waiter: Waiter;
  bytes: Buffer;
  start: number;
  /** The last entry proposed when it was asked. */
  lastIndex: number;
}

export interface ReplicaCounters {
  readsLease: number;
  readsIndex: number;
  readsRiding: number;
  entriesProposed: number;
  commandsProposed: number;
  leadershipsLost: number;
  leaderChanges: number;
  proposalsFailed: number;
}

export class Replica {
  readonly shard: ShardId;
  readonly raft: RaftCore;
  readonly machine: StateMachine;
  readonly time: LogTime;
  readonly counters: ReplicaCounters = {
    readsLease: 0,
    readsIndex: 0,
    readsRiding: 0,
    entriesProposed: 0,
    commandsProposed: 0,
    leadershipsLost: 0,
    leaderChanges: 0,
    proposalsFailed: 0,
  };
  /** What this shard's budget should be; the leader writes it into the log when it differs from what the log says. */
  wantedPolicy: MemoryPolicy | null = null;
  /** Told of the time from propose to apply of each entry proposed here. */
  onCommitted: (latencyMs: number, commands: number) => void = () => {};

  /** What a driver of moves proposes. */
  readonly moves: ReplicaMoves;

  private readonly desk: MoveDesk;
  /** For reads: those of the newest version. */
  private readonly lookup: ShardCommandLookup;
  private readonly random: () => number;
  private readonly batch = new Batch();
  private readonly staging = new StagingQueue();
  private inFlight: InFlight[] = [];
  private inFlightSince: number[] = [];
  private growthInFlightBytes = 0;
  private batchGrowthBytes = 0;
  private readonly asked = new Map<number, WaitingRead[]>();
  private readonly confirmations = new Map<number, () => void>();
  /** The policy that this leader has put into the log last; null: none in this term. */
  private proposedPolicy: MemoryPolicy | null = null;
  private ledTerm = 0;
  private lastLeader = 0;
  private readonly args = new Args();
  private readonly reply = new ReplyWriter();
  private readonly victims: Victim[] = [];
  private readonly evictions = new EvictionsUnderWay();
  /** Another round of expiry follows when this index is applied. */
  private expireOnAt = Infinity;

  /** `firstSlots`: those that the group was made with, when its log has not told yet. */
  constructor(
    shard: ShardId,
    raft: RaftCore,
    machine: StateMachine,
    time: LogTime,
    lookup: ShardCommandLookup,
    random: () => number,
    firstSlots: (() => readonly SlotRange[]) | null = null,
  ) {
    this.shard = shard;
    this.raft = raft;
    this.machine = machine;
    this.time = time;
    this.lookup = lookup;
    this.random = random;
    this.desk = new MoveDesk(this, firstSlots);
    this.moves = this.desk;
  }

  get isLeader(): boolean {
    return this.raft.role === 'leader';
  }

  /** A leader that has applied an entry of its own term: all that was ever acknowledged is in its state. */
  get isReadable(): boolean {
    return this.raft.role === 'leader' && this.raft.readable && this.machine.appliedTerm === this.raft.term;
  }

  /** Whether a command item of another node may go into this shard's log, or be read here: what is applied is not checked again. */
  admits(bytes: Buffer, start: number, isWrite: boolean): boolean {
    if (commandSlot(bytes, start) >= SLOT_COUNT || commandDb(bytes, start) >= DATABASE_COUNT) return false;
    const sequence = commandSequence(bytes, start);
    if (!Number.isSafeInteger(sequence) || sequence < (isWrite ? 1 : 0)) return false;
    commandArgs(bytes, start, this.args);
    const command = isWrite ? this.machine.commands(this.args) : this.lookup(this.args);
    return command?.isWrite === isWrite;
  }

  get proposalsPending(): number {
    return this.inFlight.length;
  }

  /**
   * Reads may be answered from the applied state at once: both clocks lie within the lease (design section 4). Not while earlier ones wait
   * for a ReadIndex: a later read of the same connection must not see less than they will.
   */
  canReadNow(now: Instant): boolean {
    return this.asked.size === 0 && this.holdsLease(now) && this.isReadable && this.time.isCovered;
  }

  private holdsLease(now: Instant): boolean {
    const { raft } = this;
    return (
      now.monotonicMs < raft.leaseUntilMonotonicMs &&
      now.wallMs < raft.leaseUntilWallMs &&
      now.monotonicMs >= raft.leaseFromMonotonicMs &&
      now.wallMs >= raft.leaseFromWallMs
    );
  }

  /** Runs `confirmed` once it is certain that no other member led when this was asked; never, if this one does not lead any more. */
  confirmLeadership(confirmed: () => void, now: Instant): void {
    const id = this.raft.requestRead(now);
    if (id !== 0) this.confirmations.set(id, confirmed);
  }

  /** This node is to have no member of the group any more: whoever waits here asks elsewhere. */
  retire(): void {
    this.loseLeadership();
  }

  /** Whether a read may run here now, by what the log says of its slots: asked beside `canReadNow`, right before `readNow`. */
  serves(command: ShardCommand, args: Args, slot: number): boolean {
    return this.machine.readRefusal(command, args, slot) === 0;
  }

  /** Runs a read at once; `canReadNow` and `serves` have said yes. A long one is returned: it is to be handed to `readOn`. */
  readNow(
    command: ShardCommand,
    args: Args,
    db: number,
    slot: number,
    now: Instant,
    reply: ReplyWriter,
  ): LongRead | null {
    const leaseTimeMs = this.raft.leaseRoundTimeMs + this.raft.leaseMs;
    const timeMs = this.readTimeMs(Math.min(this.time.leaderTimeMs(now), leaseTimeMs));
    this.counters.readsLease += 1;
    return this.machine.read(command, args, db, slot, timeMs, now.monotonicMs, this.random(), reply);
  }

  /** Answers a long read in the turns that follow. What it sees was the state now or becomes it later, so leadership may go meanwhile. */
  readOn(waiter: Waiter, read: LongRead, protocol: 2 | 3, now: Instant): void {
    const timeMs = this.readTimeMs(Math.min(this.time.leaderTimeMs(now), this.leaseTimeMs));
    this.machine.longReads.begin(waiter, read, protocol, Math.floor(timeMs));
  }

  /** Does a step of the long reads; false when there is none left. */
  stepLongReads(nowMs: number): boolean {
    return this.machine.longReads.step(nowMs);
  }

  /** A read that waits for nothing of its connection: answered under the lease, else after a ReadIndex round. */
  submitRead(waiter: Waiter, bytes: Buffer, start: number, now: Instant): void {
    if (this.canReadNow(now)) {
      this.runRead(waiter, bytes, start, Math.min(this.time.leaderTimeMs(now), this.leaseTimeMs), now);
      this.counters.readsLease += 1;
      return;
    }
    const id = this.time.isCovered ? this.raft.requestRead(now) : 0;
    if (id === 0) {
      waiter.refuse(Refusal.NOT_PROPOSED);
      return;
    }
    let waiting = this.asked.get(id);
    if (waiting === undefined) this.asked.set(id, (waiting = []));
    waiting.push({ waiter, bytes, start, lastIndex: this.raft.lastIndex });
  }

  /**
   * A read behind writes of the same connection: it runs right after them, where it stands among them. That an entry commits proves that no
   * other led when it was proposed; the read has come later, so it joins an entry in flight only under the lease. Else it takes one of its own.
   */
  submitRidingRead(waiter: Waiter, bytes: Buffer, start: number, now: Instant): void {
    const last = this.inFlight.at(-1);
    if (last === undefined && this.batch.isEmpty) {
      this.submitRead(waiter, bytes, start, now);
      return;
    }
    const joins = last?.takesReads === true && this.batch.isEmpty && this.holdsLease(now);
    const { waiters } = joins ? last : this.batch;
    waiters.addRead(waiter, bytes, start);
    this.counters.readsRiding += 1;
  }

  submitWrite(
    waiter: Waiter,
    session: SessionId,
    bytes: Buffer,
    start: number,
    end: number,
    now: Instant,
  ): void {
    if (!this.isLeader || !this.time.isCovered) {
      waiter.refuse(Refusal.NOT_PROPOSED);
      return;
    }
    const sizeBytes = end - start;
    if (sizeBytes > LARGE_COMMAND_BYTES) {
      if (!this.staging.add(waiter, session, bytes, start, end)) waiter.refuse(Refusal.LOG_FULL);
      return;
    }
    const isLong = !this.batch.isEmpty && this.batch.sizeBytes + sizeBytes > ENTRY_TARGET_BYTES;
    const refusal = isLong ? this.seal(now) : null;
    if (refusal !== null) {
      // What was sent before it goes again: it must not overtake that.
      waiter.refuse(refusal);
      return;
    }
    this.batch.addCommand(waiter, session, bytes, start, end);
    this.batchGrowthBytes += sizeBytes + GROWTH_PER_COMMAND_BYTES;
    this.counters.commandsProposed += 1;
  }

  /** Floors of slots in which a session has been quiet: they let rows go. */
  submitFloors(session: SessionId, slots: readonly number[], floors: readonly number[]): void {
    if (this.isLeader) this.batch.addPrelude(floorsItem(session, slots, floors));
  }

  /** Puts a mark into the log (mark.ts); returns its index, or 0 when this replica cannot propose now. */
  proposeMark(mark: number, now: Instant): number {
    if (!this.isReadable || !this.time.isCovered) return 0;
    const stampMs = this.stampMs(now);
    if (this.raft.propose(markEntry(this.raft.nextRules, mark, stampMs), now) !== 'proposed') return 0;
    this.addFlight(stampMs, 0, new EntryWaiters(), now);
    return this.raft.lastIndex;
  }

  /** Those whom `of` names do not want their answers any more: they go another way. */
  disown(of: (waiter: Waiter) => boolean): void {
    this.batch.waiters.disown(of);
    this.machine.longReads.disown(of);
    this.staging.disown(of);
    for (const { waiters } of this.inFlight) waiters.disown(of);
    for (const waiting of this.asked.values()) {
      for (const read of waiting) if (of(read.waiter)) read.waiter = NOBODY;
    }
  }

  /** Called when input has been stepped: a leadership that was lost releases all who wait here. */
  settle(): void {
    const leads = this.raft.role === 'leader';
    if (this.raft.leader !== this.lastLeader && this.raft.leader !== 0) {
      this.counters.leaderChanges += 1;
      this.lastLeader = this.raft.leader;
    }
    if (this.ledTerm !== 0 && (!leads || this.raft.term !== this.ledTerm)) this.loseLeadership();
    if (leads) this.ledTerm = this.raft.term;
  }

  /** Makes the batch an entry and proposes it; says why when it could not. Then parts of large commands, as many as may be in flight. */
  seal(now: Instant): Refusal | null {
    this.desk.found(now);
    if (this.expiresOn) this.expire(now);
    const refusal = this.sealBatch(now);
    if (!this.staging.isEmpty) this.stage(now);
    return refusal;
  }

  private stage(now: Instant): void {
    const { staging, raft } = this;
    while (!staging.isEmpty && staging.hasRoom(raft.commitIndex)) {
      const stampMs = this.stampMs(now);
      const entry = staging.partEntry(raft.nextRules, stampMs);
      if (entry === null) {
        this.runStaged(now);
        continue;
      }
      // It is tried again with the next turn, or refused with the loss of leadership.
      if (raft.propose(entry, now) !== 'proposed') return;
      staging.partProposed(raft.lastIndex);
      this.addFlight(stampMs, 0, new EntryWaiters(), now);
    }
    // Bit by bit, as its parts go out: to evict as much as a large value takes in one go would hold the node up.
    this.evict(now);
  }

  private runStaged(now: Instant): void {
    const { waiter, session, start, end } = this.staging.take();
    this.batch.addCommand(waiter, session, RUN_ITEM, 0, RUN_ITEM.length);
    this.batchGrowthBytes += end - start + GROWTH_PER_COMMAND_BYTES;
    this.counters.commandsProposed += 1;
    // Before another's parts.
    this.sealBatch(now);
  }

  private stampMs(now: Instant): number {
    return Math.max(this.machine.timeMs, this.time.leaderTimeMs(now));
  }

  private sealBatch(now: Instant): Refusal | null {
    if (this.batch.isEmpty) return null;
    if (!this.isLeader) {
      this.refuseBatch(Refusal.NOT_PROPOSED);
      return Refusal.NOT_PROPOSED;
    }
    this.makeRoom(now);
    const stampMs = this.stampMs(now);
    const { entry, waiters } = this.batch.seal(this.raft.nextRules, this.random(), stampMs);
    const growthBytes = this.batchGrowthBytes;
    this.batchGrowthBytes = 0;
    const outcome = this.raft.propose(entry, now);
    if (outcome !== 'proposed') {
      const refusal = outcome === 'full' ? Refusal.LOG_FULL : Refusal.NOT_PROPOSED;
      this.counters.proposalsFailed += 1;
      this.proposedPolicy = null;
      this.evictions.end(this.evictions.take());
      waiters.refuseAll(refusal);
      return refusal;
    }
    this.addFlight(stampMs, growthBytes, waiters, now);
    return null;
  }

  /** The log's last entry was proposed just now. */
  private addFlight(stampMs: number, growthBytes: number, waiters: EntryWaiters, now: Instant): void {
    this.counters.entriesProposed += 1;
    this.growthInFlightBytes += growthBytes;
    const { lastIndex: index, term } = this.raft;
    this.inFlight.push({
      index,
      term,
      stampMs,
      growthBytes,
      waiters,
      takesReads: true,
      moveWaiter: null,
      evicted: this.evictions.take(),
    });
    this.inFlightSince.push(now.monotonicMs);
  }

  /** Proposes items of moves; the waiter is told. What was asked before stands before them in the log. */
  proposeMove(items: Buffer, waiter: MoveWaiter, now: Instant): void {
    const refusal = this.sealBatch(now);
    if (refusal === null) this.proposeItems(items, waiter, now);
    else waiter.refuse(refusal);
  }

  /** As `proposeMove`, before all that waits to be sealed. */
  proposeItems(items: Buffer, waiter: MoveWaiter, now: Instant): void {
    const { raft, time } = this;
    const stampMs = this.stampMs(now);
    const entry = moveEntry(raft.nextRules, stampMs, items);
    const outcome = time.isCovered ? raft.propose(entry, now) : 'not-leader';
    if (outcome !== 'proposed') {
      waiter.refuse(outcome === 'full' ? Refusal.LOG_FULL : Refusal.NOT_PROPOSED);
      return;
    }
    this.addFlight(stampMs, 0, new EntryWaiters(), now);
    const flight = this.inFlight[this.inFlight.length - 1];
    flight.takesReads = false;
    flight.moveWaiter = waiter;
  }

  /**
   * Applies what is committed and answers the reads that are confirmed, each before any entry that was proposed after it was asked: commands
   * of one connection run in the order sent.
   */
  advance(entries: readonly Entry[], reads: readonly ReadReady[], lost: boolean, now: Instant): void {
    let from = 0;
    for (const { id, index, roundTimeMs } of reads) {
      const waiting = this.asked.get(id) ?? [];
      this.asked.delete(id);
      this.confirmations.get(id)?.();
      this.confirmations.delete(id);
      for (const { waiter, bytes, start, lastIndex } of waiting) {
        let to = from;
        while (to < entries.length && entries[to].index <= lastIndex) to++;
        this.applyCommitted(entries, from, to, now);
        from = to;
        const isCurrent = this.machine.appliedIndex >= Math.min(index, lastIndex);
        assert(isCurrent, 'what is committed is applied before reads are answered');
        this.runRead(waiter, bytes, start, roundTimeMs, now);
      }
      this.counters.readsIndex += waiting.length;
    }
    this.applyCommitted(entries, from, entries.length, now);
    if (lost) this.refuseReads();
  }

  private applyCommitted(entries: readonly Entry[], from: number, to: number, now: Instant): void {
    this.machine.monotonicMs = now.monotonicMs;
    for (let i = from; i < to; i++) {
      const entry = entries[i];
      const flight = this.landed(entry);
      if (entry.kind === EntryKind.COMMANDS)
        this.machine.apply(entry, flight === null ? null : flight.waiters);
      else if (entry.kind === EntryKind.MOVE) this.applyMove(entry, flight, now);
      else {
        assert(flight === null, 'only commands are waited for');
        this.machine.skip(entry);
      }
      if (flight !== null) this.countCommit(flight, now);
    }
  }

  private applyMove(entry: Entry, flight: InFlight | null, now: Instant): void {
    const answers = this.machine.applyMove(entry);
    // With a slot its source's time comes.
    this.time.raise(this.machine.timeMs, now);
    flight?.moveWaiter?.done(answers);
  }

  /** The leader's housekeeping, ten times a second: the rules and the policy that the log should hold, and expired keys. */
  maintain(now: Instant): void {
    if (!this.isReadable) return;
    this.raiseRules(now);
    const { wantedPolicy, machine } = this;
    const inLog = this.proposedPolicy ?? machine.policy;
    if (wantedPolicy !== null && !samePolicy(wantedPolicy, inLog)) {
      this.proposedPolicy = wantedPolicy;
      this.batch.addPrelude(policyItem(wantedPolicy));
    }
    this.expire(now);
    // Without writes, too, what is above the budget goes.
    this.evict(now);
  }

  /** The leader has the sessions of nodes end that have left the cluster; what has ended is not ended again. */
  endSessionsOf(nodes: readonly NodeId[]): void {
    if (!this.isReadable) return;
    for (const node of nodes)
      if (!this.machine.sessions.hasDeparted(node)) this.batch.addPrelude(departedItem(node));
  }

  /** The cluster version was raised: a group that nobody writes to learns it, too. */
  private raiseRules(now: Instant): void {
    const { raft } = this;
    const rules = raft.nextRules;
    if (raft.rules === rules) return;
    const entry = Buffer.alloc(ENTRY_HEADER_BYTES);
    writeEntryHeader(entry, { kind: EntryKind.NOOP, rules, seed: 0, stampMs: this.stampMs(now) });
    // When it is refused it is tried again soon.
    raft.propose(entry, now);
  }

  private expire(now: Instant): void {
    this.expireOnAt = Infinity;
    if (!this.hasVolatileKeys()) return;
    const { victims } = this;
    const timeMs = Math.floor(this.readTimeMs(this.time.leaderTimeMs(now)));
    victims.length = 0;
    this.machine.sampleExpired(timeMs, EXPIRE_EXAMINE, victims);
    this.addRemovals('expired');
    if (victims.length * 4 >= EXPIRE_EXAMINE) this.expireOnAt = this.raft.lastIndex + 1;
    victims.length = 0;
  }

  /** Many keys have expired, and the last round's are gone. */
  get expiresOn(): boolean {
    return this.machine.appliedIndex >= this.expireOnAt;
  }

  private hasVolatileKeys(): boolean {
    const { keyspace } = this.machine;
    for (let db = 0; db < DATABASE_COUNT; db++) if (keyspace.volatileKeyCount(db) > 0) return true;
    return false;
  }

  /** Evicts, inside the entry that needs the room, what the budget does not hold (design section 5, "Bytes"). */
  private makeRoom(now: Instant): void {
    if (this.batchGrowthBytes > 0 && !this.evict(now)) this.batch.addPrelude(noRoomItem());
  }

  /** Of what is above the budget, as much as one turn may take; false when there is nothing to evict. */
  private evict(now: Instant): boolean {
    const { policy } = this.machine;
    if (policy.budgetBytes === 0 || policy.eviction === 'noeviction') return true;
    const growthBytes = this.growthInFlightBytes + this.batchGrowthBytes + this.staging.stagedBytes;
    const needBytes = this.machine.usedBytes + growthBytes - policy.budgetBytes;
    if (needBytes <= 0) return true;
    const wantedBytes =
      Math.min(needBytes, this.batchGrowthBytes + EVICTION_ARREARS_BYTES) + EVICTION_SLACK_BYTES;
    let foundBytes = 0;
    let hasFound = false;
    for (let tries = 0; foundBytes < wantedBytes && tries < EVICTION_TRIES; tries++) {
      const bytes = this.evictMore(wantedBytes - foundBytes, now);
      if (bytes === null) break;
      foundBytes += bytes;
      hasFound = true;
    }
    this.batchGrowthBytes -= foundBytes;
    return hasFound;
  }

  /** What those free that are not under way already; null when there is nobody to evict. */
  private evictMore(wantedBytes: number, now: Instant): number | null {
    const { evictions, machine, victims } = this;
    victims.length = 0;
    const { eviction } = machine.policy;
    machine.keyspace.sampleVictims(eviction, wantedBytes, now.monotonicMs, this.random, victims);
    if (victims.length === 0) return null;
    machine.keepRemovable(victims);
    let freedBytes = 0;
    let kept = 0;
    for (const victim of victims) {
      if (!evictions.add(victim)) continue;
      freedBytes += victim.sizeBytes;
      victims[kept++] = victim;
    }
    victims.length = kept;
    this.addRemovals('evicted');
    return freedBytes;
  }

  /** As far as they fit into the entry; what does not is found again. */
  private addRemovals(reason: RemovalReason): void {
    for (const victim of this.victims) {
      const item = removeItem(victim, reason);
      if (this.batch.sizeBytes + item.length <= ENTRY_FULL_BYTES) this.batch.addPrelude(item);
    }
  }

  /** The entry in flight that this one is; those that it overtook were lost to another leader's. */
  private landed(entry: Entry): InFlight | null {
    while (this.inFlight.length > 0 && this.inFlight[0].index <= entry.index) {
      const flight = this.inFlight[0];
      if (flight.index === entry.index && flight.term === entry.term) return flight;
      this.dropFirst();
      refuseFlight(flight);
    }
    return null;
  }

  private countCommit(flight: InFlight, now: Instant): void {
    this.onCommitted(now.monotonicMs - this.inFlightSince[0], flight.waiters.waiters.length);
    this.dropFirst();
  }

  private dropFirst(): void {
    const flight = this.inFlight.shift();
    this.inFlightSince.shift();
    if (flight === undefined) return;
    this.growthInFlightBytes -= flight.growthBytes;
    if (flight.evicted.length > 0) this.evictions.end(flight.evicted);
  }

  private get leaseTimeMs(): number {
    return this.raft.leaseRoundTimeMs + this.raft.leaseMs;
  }

  /** While entries wait to be applied, reads see the stamp of the first of them; and never less than what was applied. */
  private readTimeMs(timeMs: number): number {
    const seenMs = this.inFlight.length > 0 ? Math.min(timeMs, this.inFlight[0].stampMs) : timeMs;
    return Math.max(this.machine.timeMs, seenMs);
  }

  private runRead(waiter: Waiter, bytes: Buffer, start: number, limitMs: number, now: Instant): void {
    const { args, reply } = this;
    commandArgs(bytes, start, args);
    const command = this.lookup(args);
    assert(command !== null, 'a read is a known command');
    const named = commandSlots(bytes, start);
    const refusal = this.machine.readRefusal(command, args, commandSlot(bytes, start), named !== null);
    if (refusal !== 0) {
      const apart = refusal === Refusal.PARTED ? this.machine.slotsApart(command.row, args) : undefined;
      waiter.refuse(refusal, apart);
      return;
    }
    reply.reset();
    reply.protocol = commandResp3(bytes, start) ? 3 : 2;
    const timeMs = this.readTimeMs(limitMs);
    const long = this.machine.read(
      command,
      args,
      commandDb(bytes, start),
      commandSlot(bytes, start),
      timeMs,
      now.monotonicMs,
      this.random(),
      reply,
      named,
    );
    if (long === null) answerWith(waiter, reply);
    else this.machine.longReads.begin(waiter, long, reply.protocol, Math.floor(timeMs));
  }

  private loseLeadership(): void {
    this.counters.leadershipsLost += 1;
    this.ledTerm = 0;
    this.expireOnAt = Infinity;
    this.proposedPolicy = null;
    if (!this.isLeader) this.time.follow();
    const flights = this.inFlight;
    this.inFlight = [];
    this.inFlightSince = [];
    this.growthInFlightBytes = 0;
    this.evictions.clear();
    for (const flight of flights) refuseFlight(flight);
    this.desk.endFeeds();
    this.refuseBatch(Refusal.NOT_PROPOSED);
    this.refuseReads();
  }

  private refuseBatch(refusal: Refusal): void {
    this.batchGrowthBytes = 0;
    this.batch.refuseAll(refusal);
    this.staging.refuseAll(refusal);
  }

  private refuseReads(): void {
    const all = [...this.asked.values()];
    this.asked.clear();
    this.confirmations.clear();
    for (const waiting of all) for (const { waiter } of waiting) waiter.refuse(Refusal.READ_LOST);
  }
}

function refuseFlight({ waiters, moveWaiter }: InFlight): void {
  waiters.refuseAll(Refusal.LOST);
  moveWaiter?.refuse(Refusal.LOST);
}
