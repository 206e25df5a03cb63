/**
 * One move as the leader of its source drives it (design section 8): batch by batch of its slots, each from the target's staging area to the entry that
 * says here that it went. It remembers nothing that counts: what the logs of both sides say decides what comes next, so that each step may be done
 * twice, and a new leader goes on where another stood. What fails is begun again after a while.
 */
import type { Instant } from '../../raft/types.ts';
import { MoveItemType, slotsItem } from '../../shard/moves/move-item.ts';
import { MoveAnswer, MoveOutcome, SlotState } from '../../shard/moves/slot-state.ts';
import type { ExportFeed } from '../../shard/moves/types.ts';
import type { Replica } from '../../shard/replica.ts';
import type { MoveThrottle } from '../../topology/move-throttle.ts';
import { rangesOf, slotsOf } from '../../topology/slot-ranges.ts';
import type { MoveEntry, SlotRange } from '../../topology/types.ts';
import { Farewell } from './farewell.ts';
import { FRAME_BYTES, ItemSender } from './item-sender.ts';
import { answerBit } from './move-messages.ts';
import type { MoveQuestions } from './move-questions.ts';
import { Steps } from './steps.ts';

const NOT_NEXT = answerBit(MoveAnswer.NOT_NEXT);
/** Of one batch: what is exported at once. The first slot counts, however large it is. */
const BATCH_SLOTS = 256;
const BATCH_BYTES = 16 * 1024 * 1024;
/**
 * Frozen at once. All slots of the cluster are frozen for the same time in the end, however many of them at once; what a pause costs both logs is the
 * same for one slot and for many, so few would only take longer. Of 16384: what moves from several sources stays below one in a hundred commands.
 */
const FENCE_SLOTS = 32;
/** Where nobody asks for anything, nobody waits: all of a batch. */
const FENCE_SLOTS_AT_REST = BATCH_SLOTS;
/** What a pause costs all replicas of both sides, as bytes that are sent. */
const FENCE_COST_BYTES = 32 * 1024;
/** So little is left that the slots can be frozen: it is sent in less time than the commits beside it take. */
const FENCE_LEFT_BYTES = FRAME_BYTES;
/** So much may be logged at the target before the source's replicas are told to forget it. */
const FORGET_AFTER_BYTES = 1024 * 1024;
const BEGIN_AGAIN_MS = 50;
/** How often it is looked whether the last slot of a shard may go. */
const FAREWELL_LOOK_MS = 50;

export interface SourceMoveHost {
  /** Of the present turn. */
  readonly now: Instant;
  readonly questions: MoveQuestions;
  readonly throttle: MoveThrottle;
  /** No batch is to be begun for now. */
  isPaused(): boolean;
  /** Another turn, soon. */
  wake(): void;
  wakeAfter(delayMs: number): void;
  /** The slots were frozen for so long. */
  paused(slots: number, pauseMs: number): void;
  /** So much is in the target's log. */
  sent(move: MoveEntry, bytes: number): void;
  /** The target has these slots, with so many keys. */
  went(move: MoveEntry, slots: number, keys: number): void;
}

/**
 * PAUSED: no batch is begun. FAREWELL: the shard's last slot waits (farewell.ts). BEGIN: both sides are told. SEND: cuts and effects. FENCE: some of
 * the batch are frozen here. TAIL: their last effects. DECIDE: the target's word. END: it is noted here; what is left of the batch goes on with SEND.
 */
export type MovePhase =
  'plan' | 'paused' | 'farewell' | 'begin' | 'send' | 'fence' | 'tail' | 'decide' | 'end' | 'abort' | 'ended';

export class SourceMove {
  readonly replica: Replica;
  entry: MoveEntry;
  phase: MovePhase = 'plan';
  /** What it waits for, where it did not go on last time. */
  problem = '';
  /** Rises with all that comes off. */
  progress = 0;
  private readonly host: SourceMoveHost;
  private readonly slots: readonly number[];
  private readonly farewell = new Farewell();
  /** What is exported now, and those of it that are frozen, or about to be. */
  private batch: readonly number[] = [];
  private fenced: readonly number[] = [];
  private readonly sender: ItemSender;
  private readonly steps: Steps;
  private feed: ExportFeed | null = null;
  private unforgottenBytes = 0;
  private isForgetting = false;
  /** Since when slots are frozen, or about to be; 0: none is. */
  private fencedMs = 0;
  private retryAtMs = 0;

  constructor(replica: Replica, entry: MoveEntry, host: SourceMoveHost) {
    this.replica = replica;
    this.entry = entry;
    this.host = host;
    this.slots = slotsOf(entry.slots);
    this.sender = new ItemSender({
      throttle: host.throttle,
      nowMs: () => host.now.monotonicMs,
      wake: () => host.wake(),
      wakeAfter: (delayMs) => host.wakeAfter(delayMs),
      ask: (items) => this.askForFrame(items),
    });
    const entryNow = (): MoveEntry => this.entry;
    this.steps = new Steps({
      get entry() {
        return entryNow();
      },
      questions: host.questions,
      cameOn: () => {
        this.progress += 1;
        host.wake();
      },
      failed: (problem) => this.restart(problem, BEGIN_AGAIN_MS),
    });
  }

  /** Slots that the source's log has not ended the move for. */
  slotsLeft(): number[] {
    const { moves } = this.replica.machine;
    return this.slots.filter((slot) => moves.endedOf(slot) < this.entry.id);
  }

  slotsGone(): SlotRange[] {
    const { moves } = this.replica.machine;
    return rangesOf(
      this.slots.filter(
        (slot) => moves.endedOf(slot) === this.entry.id && moves.outcomeOf(slot) === MoveOutcome.WENT,
      ),
    );
  }

  /** Does what can be done now. Called in each turn. */
  advance(): void {
    const { phase } = this;
    if (this.host.now.monotonicMs < this.retryAtMs || phase === 'ended') return;
    if (this.entry.aborting === true && phase !== 'abort' && phase !== 'end') this.restart('', 0);
    if (this.steps.open > 0) {
      // While the fence is on its way what comes is sent on, but for a last frame: that goes with the decision.
      if (
        phase === 'fence' &&
        this.feed !== null &&
        this.feed.leftBytes(this.fenced, FRAME_BYTES) > FRAME_BYTES
      )
        this.sender.send(this.feed, true);
    } else if (this.steps.hasDecisions && this.phase !== 'end') this.end();
    else this.step();
  }

  private step(): void {
    switch (this.phase) {
      case 'plan':
        this.plan();
        break;
      case 'paused':
        if (!this.host.isPaused()) this.plan();
        break;
      case 'farewell':
        this.plan();
        break;
      case 'begin':
        this.begun();
        break;
      case 'send':
        this.send();
        break;
      case 'fence':
        this.awaitFence();
        break;
      case 'tail':
        this.sendTail();
        break;
      case 'decide':
      case 'abort':
        this.restart('the target has not decided', BEGIN_AGAIN_MS);
        break;
      case 'end':
        this.goOn();
        break;
      case 'ended':
        break;
    }
  }

  /** It is another's now. */
  stop(): void {
    this.steps.renew();
    this.feed?.end();
    this.feed = null;
  }

  // --- steps

  private plan(): void {
    const left = this.slotsLeft();
    const { id } = this.entry;
    const recalled = this.entry.aborting === true ? left : this.neverHere(left);
    if (left.length === 0) this.phase = 'ended';
    else if (recalled.length > 0) {
      this.batch = recalled;
      this.phase = 'abort';
      this.steps.ask(slotsItem(MoveItemType.IMPORT_ABORT, id, 0, rangesOf(recalled)));
    } else if (this.host.isPaused() && this.replica.machine.moves.slotsOfMove(id).length === 0) {
      this.phase = 'paused';
    } else {
      this.batch = this.nextBatch(left);
      if (this.batch.length > 0) this.beginBatch();
      else {
        this.phase = 'farewell';
        this.host.wakeAfter(FAREWELL_LOOK_MS);
      }
    }
  }

  private beginBatch(): void {
    const { id, source, target } = this.entry;
    this.phase = 'begin';
    this.fenced = [];
    const ranges = rangesOf(this.batch);
    const { now } = this.host;
    this.steps.propose((waiter) => this.replica.moves.exportBegin(id, target, ranges, waiter, now));
    // Unless that was refused at once.
    if (this.steps.open > 0) this.steps.ask(slotsItem(MoveItemType.IMPORT_BEGIN, id, source, ranges));
  }

  /** A register that had lost epochs in a recovery recorded a move of what had gone from here before: it cannot be sent. */
  private neverHere(left: readonly number[]): readonly number[] {
    return left.filter((slot) => this.replica.machine.moves.stateOf(slot) === SlotState.NONE);
  }

  /** What is frozen first: clients wait for it. Then what is begun, then as much as is worth its commits. None: the shard's last slot waits. */
  private nextBatch(left: readonly number[]): readonly number[] {
    const { moves, operations } = this.replica.machine;
    const begun = moves.slotsOfMove(this.entry.id);
    const frozen = begun.filter((slot) => moves.stateOf(slot) === SlotState.FROZEN);
    if (frozen.length > 0) {
      if (this.fencedMs === 0) this.fencedMs = this.host.now.monotonicMs;
      return frozen;
    }
    this.fencedMs = 0;
    const served = moves.ownedCount + moves.frozenCount;
    const loadOf = (slot: number): number => operations.counts[slot];
    const mayGo = this.farewell.mayGo(left, served, loadOf, this.host.now.monotonicMs);
    const goesOn = begun.filter((slot) => mayGo.includes(slot));
    if (goesOn.length > 0) return goesOn;
    let bytes = 0;
    let count = 0;
    for (const slot of mayGo.slice(0, BATCH_SLOTS)) {
      bytes += moves.bytesIn(slot);
      if (count > 0 && bytes > BATCH_BYTES) break;
      count += 1;
    }
    return mayGo.slice(0, count);
  }

  private begun(): void {
    this.feed = this.replica.moves.feed(this.entry.id);
    if (this.feed === null) {
      this.restart('the source has not begun', BEGIN_AGAIN_MS);
      return;
    }
    this.feed.resume(this.steps.positions);
    this.phase = 'send';
    this.host.wake();
  }

  private send(): void {
    const { feed, sender, batch } = this;
    if (feed === null) return;
    const isUrgent = this.fencedMs > 0;
    if (!isUrgent) {
      sender.sendEffects(feed);
      if (this.feed !== feed) return;
      // Before all that takes a look at each slot, since most turns end with it.
      if (sender.isThrottled()) {
        this.progress += 1;
        return;
      }
    }
    if (!feed.isCut(batch) || feed.leftBytes(batch, FENCE_LEFT_BYTES) > FENCE_LEFT_BYTES) {
      // As fast as it may.
      if (!sender.send(feed, isUrgent)) this.progress += 1;
      if (this.feed === feed) this.forget(feed);
      return;
    }
    // What is little goes with the decision, and nothing that is on its way before it.
    if (sender.inFlightBytes > 0) return;
    this.fence();
  }

  private fence(): void {
    const { now } = this.host;
    this.phase = 'fence';
    this.host.throttle.spendWork(FENCE_COST_BYTES);
    this.fenced = this.batch.slice(0, this.host.throttle.isAtRest ? FENCE_SLOTS_AT_REST : FENCE_SLOTS);
    if (this.fencedMs === 0) this.fencedMs = now.monotonicMs;
    const ranges = rangesOf(this.fenced);
    this.steps.propose((waiter) => this.replica.moves.fence(this.entry.id, ranges, waiter, now));
  }

  private awaitFence(): void {
    const { moves } = this.replica.machine;
    const open = this.fenced.filter((slot) => moves.stateOf(slot) !== SlotState.FROZEN);
    if (open.length === 0) {
      this.phase = 'tail';
      this.sendTail();
    } else if (open.length === this.fenced.length) {
      // More was written meanwhile than may be sent while they are frozen.
      this.fencedMs = 0;
      this.phase = 'send';
      this.host.wake();
    } else this.restart('a transaction on the slots is not decided', BEGIN_AGAIN_MS);
  }

  /** The last effects and the decision are one entry of the target's log, behind all that was sent before. */
  private sendTail(): void {
    const { feed, sender, fenced } = this;
    if (feed === null) return;
    if (feed.leftBytes(fenced, FRAME_BYTES) > FRAME_BYTES) {
      sender.send(feed, true, fenced);
      return;
    }
    if (sender.inFlightBytes > 0) return;
    const tail = feed.next(2 * FRAME_BYTES, fenced);
    const decision = feed.activation(fenced, this.host.now);
    if (decision !== null) {
      this.phase = 'decide';
      this.steps.ask(tail === null ? decision : Buffer.concat([tail, decision]));
    } else if (tail !== null) sender.sendItems(tail);
    else this.restart('a slot is not frozen', BEGIN_AGAIN_MS);
  }

  /** What the target's log has decided is noted in the source's. */
  private end(): void {
    const { id } = this.entry;
    const { moves } = this.replica.machine;
    const { steps } = this;
    const gone = [...steps.gone].sort((a, b) => a - b);
    const kept = [...steps.kept].sort((a, b) => a - b);
    const { now } = this.host;
    if (this.fencedMs > 0) {
      const pauseMs = now.monotonicMs - this.fencedMs;
      this.host.paused(gone.length + kept.length, pauseMs);
    }
    this.fencedMs = 0;
    this.phase = 'end';
    this.batch = this.batch.filter((slot) => !steps.gone.has(slot) && !steps.kept.has(slot));
    steps.gone.clear();
    steps.kept.clear();
    if (gone.length > 0) {
      const keys = gone.reduce((sum, slot) => sum + moves.keysIn(slot), 0);
      this.host.went(this.entry, gone.length, keys);
      this.steps.note((waiter) => this.replica.moves.moved(id, rangesOf(gone), waiter, now));
    }
    if (kept.length > 0)
      this.steps.note((waiter) => this.replica.moves.thaw(id, rangesOf(kept), waiter, now));
    if (this.phase === 'end') this.goOn();
  }

  /** What is left of the batch does not wait for what was noted; another batch does, since it is chosen by what the log says. */
  private goOn(): void {
    if (this.batch.length > 0 && this.feed !== null) {
      this.phase = 'send';
      this.host.wake();
    } else if (this.steps.noting === 0) this.restart('', 0);
  }

  // --- sending

  private askForFrame(items: Buffer): boolean {
    const { feed, host, sender } = this;
    return this.steps.askForFrame(items, (reply) => {
      sender.answered(items);
      this.unforgottenBytes += items.length;
      host.sent(this.entry, items.length);
      if ((reply.answers & NOT_NEXT) !== 0) feed?.resume(reply.positions);
      else feed?.logged(reply.positions);
    });
  }

  /** The source's replicas keep effects until the target has them. */
  private forget(feed: ExportFeed): void {
    if (this.isForgetting || this.unforgottenBytes < FORGET_AFTER_BYTES) return;
    const item = feed.loggedItem();
    if (item === null) return;
    this.unforgottenBytes = 0;
    this.isForgetting = true;
    const done = (): void => {
      this.isForgetting = false;
    };
    this.replica.moves.propose(item, { done, refuse: done }, this.host.now);
  }

  private restart(problem: string, afterMs: number): void {
    this.stop();
    this.problem = problem;
    this.phase = 'plan';
    this.sender.reset();
    this.isForgetting = false;
    this.retryAtMs = this.host.now.monotonicMs + afterMs;
    if (afterMs === 0) this.host.wake();
    else this.host.wakeAfter(afterMs);
  }
}
