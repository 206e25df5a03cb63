/**
 * The turn of a node (ARCHITECTURE.md, "The turn"): gathers what a turn of the event loop brought, then, once: proposes, writes, sends, applies,
 * answers. One timer serves all groups.
 */
import type { Clock, Timer, Timers } from '../env/contracts.ts';
import type { Instant, Message, PersistMark, Ready } from '../raft/types.ts';
import type { Wal } from '../wal/types.ts';
import type { Replica } from './replica.ts';

/** How far the synced ceiling is kept above any time served or acknowledged, and when it is raised (design section 5, "Time"). */
const CEILING_AHEAD_MS = 2000;
const CEILING_RAISE_MS = 1000;
const LEADERLESS_AHEAD_MS = 10_000;
const MAINTAIN_INTERVAL_MS = 100;
const TIMER_MIN_MS = 1;
/** Messages that wait for the ceiling; more are lost, as on any network. */
const HELD_MESSAGES = 256;
/** What long reads of one shard may take of a turn. */
const LONG_READ_TURN_MS = 2;
const LONG_READ_STEPS = 16;
/** Committed entries are applied in slices of so many bytes a shard: small writes of about a millisecond. */
const APPLY_SLICE_BYTES = 32 * 1024;
/** When a turn has taken so long, or applied so many slices, what is left of them is the next one's. */
const APPLY_TURN_MS = 3;
const APPLY_TURN_SLICES = 16;

interface Handled {
  replica: Replica;
  ready: Ready;
}

interface Written {
  replica: Replica;
  mark: PersistMark | null;
  messages: readonly Message[];
}

export interface EngineHooks {
  /** Sends a Raft message; it may be lost. */
  send(message: Message): void;
  /** Before batches are sealed: routes follow their leaders, and send what waits. */
  beforeSeal(): void;
  /** The snapshots that a Ready asks for. */
  snapshots(replica: Replica, ready: Ready): void;
  /** The end of the turn: one frame a peer, one write a client. */
  flush(): void;
  /** What was sent so far goes to the peers. */
  flushPeers(): void;
  /** Ten times a second, or `lateMs` later. */
  maintain(lateMs: number): void;
  /** A broken invariant or a failed disk: the node must stop. */
  fatal(error: unknown): void;
}

export class Engine {
  /** The latest clock reading: taken after the last byte of the input being handled was read. */
  readonly now: Instant;
  private readonly clock: Clock;
  private readonly timers: Timers;
  private readonly wal: Wal;
  private readonly hooks: EngineHooks;
  private readonly replicas: Replica[] = [];
  private scheduled = false;
  private inTurn = false;
  /** Asked for during a turn: another one follows. */
  private wanted = false;
  private stopped = false;
  private staged = false;
  /** Messages were sent since the last flush. */
  private hasSent = false;
  private written: Written[] = [];
  /** The Readies of a pass, by their count; null once done with, since one may hold much of a log. */
  private readonly handled: (Handled | null)[] = [];
  private timer: Timer | null = null;
  private timerAtMs = Infinity;
  private maintainAtMs = 0;
  private syncedCeilingMs: number;
  private askedCeilingMs: number;
  /** Messages whose time is above the synced ceiling: to be sent, and to be taken in. */
  private unsent: Message[] = [];
  private unheard: { replica: Replica; message: Message }[] = [];

  constructor(clock: Clock, timers: Timers, wal: Wal, ceilingMs: number, hooks: EngineHooks) {
    this.clock = clock;
    this.timers = timers;
    this.wal = wal;
    this.hooks = hooks;
    this.syncedCeilingMs = ceilingMs;
    this.askedCeilingMs = ceilingMs;
    this.now = { monotonicMs: clock.monotonicMs(), wallMs: clock.wallMs() };
    this.maintainAtMs = this.now.monotonicMs + MAINTAIN_INTERVAL_MS;
  }

  /** No time above this may be served or acknowledged. */
  get ceilingMs(): number {
    return this.syncedCeilingMs;
  }

  add(replica: Replica): void {
    this.replicas.push(replica);
  }

  /** Not within a turn. */
  remove(replica: Replica): void {
    const at = this.replicas.indexOf(replica);
    if (at >= 0) this.replicas.splice(at, 1);
    this.unheard = this.unheard.filter((held) => held.replica !== replica);
  }

  readClock(): Instant {
    this.clock.read(this.now);
    return this.now;
  }

  /** There is something to do at the end of this turn. */
  wake(): void {
    if (this.scheduled || this.stopped) return;
    if (this.inTurn) {
      this.wanted = true;
      return;
    }
    this.scheduled = true;
    this.timers.endOfTurn(this.atEndOfTurn);
  }

  private readonly atEndOfTurn = (): void => {
    this.scheduled = false;
    this.guarded();
  };

  /** No more turns. */
  stop(): void {
    this.stopped = true;
    this.timer?.cancel();
  }

  step(replica: Replica, message: Message): void {
    if ('timeMs' in message && message.timeMs > this.syncedCeilingMs) {
      // This time must not be acknowledged yet: the message comes later, as if the network were slow. Rare: the ceiling is raised well before.
      if (this.unheard.length < HELD_MESSAGES) this.unheard.push({ replica, message });
      this.raiseCeiling(message.timeMs);
    } else {
      try {
        replica.raft.step(message, this.now);
      } catch (error) {
        this.fail(error);
      }
      // The acknowledgement of another follower than the one that a commit needed, or of a heartbeat, mostly: nothing follows from it.
      const isAnswer = message.kind === 'append-response' || message.kind === 'heartbeat-response';
      if (isAnswer && !replica.raft.hasReady() && replica.raft.nextDeadlineMs() >= this.timerAtMs) return;
    }
    this.wake();
  }

  /** Runs `done` once the ceiling is above the time for a while. Used before the first turn. */
  coverTime(timeMs: number, done: () => void): void {
    if (timeMs + CEILING_RAISE_MS <= this.syncedCeilingMs) done();
    else this.raiseCeiling(timeMs, done);
  }

  /** Syncs a ceiling CEILING_AHEAD_MS above the time, unless it is asked for already. */
  private raiseCeiling(timeMs: number, done?: () => void): void {
    const ceilingMs = timeMs + CEILING_AHEAD_MS;
    if (ceilingMs <= this.askedCeilingMs) return;
    this.askedCeilingMs = ceilingMs;
    this.wal.stageTimeCeiling(ceilingMs, () => {
      this.syncedCeilingMs = ceilingMs;
      this.releaseHeld();
      done?.();
    });
    this.staged = true;
    this.wake();
  }

  /** A time above the synced ceiling must not be told either. */
  private send(message: Message): void {
    if ('timeMs' in message && message.timeMs > this.syncedCeilingMs) {
      if (this.unsent.length < HELD_MESSAGES) this.unsent.push(message);
      this.raiseCeiling(message.timeMs);
      return;
    }
    this.hasSent = true;
    this.hooks.send(message);
  }

  /** The ceiling is higher now: what is above it still is held again. */
  private releaseHeld(): void {
    if (this.stopped || (this.unsent.length === 0 && this.unheard.length === 0)) return;
    const { unsent, unheard } = this;
    this.unsent = [];
    this.unheard = [];
    if (!this.inTurn) this.readClock();
    for (const message of unsent) this.send(message);
    for (const { replica, message } of unheard) this.step(replica, message);
    this.wake();
  }

  private guarded(): void {
    if (this.stopped) return;
    this.inTurn = true;
    try {
      this.turn();
    } catch (error) {
      this.fail(error);
    }
    this.inTurn = false;
    if (!this.wanted) return;
    this.wanted = false;
    this.wake();
  }

  private fail(error: unknown): void {
    this.stopped = true;
    this.hooks.fatal(error);
  }

  private turn(): void {
    const now = this.readClock();
    for (const replica of this.replicas) {
      if (replica.raft.nextDeadlineMs() <= now.monotonicMs) replica.raft.tick(now);
      replica.settle();
    }
    if (now.monotonicMs >= this.maintainAtMs) this.maintain(now);
    this.hooks.beforeSeal();
    for (const replica of this.replicas) replica.seal(now);
    this.drain(now);
    this.readOn();
    this.hasSent = false;
    this.hooks.flush();
    this.setTimer(now.monotonicMs);
  }

  /** Goes on with long reads for a while; another turn follows when there is more to do, of expiry, too. */
  private readOn(): void {
    for (const replica of this.replicas) {
      if (replica.expiresOn) this.wake();
      let hasMore = !replica.machine.longReads.isIdle;
      if (!hasMore) continue;
      const fromMs = this.clock.monotonicMs();
      for (let steps = 0; hasMore && steps < LONG_READ_STEPS; steps++) {
        hasMore = replica.stepLongReads(fromMs);
        if (this.clock.monotonicMs() - fromMs >= LONG_READ_TURN_MS) break;
      }
      if (hasMore) this.wake();
    }
  }

  private maintain(now: Instant): void {
    const lateMs = now.monotonicMs - this.maintainAtMs;
    this.maintainAtMs = now.monotonicMs + MAINTAIN_INTERVAL_MS;
    for (const replica of this.replicas) {
      replica.maintain(now);
      // A new leader starts at the wall clock when there was none for a while: the ceiling goes along, but not with a clock that jumped.
      const { time } = replica;
      const wallMs = Math.min(now.wallMs, time.highestMs() + LEADERLESS_AHEAD_MS);
      const timeMs = Math.max(time.highestLivedMs, wallMs);
      if (timeMs + CEILING_RAISE_MS > this.askedCeilingMs) this.raiseCeiling(timeMs);
    }
    this.hooks.maintain(lateMs);
  }

  /** Until no group has anything to do: in `buffered` a write is durable at once, and what it allows is done in the same turn. */
  private drain(now: Instant): void {
    const { handled } = this;
    let slices = 0;
    let mayApply = true;
    for (;;) {
      let count = 0;
      let applies = false;
      for (const replica of this.replicas) {
        if (!replica.raft.hasReady(mayApply)) continue;
        const ready = replica.raft.takeReady(mayApply ? APPLY_SLICE_BYTES : 0);
        handled[count++] = { replica, ready };
        this.stage(replica, ready);
        if (ready.committed.length > 0) applies = true;
      }
      if (count === 0 && !this.staged) {
        if (!mayApply) this.wake();
        return;
      }
      if (this.staged) this.write();
      // To apply is on nobody's way to a commit: it comes when the disk works already, and what followers acknowledge is on its way.
      if (applies && this.hasSent) this.sendNow();
      for (let i = 0; i < count && !this.stopped; i++) {
        const one = handled[i];
        handled[i] = null;
        if (one !== null) this.applyReady(one, now);
      }
      // The first slice is all that there is, mostly.
      if (applies && ++slices > 1 && mayApply) mayApply = this.mayApplyOn(slices, now);
    }
  }

  private mayApplyOn(slices: number, now: Instant): boolean {
    return slices < APPLY_TURN_SLICES && this.clock.monotonicMs() - now.monotonicMs < APPLY_TURN_MS;
  }

  private write(): void {
    this.staged = false;
    const { written } = this;
    this.written = [];
    this.sendAhead(written);
    this.wal.flush(() => this.durable(written));
  }

  /** Followers write while this node does (thesis §10.2.1), unless messages follow that must wait for the disk: one frame a turn is cheaper. */
  private sendAhead(written: readonly Written[]): void {
    if (!this.hasSent) return;
    for (const { messages } of written) if (messages.length > 0) return;
    this.sendNow();
  }

  private sendNow(): void {
    this.hasSent = false;
    this.hooks.flushPeers();
  }

  /** Hands over to the mesh and the disk. */
  private stage(replica: Replica, ready: Ready): void {
    for (const message of ready.messages) this.send(message);
    if (ready.hardState !== null) this.wal.stageHardState(replica.raft.group, ready.hardState);
    if (ready.entries.length > 0) this.wal.stageEntries(replica.raft.group, ready.entries);
    if (ready.hardState !== null || ready.entries.length > 0) this.staged = true;
    if (ready.mark !== null || ready.messagesAfterPersist.length > 0) {
      this.written.push({ replica, mark: ready.mark, messages: ready.messagesAfterPersist });
      this.staged = true;
    }
  }

  private applyReady({ replica, ready }: Handled, now: Instant): void {
    if (ready.committed.length > 0 || ready.reads.length > 0 || ready.readsLost)
      replica.advance(ready.committed, ready.reads, ready.readsLost, now);
    this.hooks.snapshots(replica, ready);
    replica.settle();
  }

  private durable(written: readonly Written[]): void {
    if (this.stopped) return;
    const now = this.inTurn ? this.now : this.readClock();
    try {
      for (const { replica, mark, messages } of written) {
        for (const message of messages) this.send(message);
        if (mark !== null) this.persisted(replica, mark, now);
      }
    } catch (error) {
      this.fail(error);
    }
    // In `buffered` the turn that wrote it goes on.
    if (!this.inTurn) this.wake();
  }

  private persisted({ raft }: Replica, mark: PersistMark, now: Instant): void {
    const { commitIndex, role } = raft;
    raft.persisted(mark, now);
    // What a member alone wins or commits so, the turn that wrote it has not led routes to, nor sealed into the room that it makes: another does.
    if (raft.commitIndex !== commitIndex || raft.role !== role) this.wake();
  }

  private setTimer(nowMs: number): void {
    let dueMs = this.maintainAtMs;
    for (const replica of this.replicas) dueMs = Math.min(dueMs, replica.raft.nextDeadlineMs());
    // Deadlines mostly move on: a timer that is set already fires first, and sees.
    if (this.timer !== null && this.timerAtMs <= dueMs) return;
    this.timer?.cancel();
    this.timerAtMs = dueMs;
    this.timer = this.timers.after(Math.max(TIMER_MIN_MS, dueMs - nowMs), () => {
      this.timer = null;
      this.timerAtMs = Infinity;
      this.guarded();
    });
  }
}
