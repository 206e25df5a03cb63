import { assert } from '../assert.ts';
import { ENTRY_HEADER_BYTES, EntryKind, sealEntry, writeEntryHeader } from './entry.ts';
import { Lease } from './lease.ts';
import { encodeMembership } from './membership.ts';
import type { Entry } from './entry.ts';
import type { LeaderPreference } from './preference.ts';
import { choosePeers, heirOf } from './peers.ts';
import type { Progress } from './progress.ts';
import { isOnlyVoter, isVoter, peersOf, quorumValue } from './quorum.ts';
import { ReadQueue } from './reads.ts';
import { Reconfiguration } from './reconfiguration.ts';
import { Replication } from './replication.ts';
import { Rounds } from './rounds.ts';
import type { Round } from './rounds.ts';
import { SnapshotSender } from './snapshot-sender.ts';
import type { MemberState } from './state.ts';
import { Thrift } from './thrift.ts';
import { Transfer } from './transfer.ts';
import type {
  AppendResponse,
  ChangeOutcome,
  HeartbeatResponse,
  MemberId,
  Membership,
  MembershipTarget,
  ProposeOutcome,
  SnapshotResponse,
} from './types.ts';

const NOOP_SEED = 0;

/** What a member is while it leads: figure 2's volatile state on leaders, made anew with each term that it wins. */
export class Leadership {
  readonly lease: Lease;
  readonly reads = new ReadQueue();
  readonly snapshots: SnapshotSender;
  readonly transfer: Transfer;
  /** One for each member but this one; those that the membership leaves out among them until that is committed. */
  peers: readonly Progress[] = [];
  private readonly state: MemberState;
  private readonly preference: LeaderPreference;
  private readonly rounds = new Rounds();
  private readonly replication: Replication;
  private readonly changes: Reconfiguration;
  private readonly thrift: Thrift;
  private isAlone: boolean;
  private readonly noopIndex: number;
  private uncommittedBytes: number;
  /** The own-term no-op was handed over to be applied: only then may the applied state be read under the lease. */
  private isServing = false;
  private heartbeatMs: number;
  private isHeartbeatDue = true;
  /** The log's last index at the last heartbeat. */
  private lastAtHeartbeat = 0;
  /** The newest that a quorum has acknowledged. */
  private acknowledgedRound = 0;
  /** A change that left this leader out is committed: it goes as soon as another can come. */
  private isDeparting = false;
  /** The round that messages go out with until the next Ready is taken. */
  private openRound: Round | null = null;

  constructor(state: MemberState, preference: LeaderPreference) {
    const { config, log, membership, self } = state;
    this.state = state;
    this.preference = preference;
    this.lease = new Lease(config.electionTimeoutMs, config.leaseRatio);
    this.snapshots = new SnapshotSender(state);
    this.transfer = new Transfer(state, this.lease);
    this.replication = new Replication(state, this.snapshots, () => this.round());
    this.isAlone = isOnlyVoter(membership, self);
    this.heartbeatMs = state.nowMonotonicMs + config.heartbeatIntervalMs;
    this.uncommittedBytes = log.bytesAbove(state.commitIndex);
    this.thrift = new Thrift(state);
    this.renewPeers();
    this.noopIndex = log.lastIndex + 1;
    this.changes = new Reconfiguration(state, this.noopIndex, (next) => this.appendMembership(next));
    this.appendNoop();
  }

  /** §6.4: a new leader knows which entries are committed only once one of its own term is. */
  get isReadable(): boolean {
    return this.state.commitIndex >= this.noopIndex;
  }

  get deadlineMs(): number {
    return Math.min(this.heartbeatMs, this.transfer.deadlineMs, this.thrift.deadlineMs);
  }

  peer(member: MemberId): Progress | undefined {
    for (const peer of this.peers) if (peer.member === member) return peer;
    return undefined;
  }

  get hasWork(): boolean {
    if (this.isHeartbeatDue || this.reads.needsRound) return true;
    for (const peer of this.peers) if (this.replication.canSend(peer)) return true;
    return false;
  }

  /** For a majority, or for the own disk, without which the others may commit: what that has not taken is memory, too. */
  private get waitingBytes(): number {
    return Math.max(this.uncommittedBytes, this.state.storage.underWayBytes);
  }

  propose(bytes: Buffer): ProposeOutcome {
    if (this.transfer.isUnderWay) return 'transferring';
    const { waitingBytes } = this;
    const isFull = waitingBytes + bytes.length > this.state.config.maxUncommittedBytes;
    // One entry over the limit goes through when nothing else waits: else it never could.
    if (isFull && waitingBytes > 0) return 'full';
    this.append(bytes);
    return 'proposed';
  }

  changeMembership(target: MembershipTarget): ChangeOutcome {
    if (this.transfer.isUnderWay) return 'transferring';
    if (this.waitingBytes >= this.state.config.maxUncommittedBytes) return 'full';
    return this.changes.start(target);
  }

  /** It left this member out, and a successor has been told to go ahead: nothing is left to do (§6). */
  get isOver(): boolean {
    return this.isDeparting && (this.transfer.isTold || !this.transfer.isUnderWay);
  }

  /** Sends what there is to send; called once a Ready, so that all of a turn goes out in batches and in one round. */
  flush(): void {
    for (const peer of this.peers) {
      this.replication.flush(peer);
      // Also beside an append: the answer to that waits for a disk.
      if (this.isHeartbeatDue || this.reads.needsRound) this.sendHeartbeat(peer);
    }
    if (this.reads.needsRound) this.reads.roundSent(this.round().number);
    this.isHeartbeatDue = false;
    this.openRound = null;
    if (this.isAlone) this.onRoundAcknowledged();
  }

  /** CheckQuorum: false once no quorum has answered for an election timeout, or nothing is left to do. */
  tick(): boolean {
    const { config, nowMonotonicMs } = this.state;
    this.transfer.tick();
    if (this.isOver) return false;
    this.advanceChange();
    if (nowMonotonicMs < this.heartbeatMs) return true;
    this.heartbeatMs = nowMonotonicMs + config.heartbeatIntervalMs;
    if (nowMonotonicMs - this.quorumHeardMs() >= config.electionTimeoutMs) return false;
    this.isHeartbeatDue = true;
    for (const peer of this.peers) this.snapshots.tick(peer);
    this.preferHome();
    this.preferFasterDisk();
    return true;
  }

  onResponse(peer: Progress, response: AppendResponse | HeartbeatResponse | SnapshotResponse): void {
    assert(response.round <= this.rounds.last, 'only rounds that were sent are acknowledged');
    peer.heardMs = this.state.nowMonotonicMs;
    if (response.kind === 'append-response') this.replication.onResponse(peer, response);
    else if (response.kind === 'snapshot-response') this.snapshots.onResponse(peer, response);
    else this.replication.onHeartbeatResponse(peer, response.round);
    if (peer.isSpared && response.kind === 'append-response') this.thrift.onAcknowledged(peer);
    this.advanceCommit();
    if (response.round > peer.ackedRound) {
      peer.ackedRound = response.round;
      peer.promiseMs = response.promiseMs;
      this.onRoundAcknowledged();
    }
    this.transfer.advance(this.peerOf);
  }

  /** The leader's own log has reached the disk. */
  onPersisted(): void {
    this.advanceCommit();
  }

  /** Committed entries were handed over to be applied. */
  onApply(): void {
    if (this.isServing || this.state.appliedIndex < this.noopIndex) return;
    this.isServing = true;
    if (this.isAlone) this.lease.holdForever();
    else this.onRoundAcknowledged();
  }

  startTransfer(to: MemberId): void {
    this.transfer.start(to);
    this.transfer.advance(this.peerOf);
  }

  private readonly peerOf = (member: MemberId): Progress | undefined => this.peer(member);

  private readonly matchOf = (member: MemberId): number =>
    member === this.state.self ? this.state.storage.stableIndex : (this.peer(member)?.match ?? 0);

  private readonly ackedRoundOf = (member: MemberId): number =>
    member === this.state.self ? this.rounds.last : (this.peer(member)?.ackedRound ?? 0);

  /** Only entries of the own term are committed by counting; earlier ones are with them (§5.4.2). */
  private advanceCommit(): void {
    const { log, membership, term } = this.state;
    const index = quorumValue(membership, this.matchOf);
    if (index <= this.state.commitIndex || log.termAt(index) !== term) return;
    const wasReadable = this.isReadable;
    for (let i = this.state.commitIndex + 1; i <= index; i++) {
      this.uncommittedBytes -= log.at(i).bytes.length;
    }
    this.state.commitTo(index);
    if (!wasReadable && this.isReadable) {
      this.reads.becameReadable(index);
      this.onRoundAcknowledged();
    }
    if (index >= this.changes.awaitedIndex) this.advanceChange();
  }

  /** A member promises nothing to itself: it votes for another only once it leads no more. */
  private onRoundAcknowledged(): void {
    const number = quorumValue(this.state.membership, this.ackedRoundOf);
    // Members that have just come may be behind what others have acknowledged long ago.
    if (number <= 0 || number < this.acknowledgedRound) return;
    this.acknowledgedRound = number;
    this.rounds.forgetBefore(number);
    const round = this.rounds.get(number);
    if (this.isServing && !this.isAlone) this.lease.renew(round, this.leastPromiseMs(number));
    this.reads.confirm(number, round.timeMs, this.state.outbox.reads);
  }

  private leastPromiseMs(round: number): number {
    let leastMs = Infinity;
    for (const peer of this.peers) {
      if (peer.ackedRound < round || !isVoter(this.state.membership, peer.member)) continue;
      leastMs = Math.min(leastMs, peer.promiseMs);
    }
    return leastMs;
  }

  private quorumHeardMs(): number {
    const { membership, self, nowMonotonicMs } = this.state;
    return quorumValue(membership, (member) =>
      member === self ? nowMonotonicMs : (this.peer(member)?.heardMs ?? -Infinity),
    );
  }

  private preferHome(): void {
    const { config, membership, self } = this.state;
    const home = config.preferredLeader;
    if (home === 0 || home === self || !membership.voters.includes(home)) return;
    if (!this.isReadable || this.transfer.isUnderWay || !this.preference.wants(this.peer(home))) return;
    this.preference.attempted();
    this.startTransfer(home);
  }

  /**
   * The others commit without the own disk, which has not taken in a heartbeat what there was, and half of what may wait for it does: one of them
   * leads on, and does not run into the limit.
   */
  private preferFasterDisk(): void {
    const { commitIndex, config, log, storage } = this.state;
    const { stableIndex, underWayBytes } = storage;
    const isStalled = stableIndex < this.lastAtHeartbeat && stableIndex < commitIndex;
    this.lastAtHeartbeat = log.lastIndex;
    if (!isStalled || underWayBytes * 2 < config.maxUncommittedBytes) return;
    const heir = heirOf(this.peers, this.state);
    if (this.transfer.isUnderWay || !this.preference.wants(heir)) return;
    this.preference.attempted();
    this.startTransfer(heir.member);
  }

  private renewPeers(): void {
    this.peers = choosePeers(this.state, this.peers);
    this.thrift.assign(this.peers);
  }

  /** The next step of a change of membership, if what it waits for is committed. */
  private advanceChange(): void {
    if (this.state.commitIndex < this.changes.awaitedIndex || this.transfer.isUnderWay) return;
    if (!this.changes.advance()) return;
    const members = peersOf(this.state.membership, this.state.self);
    const { leavesOut } = this.changes;
    // Who is left, or leaves, is told of the commit now: those that do not hear of it go on to stand for election.
    for (const peer of this.peers) {
      if (!leavesOut && members.includes(peer.member)) continue;
      peer.isCheckDue = true;
      this.replication.flush(peer);
    }
    this.renewPeers();
    if (leavesOut) this.depart();
  }

  /** §6: a leader that is no member of what it has committed steps down. Its heir need not wait for an election timeout. */
  private depart(): void {
    this.isDeparting = true;
    this.startTransfer(heirOf(this.peers, this.state).member);
  }

  private sendHeartbeat(peer: Progress): void {
    const { config, commitIndex, outbox, self, term } = this.state;
    const { number, timeMs } = this.round();
    outbox.send({
      kind: 'heartbeat',
      group: config.group,
      from: self,
      to: peer.member,
      term,
      session: peer.session,
      round: number,
      timeMs,
      commit: Math.min(peer.match, commitIndex),
    });
  }

  private round(): Round {
    if (this.openRound === null) {
      const { config, nowMonotonicMs, nowWallMs } = this.state;
      const timeMs = config.timekeeper.leaderTimeMs({ monotonicMs: nowMonotonicMs, wallMs: nowWallMs });
      this.openRound = this.rounds.start(nowMonotonicMs, nowWallMs, timeMs);
    }
    return this.openRound;
  }

  private appendNoop(): void {
    const bytes = Buffer.alloc(ENTRY_HEADER_BYTES);
    const { nextRules: rules } = this.state;
    writeEntryHeader(bytes, { kind: EntryKind.NOOP, rules, seed: NOOP_SEED, stampMs: this.stampMs() });
    this.append(bytes);
  }

  /** Never below an entry before it: a slot that came with a time above this node's ceiling has the log go ahead of the leader's time. */
  private stampMs(): number {
    const { config, nowMonotonicMs: monotonicMs, nowWallMs: wallMs } = this.state;
    const { timekeeper } = config;
    return Math.max(timekeeper.leaderTimeMs({ monotonicMs, wallMs }), timekeeper.highestMs());
  }

  /** In force from here on, for this leader as for whoever gets the entry. */
  private appendMembership(membership: Membership): void {
    const { self, nextRules } = this.state;
    this.state.adoptMembership(this.append(encodeMembership(membership, nextRules, this.stampMs())));
    this.renewPeers();
    const wasAlone = this.isAlone;
    this.isAlone = isOnlyVoter(membership, self);
    if (wasAlone && !this.isAlone) this.lease.revoke();
    else if (this.isAlone && this.isServing) this.lease.holdForever();
  }

  private append(bytes: Buffer): Entry {
    const { log, storage, term } = this.state;
    const entry = sealEntry(bytes, term, log.lastIndex + 1);
    this.thrift.onAppend();
    log.append(entry);
    storage.logChanged(entry.index);
    this.uncommittedBytes += bytes.length;
    return entry;
  }
}
