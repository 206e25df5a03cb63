/**
 * One move as the leader of its source drives it (design section 8): batch by batch of its slots, each from the target's staging area to the entry that
 * says here that it went. It remembers nothing that counts: what the logs of both sides say decides what comes next, so that each step may be done
 * twice, and a new leader goes on where another stood. What fails is begun again after a while.
 */
import type { Instant } from '../../raft/types.ts';
import { MoveItemType, slotsItem } from '../../shard/moves/move-item.ts';
import { MoveAnswer, MoveOutcome, SlotState } from '../../shard/moves/slot-state.ts';
import type { ExportFeed, ItemAnswers, MoveWaiter } from '../../shard/moves/types.ts';
import type { Replica } from '../../shard/replica.ts';
import type { MoveThrottle } from '../../topology/move-throttle.ts';
import { rangesOf, slotsOf } from '../../topology/slot-ranges.ts';
import type { MoveEntry, SlotRange } from '../../topology/types.ts';
import type { MoveReply } from './move-messages.ts';
import type { MoveQuestions } from './move-questions.ts';

/** Of one batch: what is exported at once. The first slot counts, however large it is. */
const BATCH_SLOTS = 32;
const BATCH_BYTES = 16 * 1024 * 1024;
/** One message of items. */
const FRAME_BYTES = 64 * 1024;
/** Sent and not answered. */
const WINDOW_BYTES = 1024 * 1024;
/** Frames made in one turn of the event loop: each takes about a millisecond. */
const FRAMES_PER_TURN = 2;
/** So little is left that the slots can be frozen: it is sent in less time than the commits beside it take. */
const FENCE_LEFT_BYTES = 64 * 1024;
/** So much may be logged at the target before the source's replicas are told to forget it. */
const FORGET_AFTER_BYTES = 1024 * 1024;
const BEGIN_AGAIN_MS = 50;
/** The throttle lets more through after this. */
const THROTTLED_MS = 2;

export interface SourceMoveHost {
  /** Of the present turn. */
  readonly now: Instant;
  readonly questions: MoveQuestions;
  readonly throttle: MoveThrottle;
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

/** BEGIN: both sides are told. SEND: cuts and effects. FENCE: frozen here. TAIL: the last effects. DECIDE: the target's word. END: it is noted here. */
export type MovePhase = 'plan' | 'begin' | 'send' | 'fence' | 'tail' | 'decide' | 'end' | 'abort' | 'ended';

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
  private batch: readonly number[] = [];
  private feed: ExportFeed | null = null;
  /** Rises with each new beginning: answers to what was asked before do not count. */
  private attempt = 0;
  /** Steps that are not answered: entries proposed here, and questions but for those of bytes. */
  private open = 0;
  private inFlightBytes = 0;
  /** What the target needs next, as it said when it was told of the batch. */
  private positions: MoveReply['positions'] = [];
  private unforgottenBytes = 0;
  private isForgetting = false;
  /** Since when the batch is frozen, or about to be; 0: it is not. */
  private fencedMs = 0;
  private retryAtMs = 0;
  /** By the target's log: slots of the batch that went over, and those that did not. */
  private readonly gone = new Set<number>();
  private readonly kept = new Set<number>();

  constructor(replica: Replica, entry: MoveEntry, host: SourceMoveHost) {
    this.replica = replica;
    this.entry = entry;
    this.host = host;
    this.slots = slotsOf(entry.slots);
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
    if (this.open > 0) {
      // Effects go on while the fence is on its way.
      if (phase === 'fence' && this.feed !== null) this.sendFrames(this.feed);
    } else if (this.gone.size + this.kept.size > 0 && this.phase !== 'end') this.end();
    else this.step();
  }

  private step(): void {
    switch (this.phase) {
      case 'plan':
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
        this.restart('', 0);
        break;
      case 'ended':
        break;
    }
  }

  /** It is another's now. */
  stop(): void {
    this.attempt += 1;
    this.feed?.end();
    this.feed = null;
  }

  // --- steps

  private plan(): void {
    const left = this.slotsLeft();
    const { id, source, target } = this.entry;
    const recalled = this.entry.aborting === true ? left : this.neverHere(left);
    if (left.length === 0) this.phase = 'ended';
    else if (recalled.length > 0) {
      this.batch = recalled;
      this.phase = 'abort';
      this.ask(slotsItem(MoveItemType.IMPORT_ABORT, id, 0, rangesOf(recalled)));
    } else {
      this.batch = this.nextBatch(left);
      this.phase = 'begin';
      const ranges = rangesOf(this.batch);
      const { now } = this.host;
      this.propose((waiter) => this.replica.moves.exportBegin(id, target, ranges, waiter, now));
      // Unless that was refused at once.
      if (this.open > 0) this.ask(slotsItem(MoveItemType.IMPORT_BEGIN, id, source, ranges));
    }
  }

  /** A register that had lost epochs in a recovery recorded a move of what had gone from here before: it cannot be sent. */
  private neverHere(left: readonly number[]): readonly number[] {
    return left.filter((slot) => this.replica.machine.moves.stateOf(slot) === SlotState.NONE);
  }

  /** What is frozen first: clients wait for it. Then what is begun, then as much as is worth its commits. */
  private nextBatch(left: readonly number[]): readonly number[] {
    const { moves } = this.replica.machine;
    const begun = moves.slotsOfMove(this.entry.id);
    const frozen = begun.filter((slot) => moves.stateOf(slot) === SlotState.FROZEN);
    if (frozen.length > 0) {
      if (this.fencedMs === 0) this.fencedMs = this.host.now.monotonicMs;
      return frozen;
    }
    this.fencedMs = 0;
    if (begun.length > 0) return begun;
    let bytes = 0;
    let count = 0;
    for (const slot of left.slice(0, BATCH_SLOTS)) {
      bytes += moves.bytesIn(slot);
      if (count > 0 && bytes > BATCH_BYTES) break;
      count += 1;
    }
    return left.slice(0, count);
  }

  private begun(): void {
    this.feed = this.replica.moves.feed(this.entry.id);
    if (this.feed === null) {
      this.restart('the source has not begun', BEGIN_AGAIN_MS);
      return;
    }
    this.feed.resume(this.positions);
    this.phase = 'send';
    this.host.wake();
  }

  private send(): void {
    const { feed } = this;
    if (feed === null) return;
    this.sendFrames(feed);
    this.forget(feed);
    if (this.feed !== feed || feed.leftBytes(this.batch) + this.inFlightBytes > FENCE_LEFT_BYTES) return;
    const { now, throttle } = this.host;
    // What is sent while the slots are frozen is not held back: what that was counts before the next ones are.
    if (throttle.allowance(now.monotonicMs) <= 0) {
      this.host.wakeAfter(THROTTLED_MS);
      return;
    }
    this.phase = 'fence';
    if (this.fencedMs === 0) this.fencedMs = now.monotonicMs;
    const ranges = rangesOf(this.batch);
    this.propose((waiter) => this.replica.moves.fence(this.entry.id, ranges, waiter, now));
  }

  private awaitFence(): void {
    const { moves } = this.replica.machine;
    if (!this.batch.every((slot) => moves.stateOf(slot) === SlotState.FROZEN)) {
      this.restart('a transaction on the slots is not decided', BEGIN_AGAIN_MS);
      return;
    }
    this.phase = 'tail';
    this.sendTail();
  }

  private sendTail(): void {
    const { feed } = this;
    if (feed === null) return;
    this.sendFrames(feed);
    if (this.feed !== feed || this.inFlightBytes > 0 || feed.leftBytes(this.batch) > 0) return;
    const item = feed.activation(this.batch, this.host.now);
    if (item === null) {
      this.restart('a slot is not frozen', BEGIN_AGAIN_MS);
      return;
    }
    this.phase = 'decide';
    this.ask(item);
  }

  /** What the target's log has decided is noted in the source's. */
  private end(): void {
    const { id } = this.entry;
    const { moves } = this.replica.machine;
    const gone = [...this.gone].sort((a, b) => a - b);
    const kept = [...this.kept].sort((a, b) => a - b);
    const { now } = this.host;
    if (this.fencedMs > 0) this.host.paused(gone.length + kept.length, now.monotonicMs - this.fencedMs);
    this.fencedMs = 0;
    this.phase = 'end';
    if (gone.length > 0) {
      const keys = gone.reduce((sum, slot) => sum + moves.keysIn(slot), 0);
      this.host.went(this.entry, gone.length, keys);
      this.propose((waiter) => this.replica.moves.moved(id, rangesOf(gone), waiter, now));
    }
    if (kept.length > 0) this.propose((waiter) => this.replica.moves.thaw(id, rangesOf(kept), waiter, now));
  }

  // --- sending

  private sendFrames(feed: ExportFeed): void {
    const { host } = this;
    for (let made = 0; made < FRAMES_PER_TURN; made++) {
      if (this.inFlightBytes >= WINDOW_BYTES) return;
      // Once it is frozen clients wait, and the throttle does not count.
      if (this.phase === 'send' && host.throttle.allowance(host.now.monotonicMs) <= 0) {
        host.wakeAfter(THROTTLED_MS);
        // As fast as it may.
        this.progress += 1;
        return;
      }
      const items = feed.next(FRAME_BYTES);
      if (items === null) return;
      this.sendFrame(feed, items);
      if (this.feed !== feed) return;
    }
    host.wake();
  }

  private sendFrame(feed: ExportFeed, items: Buffer): void {
    const { host } = this;
    host.throttle.spend(items.length);
    this.inFlightBytes += items.length;
    this.question(items, (reply) => {
      this.inFlightBytes -= items.length;
      this.unforgottenBytes += items.length;
      host.sent(this.entry, items.length);
      const isBehind = reply.answers.some(({ answers }) => answers.includes(MoveAnswer.NOT_NEXT));
      if (isBehind) feed.resume(reply.positions);
      else feed.logged(reply.positions);
    });
  }

  /** The source's replicas keep effects until the target has them. */
  private forget(feed: ExportFeed): void {
    if (this.isForgetting || this.unforgottenBytes < FORGET_AFTER_BYTES) return;
    const item = feed.loggedItem();
    if (item === null) return;
    this.unforgottenBytes = 0;
    this.isForgetting = true;
    const { attempt } = this;
    const done = (): void => {
      if (attempt === this.attempt) this.isForgetting = false;
    };
    this.replica.moves.propose(item, { done, refuse: done }, this.host.now);
  }

  // --- questions and proposals

  private ask(items: Buffer): void {
    this.open += 1;
    this.question(items, (reply) => {
      this.open -= 1;
      this.positions = reply.positions;
    });
  }

  private question(items: Buffer, answered: (reply: MoveReply) => void): void {
    const { attempt } = this;
    const { id, target } = this.entry;
    const isAsked = this.host.questions.ask({ shard: target, move: id, slots: [] }, items, (reply) => {
      if (attempt === this.attempt) this.take(reply, answered);
    });
    if (!isAsked && attempt === this.attempt) this.restart('the target is not reached', BEGIN_AGAIN_MS);
  }

  private take(reply: MoveReply, answered: (reply: MoveReply) => void): void {
    if (reply.refusal !== 0) {
      this.restart('the target has not answered', BEGIN_AGAIN_MS);
      return;
    }
    this.progress += 1;
    for (const { slot, ended } of reply.positions) {
      if (ended === MoveOutcome.WENT) this.gone.add(slot);
      else if (ended === MoveOutcome.ABORTED) this.kept.add(slot);
    }
    const problem = problemOf(reply.answers);
    if (problem !== null && this.gone.size + this.kept.size === 0) this.restart(problem, BEGIN_AGAIN_MS);
    else answered(reply);
    this.host.wake();
  }

  private propose(run: (waiter: MoveWaiter) => void): void {
    const { attempt } = this;
    this.open += 1;
    run({
      done: () => {
        if (attempt !== this.attempt) return;
        this.open -= 1;
        this.progress += 1;
        this.host.wake();
      },
      refuse: () => {
        if (attempt === this.attempt) this.restart('the source has not taken an entry', BEGIN_AGAIN_MS);
      },
    });
  }

  private restart(problem: string, afterMs: number): void {
    this.stop();
    this.problem = problem;
    this.phase = 'plan';
    this.open = 0;
    this.inFlightBytes = 0;
    this.isForgetting = false;
    this.gone.clear();
    this.kept.clear();
    this.retryAtMs = this.host.now.monotonicMs + afterMs;
    if (afterMs === 0) this.host.wake();
    else this.host.wakeAfter(afterMs);
  }
}

/** What keeps a step from having been taken; null: it was, or it goes on. */
function problemOf(answers: readonly ItemAnswers[]): string | null {
  for (const item of answers) {
    if (item.answers.includes(MoveAnswer.OLD_TERM)) return 'the target knows a later leader of the source';
    if (item.answers.includes(MoveAnswer.NOT_NOW)) return 'the target is not ready for these slots';
  }
  return null;
}
