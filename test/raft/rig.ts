import { createRaft } from '../../src/raft/raft.ts';
import { ENTRY_HEADER_BYTES, EntryKind, sealEntry, writeEntryHeader } from '../../src/raft/entry.ts';
import type { Entry } from '../../src/raft/entry.ts';
import type {
  ChangeOutcome,
  Instant,
  MemberId,
  MembershipTarget,
  Message,
  ProposeOutcome,
  RaftConfig,
  RaftCore,
  RaftRestored,
  ReadReady,
  Ready,
  SnapshotMeta,
  Timekeeper,
} from '../../src/raft/types.ts';
import { decodeMembership } from '../../src/raft/membership.ts';
import { describeMembership } from '../sim/raft/describe-message.ts';
import { SimDisk } from '../sim/raft/disk.ts';

export const ELECTION_MS = 400;
export const HEARTBEAT_MS = 60;
/** Without a spread the election timeout is ELECTION_MS exactly, whoever's turn it is. */
const SPREAD_MS = 0;
const SNAPSHOT_ID = 1000;

export interface RigOptions extends Partial<RaftConfig> {
  self: MemberId;
  voters: readonly MemberId[];
  startMs?: number;
}

class TestTimekeeper implements Timekeeper {
  seenMs = 0;
  led: { highestMs: number; lowestWallMs: number } | null = null;

  leaderTimeMs(now: Instant): number {
    return now.monotonicMs;
  }

  observe(timeMs: number): void {
    this.seenMs = Math.max(this.seenMs, timeMs);
  }

  highestMs(): number {
    return this.seenMs;
  }

  lead(highestMs: number, lowestWallMs: number): void {
    this.led = { highestMs, lowestWallMs };
  }
}

interface WriteUnderWay {
  ready: Ready;
  position: number;
}

/** One member with a driver that writes down what it does; its clock and its disk obey the test. */
export class Rig {
  readonly self: MemberId;
  readonly disk = new SimDisk();
  timekeeper = new TestTimekeeper();
  core: RaftCore;
  nowMs: number;
  wallOffsetMs = 0;
  /** False: writes are done only by `persist`. */
  isDiskFast = true;
  /** False: a snapshot that is complete is installed only by `install`. */
  isInstallFast = true;
  /** False: what has come of a snapshot is stored only by `store`. */
  isStoreFast = true;
  sent: Message[] = [];
  applied: Entry[] = [];
  reads: ReadReady[] = [];
  /** Of committed entries, what one Ready may hold. */
  applyBytes = Infinity;
  readsLost = 0;
  notes: string[] = [];
  private readonly options: RigOptions;
  private writes: WriteUnderWay[] = [];
  private snapshotsMade = 0;
  private installing = 0;
  private storing: { snapshotId: number; nextOffset: number } | null = null;
  private incoming: Buffer[] = [];

  constructor(options: RigOptions, restored?: RaftRestored) {
    this.options = options;
    this.self = options.self;
    this.nowMs = options.startMs ?? 0;
    if (restored !== undefined) this.disk.sync(this.disk.write(restored.hardState, restored.entries));
    this.core = this.start();
    this.turn();
  }

  now(): Instant {
    return { monotonicMs: this.nowMs, wallMs: this.nowMs + this.wallOffsetMs };
  }

  step(message: Message): void {
    this.core.step(message, this.now());
    this.turn();
  }

  tick(): void {
    this.core.tick(this.now());
    this.turn();
  }

  /** Lets time pass, and ticks when something is due. */
  pass(ms: number): void {
    const untilMs = this.nowMs + ms;
    while (this.core.nextDeadlineMs() <= untilMs) {
      this.nowMs = Math.max(this.nowMs, this.core.nextDeadlineMs());
      this.tick();
    }
    this.nowMs = untilMs;
  }

  propose(text: string): ProposeOutcome {
    const bytes = Buffer.concat([Buffer.alloc(ENTRY_HEADER_BYTES), Buffer.from(text)]);
    writeEntryHeader(bytes, {
      kind: EntryKind.COMMANDS,
      rules: this.core.nextRules,
      seed: 0,
      stampMs: this.nowMs,
    });
    const outcome = this.core.propose(bytes, this.now());
    this.turn();
    return outcome;
  }

  change(target: MembershipTarget): ChangeOutcome {
    const outcome = this.core.changeMembership(target, this.now());
    this.turn();
    return outcome;
  }

  read(): number {
    const id = this.core.requestRead(this.now());
    this.turn();
    return id;
  }

  transfer(to: MemberId): boolean {
    const isStarted = this.core.transferLeadership(to, this.now());
    this.turn();
    return isStarted;
  }

  /** The oldest write that is under way is done. */
  persist(): void {
    const write = this.writes.shift();
    if (write === undefined) return;
    this.disk.sync(write.position);
    this.sent.push(...write.ready.messagesAfterPersist);
    if (write.ready.mark !== null) this.core.persisted(write.ready.mark, this.now());
    this.turn();
  }

  /** The newest bytes of a snapshot are on disk. */
  store(): void {
    this.stored();
    this.turn();
  }

  private stored(): void {
    if (this.storing !== null)
      this.core.snapshotStored(this.storing.snapshotId, this.storing.nextOffset, this.now());
    this.storing = null;
  }

  /** State machine and disk stand at the snapshot. */
  install(): void {
    this.core.snapshotInstalled(this.installing, this.now());
    this.turn();
  }

  /** What is under way is lost, and the process starts again. */
  restart(): void {
    this.disk.crash({ below: () => 0 });
    this.writes = [];
    this.sent = [];
    this.applied = [];
    this.incoming = [];
    this.timekeeper = new TestTimekeeper();
    this.core = this.start();
    this.turn();
  }

  /** Makes a snapshot of all that is applied, and forgets the log below. */
  snapshot(): SnapshotMeta {
    const last = this.applied[this.applied.length - 1];
    const meta = { index: last.index, term: last.term, membership: this.core.membershipAt(last.index) };
    this.disk.snapshot = { meta, data: Buffer.from(this.applied.map(textOf).join(',')) };
    this.disk.release(meta.index);
    this.core.compact(meta.index);
    this.snapshotsMade++;
    return meta;
  }

  hasLease(): boolean {
    const { core } = this;
    const { monotonicMs, wallMs } = this.now();
    return (
      monotonicMs >= core.leaseFromMonotonicMs &&
      monotonicMs < core.leaseUntilMonotonicMs &&
      wallMs >= core.leaseFromWallMs &&
      wallMs < core.leaseUntilWallMs
    );
  }

  /** The messages sent since the last call. */
  takeSent(): Message[] {
    const { sent } = this;
    this.sent = [];
    return sent;
  }

  turn(): void {
    while (this.core.hasReady(this.applyBytes > 0)) this.handle(this.core.takeReady(this.applyBytes));
  }

  private start(): RaftCore {
    const { self, voters, startMs: _, ...overrides } = this.options;
    return createRaft(
      {
        group: 1,
        self,
        membership: { voters, votersOld: [], learners: [] },
        preferredLeader: 0,
        heartbeatIntervalMs: HEARTBEAT_MS,
        electionTimeoutMs: ELECTION_MS,
        electionSpreadMs: SPREAD_MS,
        startHoldMs: ELECTION_MS,
        leaseRatio: 0.9,
        arrearsMs: 0,
        maxEntriesPerMessage: 64,
        maxBytesPerMessage: 4096,
        maxMessagesInFlight: 4,
        maxBytesInFlight: 8192,
        maxUncommittedBytes: 4096,
        maxSnapshotChunkBytes: 4,
        random: () => 0,
        timekeeper: this.timekeeper,
        rules: { newest: 1, least: () => 1 },
        ...overrides,
      },
      this.disk.recover(),
      this.now(),
    );
  }

  private handle(ready: Ready): void {
    this.sent.push(...ready.messages);
    const position = this.disk.write(ready.hardState, ready.entries);
    if (ready.mark === null) this.sent.push(...ready.messagesAfterPersist);
    else this.writes.push({ ready, position });
    this.applied.push(...ready.committed);
    if (ready.committed.length > 0) this.notes.push(`${this.self} applies to ${this.applied.at(-1)?.index}`);
    this.reads.push(...ready.reads);
    for (const { id, index } of ready.reads) this.notes.push(`${this.self} answers read ${id} at ${index}`);
    if (ready.readsLost) {
      this.readsLost++;
      this.notes.push(`${this.self} loses its reads`);
    }
    this.handleSnapshots(ready);
    if (ready.mark !== null && this.isDiskFast) this.persist();
  }

  private handleSnapshots(ready: Ready): void {
    const { core, disk } = this;
    const id = this.self * SNAPSHOT_ID + this.snapshotsMade;
    for (const { to } of ready.snapshotsWanted) {
      if (disk.snapshot === null) core.snapshotFailed(to, this.now());
      else core.offerSnapshot(to, disk.snapshot.meta, id, disk.snapshot.data.length, this.now());
    }
    for (const { to, snapshotId, offset, maxBytes } of ready.snapshotReads) {
      if (disk.snapshot === null || snapshotId !== id) core.snapshotFailed(to, this.now());
      else {
        const data = disk.snapshot.data.subarray(offset, offset + maxBytes);
        core.snapshotData(to, snapshotId, offset, data, this.now());
      }
    }
    if (ready.snapshotWrite !== null) {
      const { snapshotId, offset, data } = ready.snapshotWrite;
      if (offset === 0) this.incoming = [];
      this.incoming.push(Buffer.from(data));
      this.notes.push(`${this.self} stores snapshot bytes ${offset} to ${offset + data.length}`);
      this.storing = { snapshotId, nextOffset: offset + data.length };
      if (this.isStoreFast) this.stored();
    }
    if (ready.snapshotInstall !== null) {
      const { snapshotId, snapshot } = ready.snapshotInstall;
      disk.snapshot = { meta: snapshot, data: Buffer.concat(this.incoming) };
      this.notes.push(
        `${this.self} installs snapshot ${snapshot.index}/${snapshot.term}: ${disk.snapshot.data.toString()}`,
      );
      this.installing = snapshotId;
      if (this.isInstallFast) this.install();
    }
  }
}

export function textOf(entry: Entry): string {
  if (entry.kind === EntryKind.NOOP) return '-';
  if (entry.kind === EntryKind.MEMBERSHIP) return describeMembership(decodeMembership(entry));
  return entry.bytes.toString('utf8', ENTRY_HEADER_BYTES);
}

/** A log given as its terms: [1, 1, 2] is 1/1, 2/1, 3/2. */
export function entriesOf(terms: readonly number[], from = 1, rules = 1): Entry[] {
  return terms.map((term, i) => {
    const bytes = Buffer.alloc(ENTRY_HEADER_BYTES);
    writeEntryHeader(bytes, { kind: EntryKind.NOOP, rules, seed: 0, stampMs: 0 });
    return sealEntry(bytes, term, from + i);
  });
}

export function restoredWith(terms: readonly number[], term: number, vote = 0, commit = 0): RaftRestored {
  const membership = { voters: [], votersOld: [], learners: [] };
  return {
    hardState: { term, vote, commit },
    snapshot: { index: 0, term: 0, membership },
    entries: entriesOf(terms),
  };
}
