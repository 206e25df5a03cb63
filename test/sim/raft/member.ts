import { createRaft } from '../../../src/raft/raft.ts';
import { ENTRY_HEADER_BYTES, EntryKind, writeEntryHeader } from '../../../src/raft/entry.ts';
import type { Entry } from '../../../src/raft/entry.ts';
import { isJoint } from '../../../src/raft/joint.ts';
import { isVoter } from '../../../src/raft/quorum.ts';
import type {
  Instant,
  MemberId,
  Membership,
  MembershipTarget,
  Message,
  PersistMark,
  RaftCore,
  Ready,
  Role,
  SnapshotRead,
  SnapshotWanted,
} from '../../../src/raft/types.ts';
import { SimDisk } from './disk.ts';
import { check } from './check.ts';
import { describeMessage } from './describe-message.ts';
import type { StoredSnapshot } from './disk.ts';
import { LogMirror } from './log-mirror.ts';
import { CounterMachine } from './machine.ts';
import { SimTimekeeper } from './timekeeper.ts';
import type { World } from './world.ts';

const HEARTBEAT_MS = 60;
const ELECTION_MS = 400;
const SPREAD_MS = 200;
const APPLY_LATER_MS = 5;
const LEASE_RATIO = 0.9;
const PAYLOAD_BYTES = 8;
const SNAPSHOT_IDS = 1_000_000;
const OFFERS_KEPT = 3;

interface PendingRead {
  id: number;
  /** What had been acknowledged when it was asked: it must return nothing older. */
  floor: number;
}

/** One member: the core with the driver around it, a process that can be paused and killed. */
export class SimMember {
  readonly id: MemberId;
  readonly disk = new SimDisk();
  machine = new CounterMachine();
  /** The log as this process knows it, to check by. */
  readonly mirror = new LogMirror();
  isUp = false;
  /** Has been started once. */
  isBorn = false;
  /** A change named it. */
  isNamed = false;
  /** A committed membership has left it out... */
  isLeft = false;
  /** ...and a later change named it again. */
  isBack = false;
  /** Its files are gone: it never starts again. */
  isGone = false;
  /** Who has come to the place where this one was, once it is gone: what is still on its way arrives there. */
  heir: SimMember | null = null;
  isPaused = false;
  /** How often it has been paused. */
  pauses = 0;
  private readonly world: World;
  private readonly rate: number;
  private readonly wallRate: number;
  private readonly originMs: number;
  private wallOffsetMs: number;
  private ceilingMs = 0;
  private core!: RaftCore;
  private timekeeper!: SimTimekeeper;
  /** Counts the lives of this process: what an earlier one asked for comes back to nobody. */
  private life = 0;
  /** What came in while this process was paused. */
  private stalled: (() => void)[] = [];
  private isTurnDue = false;
  /** Entries are left that this turn did not apply. */
  private isApplyDue = false;
  private syncDoneMs = 0;
  private timerMs = Infinity;
  private pendingWrites: { index: number; term: number }[] = [];
  private pendingReads: PendingRead[] = [];
  /** By id, the oldest first. */
  private offers = new Map<number, StoredSnapshot>();
  private snapshotsMade = 0;
  private isSnapshotting = false;
  private incoming: Buffer[] = [];

  constructor(world: World, id: MemberId) {
    const { random, options } = world;
    this.world = world;
    this.id = id;
    this.rate = 1 + random.between(-options.drift, options.drift);
    this.wallRate = 1 + random.between(-options.drift, options.drift);
    this.originMs = random.between(0, 1e6);
    this.wallOffsetMs = random.between(-50, 50);
  }

  get role(): Role {
    return this.isUp ? this.core.role : 'follower';
  }

  get term(): number {
    return this.isUp ? this.core.term : 0;
  }

  /** Leads, and has committed an entry of its own term. */
  get isServing(): boolean {
    return this.isUp && !this.isPaused && this.core.readable;
  }

  get commitIndex(): number {
    return this.isUp ? this.core.commitIndex : 0;
  }

  get membership(): Membership {
    return this.isUp ? this.core.membership : EMPTY;
  }

  now(): Instant {
    const { nowMs } = this.world.schedule;
    return {
      monotonicMs: this.originMs + nowMs * this.rate,
      wallMs: nowMs * this.wallRate + this.wallOffsetMs,
    };
  }

  jumpWallClock(byMs: number): void {
    this.wallOffsetMs += byMs;
  }

  start(): void {
    const { world } = this;
    const restored = this.disk.recover();
    this.life++;
    this.isUp = true;
    this.isBorn = true;
    this.isPaused = false;
    this.stalled = [];
    this.machine = new CounterMachine();
    if (this.disk.snapshot !== null) this.machine.load(this.disk.snapshot.data);
    this.timekeeper = new SimTimekeeper(this.ceilingMs, ELECTION_MS * LEASE_RATIO, (startMs) =>
      world.invariants.onLead(this, startMs),
    );
    const membership = this.id <= world.options.members ? world.membership : EMPTY;
    this.mirror.reset(restored.snapshot.index > 0 ? restored.snapshot : { ...restored.snapshot, membership });
    this.mirror.write(restored.entries.filter(({ index }) => index > restored.snapshot.index));
    this.core = createRaft(
      {
        group: 1,
        self: this.id,
        membership,
        preferredLeader: world.options.hasHome ? 1 : 0,
        heartbeatIntervalMs: HEARTBEAT_MS,
        electionTimeoutMs: ELECTION_MS,
        electionSpreadMs: SPREAD_MS,
        startHoldMs: ELECTION_MS,
        leaseRatio: LEASE_RATIO,
        arrearsMs: world.options.arrearsMs,
        maxEntriesPerMessage: world.options.entriesPerMessage,
        maxBytesPerMessage: 200,
        maxMessagesInFlight: 3,
        maxBytesInFlight: 500,
        maxUncommittedBytes: 1500,
        maxSnapshotChunkBytes: world.options.snapshotChunkBytes,
        random: world.random.unit,
        timekeeper: this.timekeeper,
        rules: { newest: 1, least: () => 1 },
      },
      restored,
      this.now(),
    );
    this.mirror.truncateTo(this.core.lastIndex);
    if (this.mirror.changes > 0) world.coverage.restartsWithChanges++;
    this.trace(`starts in term ${this.core.term} with ${this.core.lastIndex} entries`);
    this.endTurn();
  }

  crash(): void {
    if (this.role === 'leader' && isJoint(this.membership)) this.world.coverage.leaderCrashesInJoint++;
    const lost = this.disk.crash(this.world.random);
    this.trace(`crashes, ${lost} writes lost`);
    if (lost > 0) this.world.coverage.lostWrites++;
    this.ceilingMs = this.timekeeper.ceilingMs();
    this.isUp = false;
    this.life++;
    this.timerMs = Infinity;
    this.isTurnDue = false;
    this.isApplyDue = false;
    this.pendingWrites = [];
    this.pendingReads = [];
    this.offers.clear();
    this.isSnapshotting = false;
    this.incoming = [];
  }

  destroy(): void {
    if (this.isUp) this.crash();
    this.isGone = true;
    this.trace('is gone for good');
  }

  pause(): void {
    this.isPaused = true;
    this.pauses++;
    this.trace('is paused');
  }

  resume(): void {
    if (!this.isPaused) return;
    this.isPaused = false;
    this.trace('goes on');
    for (const run of this.stalled.splice(0)) this.input(run);
  }

  receive(message: Message): void {
    this.input(() => {
      this.trace(`hears ${describeMessage(message)}`);
      this.core.step(message, this.now());
    });
  }

  /** What was for another, whose place this one has: it does nothing. */
  receiveStray(message: Message): void {
    if (!this.isUp || this.isPaused || this.core.hasReady()) return;
    this.core.step(message, this.now());
    check(!this.core.hasReady(), () => `own-messages: ${this.id} acts on what was for ${message.to}`);
  }

  write(): void {
    this.input(() => {
      const now = this.now();
      const bytes = Buffer.alloc(ENTRY_HEADER_BYTES + PAYLOAD_BYTES);
      const stampMs = this.core.role === 'leader' ? this.timekeeper.leaderTimeMs(now) : 0;
      writeEntryHeader(bytes, { kind: EntryKind.COMMANDS, rules: 1, seed: 0, stampMs });
      bytes.writeDoubleLE(this.world.nextWrite++, ENTRY_HEADER_BYTES);
      const outcome = this.core.propose(bytes, now);
      this.world.coverage.proposals[outcome]++;
      if (outcome === 'proposed') {
        this.pendingWrites.push({ index: this.core.lastIndex, term: this.core.term });
      }
    });
  }

  read(): void {
    this.input(() => {
      const floor = this.world.acknowledgedIndex;
      if (this.hasLease() && this.hasAppliedOwn && this.world.random.chance(0.7)) {
        const { leaseRoundTimeMs, leaseMs } = this.core;
        const timeMs = Math.min(this.timekeeper.leaderTimeMs(this.now()), leaseRoundTimeMs + leaseMs);
        this.world.coverage.leaseReads++;
        this.answer(floor, timeMs, 'lease');
        return;
      }
      const id = this.core.requestRead(this.now());
      if (id !== 0) this.pendingReads.push({ id, floor });
    });
  }

  transferTo(to: MemberId): void {
    this.input(() => {
      if (this.core.transferLeadership(to, this.now())) this.trace(`hands leadership to ${to}`);
    });
  }

  changeMembership(target: MembershipTarget, onProposed: () => void): void {
    this.input(() => {
      const outcome = this.core.changeMembership(target, this.now());
      const { voters, learners } = target;
      this.trace(`is asked for voters ${voters.join(' ')}, learners ${learners.join(' ')}: ${outcome}`);
      this.world.coverage.changes[outcome]++;
      if (outcome === 'proposed') onProposed();
    });
  }

  /** By its own clocks, now. */
  hasLease(): boolean {
    if (!this.isUp) return false;
    const { core } = this;
    if (core.leaseUntilMonotonicMs === 0) return false;
    const { monotonicMs, wallMs } = this.now();
    return (
      monotonicMs >= core.leaseFromMonotonicMs &&
      monotonicMs < core.leaseUntilMonotonicMs &&
      wallMs >= core.leaseFromWallMs &&
      wallMs < core.leaseUntilWallMs
    );
  }

  /** As a replica reads: what it answers from has all that was acknowledged before it led. */
  private get hasAppliedOwn(): boolean {
    return this.machine.term === this.core.term;
  }

  /** Runs when this life of the process is there to run it: a paused one does so when it goes on. */
  private input(run: () => void): void {
    if (!this.isUp) return;
    if (this.isPaused) {
      this.stalled.push(run);
      return;
    }
    const { commitIndex, membership } = this;
    run();
    if (this.role === 'leader' && this.commitIndex > commitIndex) {
      this.world.invariants.ofMembership.onLeaderCommit(this, membership);
    }
    this.turn();
  }

  private later(delayMs: number, run: () => void): void {
    const { life } = this;
    this.world.schedule.after(delayMs, () => {
      if (life === this.life) this.input(run);
    });
  }

  /** Either at once, or when more input has been gathered. */
  private turn(): void {
    const { options, random } = this.world;
    if (this.isTurnDue) return;
    if (options.turnMs === 0) return this.endTurn();
    this.isTurnDue = true;
    const { life } = this;
    this.world.schedule.after(random.between(0, options.turnMs), () => {
      if (life !== this.life) return;
      if (this.isPaused) this.stalled.push(() => this.endTurn());
      else this.endTurn();
    });
  }

  private endTurn(): void {
    this.isTurnDue = false;
    const wasLeader = this.role === 'leader';
    this.drain();
    if (wasLeader && this.role !== 'leader' && !isVoter(this.membership, this.id)) {
      this.trace('steps down: it was left out');
      this.world.coverage.leadersRemoved++;
    }
    this.world.invariants.onStep(this);
    this.setTimer();
  }

  /** As the engine does: what is to be applied in slices, so many of them, and then only what else there is. */
  private drain(): void {
    const { options, random, coverage } = this.world;
    let slices = 0;
    const applies = (): boolean => options.applyBytes === Infinity || slices < options.applySlices;
    while (this.isUp && this.core.hasReady(applies())) {
      const ready = this.core.takeReady(applies() ? options.applyBytes : 0);
      if (ready.committed.length > 0) slices++;
      this.handle(ready);
    }
    if (!this.isUp || this.isApplyDue || !this.core.hasReady()) return;
    // Behind what is heard meanwhile.
    coverage.appliedLater++;
    this.isApplyDue = true;
    this.later(random.between(0, APPLY_LATER_MS), () => {
      this.isApplyDue = false;
    });
  }

  private handle(ready: Ready): void {
    const { core, world } = this;
    world.invariants.onReady(this, ready);
    for (const message of ready.messages) world.send(message);
    if (ready.entries.length > 0) {
      world.coverage.membershipsRolledBack += this.mirror.write(ready.entries);
      world.invariants.ofMembership.onWritten(this, ready.entries[0].index);
    }
    if (ready.mark !== null) this.persist(ready, ready.mark);
    else for (const message of ready.messagesAfterPersist) world.send(message);
    for (const entry of ready.committed) this.apply(entry);
    if (ready.readsLost)
      this.pendingReads = this.pendingReads.filter((read) => ready.reads.some((r) => r.id === read.id));
    for (const { id, index, roundTimeMs } of ready.reads) this.answerReads(id, index, roundTimeMs);
    for (const wanted of ready.snapshotsWanted) this.offer(wanted);
    for (const read of ready.snapshotReads) this.readSnapshot(read);
    if (ready.snapshotWrite !== null) {
      const { snapshotId, offset, data } = ready.snapshotWrite;
      if (offset === 0) this.incoming = [];
      this.incoming.push(Buffer.from(data));
      world.coverage.snapshotChunks++;
      this.later(world.diskDelay(), () => core.snapshotStored(snapshotId, offset + data.length, this.now()));
    }
    if (ready.snapshotInstall !== null) {
      const { snapshotId, snapshot } = ready.snapshotInstall;
      this.later(world.diskDelay(), () =>
        this.install(snapshotId, { meta: snapshot, data: Buffer.concat(this.incoming) }),
      );
    }
  }

  private persist(ready: Ready, mark: PersistMark): void {
    const position = this.disk.write(ready.hardState, ready.entries);
    // Syncs end in order, each at least as long after its write as the disk takes.
    const { schedule } = this.world;
    this.syncDoneMs = Math.max(this.syncDoneMs, schedule.nowMs + this.world.diskDelay());
    const { life } = this;
    schedule.after(this.syncDoneMs - schedule.nowMs, () => {
      if (life !== this.life) return;
      this.disk.sync(position);
      this.input(() => {
        for (const message of ready.messagesAfterPersist) this.world.send(message);
        this.core.persisted(mark, this.now());
      });
    });
  }

  private apply(entry: Entry): void {
    this.machine.apply(entry);
    this.world.invariants.onApplied(this, entry);
    while (this.pendingWrites.length > 0 && this.pendingWrites[0].index <= entry.index) {
      const write = this.pendingWrites.shift();
      if (write?.index === entry.index && write.term === entry.term) this.world.acknowledged(entry.index);
    }
    if (entry.index % this.world.options.snapshotEvery === 0) this.makeSnapshot();
  }

  private answerReads(id: number, index: number, roundTimeMs: number): void {
    this.world.check(
      this.machine.index >= index,
      `reads-current: member ${this.id} is handed a read ahead of its entries`,
    );
    for (const read of this.pendingReads) {
      if (read.id !== id) continue;
      this.world.coverage.indexReads++;
      this.answer(read.floor, roundTimeMs, `round`);
    }
    this.pendingReads = this.pendingReads.filter((read) => read.id !== id);
  }

  private answer(floor: number, timeMs: number, how: string): void {
    this.trace(`answers a read by ${how} at ${this.machine.index}`);
    this.world.check(
      this.machine.index >= floor,
      `reads-current: by ${how}, member ${this.id} of term ${this.term} answers from ${this.machine.index}, ${floor} was acknowledged before`,
    );
    this.world.acknowledged(this.machine.index);
    this.timekeeper.observe(timeMs);
    this.world.invariants.onTimeServed(this, timeMs);
  }

  private makeSnapshot(): void {
    if (this.isSnapshotting) return;
    this.isSnapshotting = true;
    const { index, term } = this.machine;
    const meta = { index, term, membership: this.core.membershipAt(index) };
    const data = this.machine.save();
    this.later(this.world.random.between(0, 2) * this.world.diskDelay(), () => {
      this.isSnapshotting = false;
      if ((this.disk.snapshot?.meta.index ?? 0) >= meta.index) return;
      this.disk.snapshot = { meta, data };
      this.disk.release(this.world.random.chance(0.5) ? meta.index : 0);
      this.core.compact(Math.max(0, meta.index - this.world.random.below(4)));
      this.world.coverage.compactions++;
      this.trace(`makes a snapshot at ${meta.index}`);
    });
  }

  private offer({ to, minIndex }: SnapshotWanted): void {
    this.later(this.world.diskDelay(), () => {
      const snapshot = this.disk.snapshot;
      if (snapshot === null || snapshot.meta.index < minIndex || this.world.random.chance(0.1)) {
        this.core.snapshotFailed(to, this.now());
        return;
      }
      const known = [...this.offers].find(([, offered]) => offered === snapshot);
      const id = known?.[0] ?? this.id * SNAPSHOT_IDS + this.life * 1000 + ++this.snapshotsMade;
      this.offers.set(id, snapshot);
      if (this.offers.size > OFFERS_KEPT) this.offers.delete([...this.offers.keys()][0]);
      this.core.offerSnapshot(to, snapshot.meta, id, snapshot.data.length, this.now());
    });
  }

  private readSnapshot({ to, snapshotId, offset, maxBytes }: SnapshotRead): void {
    this.later(this.world.diskDelay(), () => {
      const offered = this.offers.get(snapshotId);
      if (offered === undefined) this.core.snapshotFailed(to, this.now());
      else {
        const data = offered.data.subarray(offset, offset + maxBytes);
        this.core.snapshotData(to, snapshotId, offset, data, this.now());
      }
    });
  }

  private install(snapshotId: number, snapshot: StoredSnapshot): void {
    this.disk.snapshot = snapshot;
    // A crash may come between the disk's switch to the snapshot and the core's learning of it.
    this.later(this.world.diskDelay(), () => {
      this.machine.load(snapshot.data);
      const before = JSON.stringify(this.mirror.last.membership);
      this.mirror.reset(snapshot.meta);
      if (JSON.stringify(this.mirror.last.membership) !== before) this.world.coverage.membershipsInstalled++;
      this.world.coverage.installs++;
      this.trace(`installs a snapshot at ${snapshot.meta.index}`);
      this.core.snapshotInstalled(snapshotId, this.now());
      this.world.invariants.checkHash(this);
    });
  }

  private setTimer(): void {
    if (!this.isUp) return;
    const deadlineMs = this.core.nextDeadlineMs();
    if (deadlineMs === this.timerMs || deadlineMs === Infinity) return;
    this.timerMs = deadlineMs;
    const delayMs = (deadlineMs - this.now().monotonicMs) / this.rate;
    const { life } = this;
    this.world.schedule.after(delayMs + TIMER_SLACK_MS, () => {
      if (life !== this.life || this.timerMs !== deadlineMs) return;
      this.input(() => {
        this.timerMs = Infinity;
        this.core.tick(this.now());
      });
    });
  }

  private trace(line: string): void {
    this.world.trace?.(
      `member ${this.id} ${this.isUp ? `t${this.core.term} ${this.core.role}` : 'down'}: ${line}`,
    );
  }
}

const EMPTY: Membership = { voters: [], votersOld: [], learners: [] };

/** Rounding must not make a timer fire just before its deadline, for ever. */
const TIMER_SLACK_MS = 0.001;
