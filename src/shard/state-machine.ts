/**
 * What a shard's log does when it is applied: a pure function of the entry and the state. Never this node's clock, randomness or memory
 * pressure: the entry brings its time, its seed and its removals.
 */
import { slotOf } from '../../ring/index.ts';
import { assert } from '../assert.ts';
import type { LongRead } from '../commands/long-read.ts';
import type { KeyCommand, KeyContext } from '../commands/types.ts';
import { readU32 } from '../little-endian.ts';
import { ENTRY_HEADER_BYTES, entryRules, entrySeed, entryStampMs, type Entry } from '../raft/entry.ts';
import { Args } from '../resp/args.ts';
import { ReplyWriter } from '../resp/reply-writer.ts';
import { onDesk } from '../store/desk.ts';
import type { Keyspace, KeyspaceLimits, SlotKeyspace, SlotSpan, Victim } from '../store/types.ts';
import { FIRST_VERSION } from '../topology/cluster-version.ts';
import { rangesOf, slotsOf } from '../topology/slot-ranges.ts';
import { SLOT_COUNT, type SlotRange } from '../topology/types.ts';
import { sessionItemId, type EntryWaiters } from './batch.ts';
import {
  ItemType,
  commandArgs,
  commandFloorDelta,
  commandSequence,
  commandSlots,
  dbIn,
  itemHead,
  itemSize,
  itemType,
  namesSlotsIn,
  rangeBytes,
  resp3In,
  slotIn,
  typeIn,
} from './command-item.ts';
import { CommandMemo } from './command-memo.ts';
import { LongReads } from './long-reads.ts';
import { MARK_ENTRY_BYTES } from './mark.ts';
import { EffectRecorder } from './moves/effect-recorder.ts';
import type { RunBy } from './moves/effect.ts';
import type { Imports } from './moves/imports.ts';
import type { Activation } from './moves/move-item.ts';
import { Moves, type MovesHost } from './moves/moves.ts';
import { SlotState } from './moves/slot-state.ts';
import type { ItemAnswers } from './moves/types.ts';
import {
  eachFloor,
  floorsSession,
  readDeparted,
  readPolicy,
  readRemoval,
  type MemoryPolicy,
} from './prelude.ts';
import { Admission, LAST_START, Sessions } from './sessions.ts';
import { SlotOperations } from './slot-operations.ts';
import { stagePart, type Staged } from './staging.ts';
import { Refusal, answerWith, type Waiter } from './waiter.ts';

/** This module's own copies: V8 takes them for constant (store/desk.ts). */
const { SESSION, RUN_STAGED } = ItemType;
const { RUN, BELOW_FLOOR, NOT_OPEN } = Admission;
const { OWNED } = SlotState;
const HEADER_BYTES = ENTRY_HEADER_BYTES;

const NO_SLOTS: readonly SlotRange[] = [];
const OOM = "OOM command not allowed when used memory > 'maxmemory'.";
const REPLY_LOST = 'REPLYLOST the command ran when it was sent first; its reply was too large to keep';

/** What apply needs to know of a command. */
export interface ShardCommand {
  row: KeyCommand;
  isWrite: boolean;
  denyOom: boolean;
}

/** By the name, the subcommand where there is one, and the number of arguments. */
export type ShardCommandLookup = (args: Args) => ShardCommand | null;

/** The commands of each version of the rules: an entry names the one that it is applied by. */
export interface ShardRules {
  readonly newest: number;
  /** Throws NewerVersionError. */
  at(version: number): ShardCommandLookup;
}

/** What commands see; one instance, used again and again. */
class Context implements KeyContext {
  args = new Args();
  db = 0;
  keyspace: Keyspace;
  reply: ReplyWriter;
  timeMs = 0;
  slot = 0;
  slots: readonly SlotSpan[] | null = null;
  monotonicMs = 0;
  hits = 0;
  misses = 0;
  lfu = false;
  mayBeLong = false;
  long: LongRead | null = null;
  /** xorshift32, never 0. */
  seed = 1;

  private readonly runEnd: (slot: number) => number;

  /** `runEnd`: the last slot of the run of slots served here that a slot lies in. */
  constructor(keyspace: Keyspace, reply: ReplyWriter, runEnd: (slot: number) => number) {
    this.keyspace = keyspace;
    this.reply = reply;
    this.runEnd = runEnd;
  }

  get scanTo(): number {
    return this.runEnd(this.slot);
  }

  slotOf(argument: number): number {
    return slotOf(this.args.bytes, this.args.start[argument], this.args.end[argument]);
  }

  takeLong(): LongRead | null {
    const { long } = this;
    this.mayBeLong = false;
    this.long = null;
    return long;
  }

  reseed(seed: number): void {
    this.seed = seed === 0 ? 1 : seed;
  }

  random(): number {
    let x = this.seed;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.seed = x;
    return x >>> 0;
  }
}

export class StateMachine implements MovesHost {
  readonly keyspace: SlotKeyspace;
  /** What the log says of slots, and what moves of them have staged here. */
  readonly moves: Moves;
  sessions = new Sessions();
  /** A version is this and a log index: it goes up when a slot comes whose versions are higher, so that none repeats (design section 8). */
  versionBase = 0;
  appliedIndex = 0;
  appliedTerm = 0;
  /** The time of the last entry applied: no entry's time is below it. */
  timeMs = 0;
  /** The version of the rules that the last entry was applied by: it never falls. */
  rules = FIRST_VERSION;
  /** The commands that may be written into the log: those of `rules`. */
  commands: ShardCommandLookup;
  policy: MemoryPolicy;
  /** Reads that go on from turn to turn. */
  readonly longReads = new LongReads((timeMs) => this.keyspace.at(timeMs, this.version, false));
  /** The large command whose parts are being applied. */
  staged: Staged | null = null;
  /** A snapshot is taking the place of all this, bit by bit: it is no state yet. */
  isLoading = false;
  /** Told of each mark (mark.ts) once it is applied. */
  onMark: ((mark: number) => void) | null = null;
  /** Hashes of the state that are being computed: what they have not passed is not freed. */
  hashesUnderWay = 0;

  private readonly known: ShardRules;
  private memo: CommandMemo;
  /** Reads change nothing that is replicated: they are those of the newest version. */
  private readonly reads: CommandMemo;
  /** The keyspace reads these at each write. */
  private readonly limits: KeyspaceLimits;
  private readonly context: Context;
  private readonly scratch = new ReplyWriter();
  /** Of this replica alone: reads are run by the leader. */
  readonly operations = new SlotOperations();
  /** Of the entry being applied, in whole milliseconds; and that nothing can be evicted for it. */
  private entryTimeMs = 0;
  private noRoom = false;
  /** By slot: what each command looks at. */
  private readonly slotStates: Uint8Array;
  private readonly recorder: EffectRecorder;

  /** `limits`: the object that the keyspace was made with. `runEnd`: the last slot of the run of this shard's slots that a slot lies in; SCAN alone, a read, goes by it. */
  constructor(
    keyspace: SlotKeyspace,
    known: ShardRules,
    policy: MemoryPolicy,
    limits: KeyspaceLimits,
    runEnd: (slot: number) => number,
    effectsKeptMaxBytes?: number,
  ) {
    this.keyspace = keyspace;
    this.moves = new Moves(this, effectsKeptMaxBytes);
    const { slots, exports } = this.moves;
    this.slotStates = slots.states;
    this.recorder = new EffectRecorder(exports);
    this.limits = limits;
    this.known = known;
    this.commands = known.at(this.rules);
    this.memo = new CommandMemo(this.commands);
    this.reads = new CommandMemo(known.at(known.newest));
    this.policy = policy;
    // What came or went since the group was made is in no list of runs.
    this.context = new Context(keyspace, this.scratch, (slot) =>
      slots.hasMoved ? slots.ownedEnd(slot, SLOT_COUNT - 1) : runEnd(slot),
    );
  }

  /** Of what is written now; no key has a higher one. */
  get version(): number {
    return this.versionBase + this.appliedIndex;
  }

  /** What counts against the budget. */
  get usedBytes(): number {
    return this.keyspace.usedBytes + this.moves.imports.usedBytes;
  }

  /** Frees memory that is out of use, about `maxItems` items; true while there is more. */
  reclaim(maxItems: number): boolean {
    const { loading, ready } = this.moves.imports;
    const hasMore = this.keyspace.reclaim(maxItems);
    const loadingHasMore = loading.reclaim(maxItems);
    const readyHasMore = ready.reclaim(maxItems);
    return hasMore || loadingHasMore || readyHasMore;
  }

  /** Look-ups of reads that found their key, and that did not. */
  get hits(): number {
    return this.context.hits;
  }

  get misses(): number {
    return this.context.misses;
  }

  /** This node's access clock, for LRU, LFU and OBJECT: it shapes no replicated byte. */
  set monotonicMs(value: number) {
    this.context.monotonicMs = value;
    this.keyspace.accessClock(value);
  }

  /** Applies an entry of commands, and tells those who wait for them, in order. */
  apply(entry: Entry, waiters: EntryWaiters | null): void {
    assert(entry.index > this.appliedIndex, 'entries are applied in order');
    const rules = entryRules(entry);
    if (rules !== this.rules) this.raiseRules(rules);
    const { bytes } = entry;
    this.timeMs = Math.max(this.timeMs, entryStampMs(entry));
    this.appliedIndex = entry.index;
    this.appliedTerm = entry.term;
    this.noRoom = false;
    this.dropStagedBefore(entry.term);
    this.context.reseed(entrySeed(entry));
    this.entryTimeMs = Math.floor(this.timeMs);
    this.keyspace.at(this.entryTimeMs, this.version, true);
    if (this.moves.exports.isActive)
      this.recorder.at(this.version, this.entryTimeMs, rules, this.policy.limits);
    const preludeAt = HEADER_BYTES + readU32(bytes, HEADER_BYTES);
    if (preludeAt < bytes.length) this.applyPrelude(bytes, preludeAt);
    this.applyCommands(onDesk(bytes), HEADER_BYTES + 4, preludeAt, waiters);
    if (this.onMark !== null && bytes.length === MARK_ENTRY_BYTES) this.onMark(entrySeed(entry));
  }

  /** Applies an entry of a move, and says what came of its items. */
  applyMove(entry: Entry): ItemAnswers[] {
    this.note(entry);
    return this.moves.apply(entry.bytes);
  }

  /** Of the MovesHost: what comes with a slot is older than all that is written here after it. */
  takeOver({ sourceTimeMs, sourceVersion, ended }: Activation): void {
    this.timeMs = Math.max(this.timeMs, sourceTimeMs);
    this.versionBase = Math.max(this.versionBase, sourceVersion - this.appliedIndex);
    for (const { node, start } of ended) this.sessions.end(node, start);
    // What a slot from another source has told of later starts: rows of the earlier ones are gone from the staging area, be that slot taken or not.
    for (const { node, start } of this.moves.imports.sessions.endedStarts()) this.sessions.end(node, start);
  }

  takeSessions(slot: number, imports: Imports): void {
    this.sessions.takeSlot(slot, imports.sessions);
    this.operations.arrive(slot);
  }

  dropSessions(slot: number): void {
    this.sessions.dropSlot(slot);
  }

  /** Runs a command of a slot on its way here again, as its source did. Who wants its reply had it there. */
  readonly rerun = (keyspace: SlotKeyspace, by: RunBy, bytes: Buffer, at: number): void => {
    const { context } = this;
    this.point(itemHead(bytes, at));
    context.timeMs = by.timeMs;
    context.reseed(by.seed);
    commandArgs(bytes, at, context.args);
    const command =
      by.rules === this.rules ? this.memo.find(context.args) : this.known.at(by.rules)(context.args);
    assert(command !== null, 'the log holds known commands');
    context.keyspace = keyspace;
    command.row.run(context);
    context.keyspace = this.keyspace;
  };

  /**
   * Why a command may not run here now; 0: it may. Those on keys need their slots, those on all keys that no slot's owner is being decided, unless they
   * name the slots that they are about: then they run on those that are here. The first slot is looked at by whoever asks: most commands have one.
   */
  private refusalOfMany({ row }: ShardCommand, args: Args, namesSlots: boolean): Refusal | 0 {
    if (row.spread.by === 'slot' || row.spread.by === 'scan' || namesSlots) return 0;
    if (row.spread.by !== 'keys') return this.moves.frozenCount > 0 ? Refusal.FROZEN : 0;
    const first = slotOfArgument(args, row.firstKey);
    for (let i = row.firstKey; i < args.count; i += row.keyStep) {
      const slot = slotOfArgument(args, i);
      if (slot !== first) return this.slotsApart(row, args).length > 0 ? Refusal.PARTED : 0;
    }
    return this.slotStates[first] === OWNED ? 0 : this.refusalOfSlot(first);
  }

  /** In ascending order: the slots of the keys that are not served here now. */
  slotsApart({ firstKey, keyStep }: KeyCommand, args: Args): number[] {
    const apart = new Set<number>();
    for (let i = firstKey; i < args.count; i += keyStep) {
      const slot = slotOfArgument(args, i);
      if (this.slotStates[slot] !== OWNED) apart.add(slot);
    }
    return [...apart].sort((a, b) => a - b);
  }

  private refuse(waiter: Waiter | null, refusal: Refusal, { row }: ShardCommand): void {
    waiter?.refuse(refusal, refusal === Refusal.PARTED ? this.slotsApart(row, this.context.args) : undefined);
  }

  private refusalOfSlot(slot: number): Refusal {
    return this.slotStates[slot] === SlotState.FROZEN ? Refusal.FROZEN : Refusal.MOVED;
  }

  /** As it is now: to be asked when a read runs. 0: it may. */
  readRefusal(command: ShardCommand, args: Args, slot: number, namesSlots = false): Refusal | 0 {
    if (this.slotStates[slot] === OWNED && !this.moves.slots.hasMoved) return 0;
    const by = command.row.spread.by;
    if ((by === 'slot' || by === 'scan') && this.slotStates[slot] !== OWNED) return this.refusalOfSlot(slot);
    return this.refusalOfMany(command, args, namesSlots);
  }

  /** Runs a command on those of the slots that are here; which are not it tells behind the reply. */
  private runOnSlots({ row }: ShardCommand, named: readonly SlotRange[]): void {
    const { context, moves } = this;
    const here: number[] = [];
    const elsewhere: number[] = [];
    for (const slot of slotsOf(named)) (this.slotStates[slot] === OWNED ? here : elsewhere).push(slot);
    // All that there is, mostly.
    if (here.length < moves.ownedCount || moves.frozenCount > 0) context.slots = rangesOf(here);
    row.run(context);
    if (elsewhere.length === 0) return;
    const left = rangeBytes(rangesOf(elsewhere));
    context.reply.raw(left, 0, left.length);
  }

  /** An entry with nothing to apply: a new leader's first, or one that raises the rules of a group that nobody writes to. */
  skip(entry: Entry): void {
    this.note(entry);
  }

  private note(entry: Entry): void {
    const rules = entryRules(entry);
    if (rules !== this.rules) this.raiseRules(rules);
    this.timeMs = Math.max(this.timeMs, entryStampMs(entry));
    this.appliedIndex = entry.index;
    this.appliedTerm = entry.term;
    this.dropStagedBefore(entry.term);
  }

  private raiseRules(rules: number): void {
    assert(rules > this.rules, 'the versions of the rules never fall along the log');
    this.setRules(rules);
  }

  /** What is applied from here on is applied by these. Throws NewerVersionError. */
  setRules(rules: number): void {
    this.commands = this.known.at(rules);
    this.memo = new CommandMemo(this.commands);
    this.rules = rules;
  }

  /** A leader of a later term stages anew. */
  private dropStagedBefore(term: number): void {
    if (this.staged !== null && this.staged.term < term) this.staged = null;
  }

  /** Runs a command that only reads, at `timeMs`, into `reply`; or returns what is to be handed to `longReads`, and has written nothing. */
  read(
    command: ShardCommand,
    args: Args,
    db: number,
    slot: number,
    timeMs: number,
    monotonicMs: number,
    seed: number,
    reply: ReplyWriter,
    named: readonly SlotRange[] | null = null,
  ): LongRead | null {
    const { context } = this;
    const own = context.args;
    this.keyspace.at(Math.floor(timeMs), this.version, false);
    context.args = args;
    context.db = db;
    context.slot = slot;
    this.operations.counts[slot] += 1;
    context.timeMs = Math.floor(timeMs);
    context.monotonicMs = monotonicMs;
    context.reseed(seed);
    context.reply = reply;
    context.mayBeLong = !this.longReads.isFull;
    if (named === null) command.row.run(context);
    else this.runOnSlots(command, named);
    context.slots = null;
    context.args = own;
    context.reply = this.scratch;
    return context.takeLong();
  }

  private applyPrelude(bytes: Buffer, from: number): void {
    for (let at = from; at < bytes.length; at += itemSize(bytes, at)) {
      switch (itemType(bytes, at)) {
        case ItemType.REMOVE:
          this.applyRemoval(bytes, at);
          break;
        case ItemType.POLICY:
          this.setPolicy(readPolicy(bytes, at));
          this.recorder.limits = this.policy.limits;
          break;
        case ItemType.NO_ROOM:
          this.noRoom = true;
          break;
        case ItemType.PART:
          this.staged = stagePart(this.staged, this.appliedTerm, bytes, at, itemSize(bytes, at));
          break;
        case ItemType.FLOORS: {
          const session = this.sessions.open(bytes, floorsSession(at));
          eachFloor(bytes, at, itemSize(bytes, at), (slot, floor) => {
            if (this.slotStates[slot] === OWNED) this.raiseFloor(session, slot, floor);
          });
          break;
        }
        case ItemType.DEPARTED:
          this.sessions.end(readDeparted(bytes, at), LAST_START);
          break;
        default:
          assert(false, 'the prelude holds known items');
      }
    }
  }

  private applyRemoval(bytes: Buffer, at: number): void {
    const removal = readRemoval(bytes, at, itemSize(bytes, at));
    const { db, keyStart, keyEnd, version, reason } = removal;
    const slot = slotOf(bytes, keyStart, keyEnd);
    // What is fenced stays as it is: the target is told that it has all of it.
    if (this.slotStates[slot] !== OWNED) return;
    if (this.moves.exports.has(slot)) this.recorder.removal(slot, bytes, removal);
    this.keyspace.removeVersion(db, slot, bytes, keyStart, keyEnd, version, reason);
  }

  /** Keys that have expired by then and can be removed, of so many with an expiry. */
  sampleExpired(timeMs: number, examine: number, out: Victim[]): void {
    this.keyspace.sampleExpired(timeMs, examine, out);
    this.keepRemovable(out);
  }

  /** Of keys that its leader would remove leaves those that it can: what is fenced stays, and would be found again each time. */
  keepRemovable(victims: Victim[]): void {
    if (this.moves.frozenCount === 0) return;
    let kept = 0;
    for (const victim of victims) {
      const slot = slotOf(victim.key, 0, victim.key.length);
      if (this.slotStates[slot] === OWNED) victims[kept++] = victim;
    }
    victims.length = kept;
  }

  private raiseFloor(session: number, slot: number, floor: number): void {
    this.sessions.raiseFloor(session, slot, floor);
    if (session >= 0 && this.moves.exports.has(slot))
      this.recorder.floor(slot, this.sessions.idOf(session), floor);
  }

  setPolicy(policy: MemoryPolicy): void {
    this.policy = policy;
    this.context.lfu = policy.eviction.endsWith('lfu');
    Object.assign(this.limits, policy.limits);
  }

  private applyCommands(bytes: Buffer, from: number, to: number, waiters: EntryWaiters | null): void {
    let session = -1;
    let place = 0;
    for (let at = from; at < to; at += itemSize(bytes, at)) {
      const type = typeIn(itemHead(bytes, at));
      if (type === SESSION) {
        session = this.sessions.open(bytes, sessionItemId(at));
        continue;
      }
      if (waiters !== null) place = this.ride(waiters, place);
      const waiter = waiters === null ? null : waiters.waiters[place++];
      if (type === RUN_STAGED) this.runStaged(session, waiter);
      else this.applyCommand(bytes, at, session, waiter);
    }
    if (waiters === null) return;
    place = this.ride(waiters, place);
    assert(place === waiters.waiters.length, 'each command of the entry has its waiter');
  }

  private runStaged(session: number, waiter: Waiter | null): void {
    const { staged } = this;
    assert(staged !== null && staged.isWhole, 'a large command runs once all its parts are there');
    this.staged = null;
    this.applyCommand(staged.bytes, 0, session, waiter);
  }

  /** Runs the reads that ride before the next write: they see what was sent before them, and nothing that was sent after. */
  private ride(waiters: EntryWaiters, from: number): number {
    if (!waiters.hasReads) return from;
    let place = from;
    for (; place < waiters.waiters.length; place++) {
      const bytes = waiters.readBytes[place];
      if (bytes === null) break;
      this.rideOne(bytes, waiters.readStart[place], waiters.waiters[place]);
    }
    if (place > from) this.keyspace.at(this.entryTimeMs, this.version, true);
    return place;
  }

  private rideOne(bytes: Buffer, at: number, waiter: Waiter): void {
    const { context, scratch } = this;
    this.keyspace.at(this.entryTimeMs, this.version, false);
    this.point(itemHead(bytes, at));
    commandArgs(bytes, at, context.args);
    const command = this.commandOf(this.reads);
    const named = commandSlots(bytes, at);
    const refusal = this.readRefusal(command, context.args, context.slot, named !== null);
    if (refusal !== 0) {
      this.refuse(waiter, refusal, command);
      return;
    }
    context.mayBeLong = !this.longReads.isFull;
    // The entry's draws are for its writes alone: followers do not run its leader's reads.
    const { seed } = context;
    if (named === null) command.row.run(context);
    else this.runOnSlots(command, named);
    context.slots = null;
    context.seed = seed;
    const long = context.takeLong();
    if (long === null) answerWith(waiter, scratch);
    else this.longReads.begin(waiter, long, scratch.protocol, this.entryTimeMs);
  }

  private applyCommand(bytes: Buffer, at: number, session: number, waiter: Waiter | null): void {
    const { context, scratch, sessions } = this;
    const head = itemHead(bytes, at);
    const slot = slotIn(head);
    if (this.slotStates[slot] !== OWNED) {
      waiter?.refuse(this.refusalOfSlot(slot));
      return;
    }
    const sequence = commandSequence(bytes, at);
    const admission = sessions.admit(session, slot, sequence, sequence - commandFloorDelta(bytes, at));
    if (admission !== RUN && this.moves.exports.isActive) this.recordFloor(session, slot);
    if (admission === BELOW_FLOOR || admission === NOT_OPEN) {
      waiter?.refuse(Refusal.OUTDATED);
      return;
    }
    this.point(head);
    if (admission === RUN) {
      commandArgs(bytes, at, context.args);
      const command = this.commandOf(this.memo);
      if (this.moves.slots.hasMoved) {
        const refusal = this.refusalOfMany(command, context.args, namesSlotsIn(head));
        if (refusal !== 0) {
          this.recordFloor(session, slot);
          this.refuse(waiter, refusal, command);
          return;
        }
      }
      const { seed } = context;
      const isRun = !command.denyOom || !this.isFull();
      if (!isRun) scratch.error(OOM);
      else if (namesSlotsIn(head)) this.runOnSlots(command, commandSlots(bytes, at) ?? NO_SLOTS);
      else command.row.run(context);
      sessions.record(session, slot, sequence, scratch.buffer, 0, scratch.size);
      if (this.moves.exports.isActive) {
        if (isRun) this.recorder.command(command.row, context, seed);
        this.recordRow(session, slot, sequence);
      }
      context.slots = null;
    } else if (!sessions.repeatReply(scratch)) {
      scratch.error(REPLY_LOST);
    }
    if (waiter !== null) answerWith(waiter, scratch);
  }

  /** Where no row tells it: it may have risen. */
  private recordFloor(session: number, slot: number): void {
    const { sessions } = this;
    if (session < 0 || !this.moves.exports.has(slot)) return;
    this.recorder.floor(slot, sessions.idOf(session), sessions.floorOf(session, slot));
  }

  private recordRow(session: number, slot: number, sequence: number): void {
    if (!this.moves.exports.has(slot)) return;
    const { sessions, scratch } = this;
    this.recorder.row(slot, sessions.idOf(session), sequence, sessions.floorOf(session, slot), scratch);
  }

  /** Points the context at a command of the entry, but for its arguments. `head`: of its item. */
  private point(head: number): void {
    const { context, scratch } = this;
    scratch.reset();
    scratch.protocol = resp3In(head) ? 3 : 2;
    context.db = dbIn(head);
    context.slot = slotIn(head);
    this.operations.counts[context.slot] += 1;
    context.timeMs = this.entryTimeMs;
  }

  private commandOf(memo: CommandMemo): ShardCommand {
    const command = memo.find(this.context.args);
    assert(command !== null, 'the log holds known commands');
    return command;
  }

  /**
   * Under `noeviction` what needs room is refused; else its leader has evicted for it, and what its estimate missed
   * is within the budget's slack, unless nothing was left to evict.
   */
  private isFull(): boolean {
    const { budgetBytes, eviction } = this.policy;
    if (budgetBytes === 0 || this.usedBytes <= budgetBytes) return false;
    return eviction === 'noeviction' || this.noRoom;
  }
}

function slotOfArgument({ bytes, start, end }: Args, index: number): number {
  return slotOf(bytes, start[index], end[index]);
}
