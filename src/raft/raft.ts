import { assert, unreachable } from '../assert.ts';
import { entryStampMs } from './entry.ts';
import type { Entry } from './entry.ts';
import { Election } from './election.ts';
import { Follower } from './follower.ts';
import { Leadership } from './leadership.ts';
import { LeaderPreference } from './preference.ts';
import { isVoter } from './quorum.ts';
import { SnapshotReceiver } from './snapshot-receiver.ts';
import { MemberState } from './state.ts';
import type {
  AppendRequest,
  AppendResponse,
  ChangeOutcome,
  GroupId,
  Heartbeat,
  HeartbeatResponse,
  Instant,
  MemberId,
  Membership,
  MembershipRecord,
  MembershipTarget,
  Message,
  PersistMark,
  ProgressStatus,
  ProposeOutcome,
  RaftConfig,
  RaftCore,
  RaftRestored,
  Ready,
  Role,
  SnapshotChunk,
  SnapshotMeta,
  SnapshotResponse,
  TimeoutNow,
  VoteResponse,
} from './types.ts';
import { Voter } from './voter.ts';

const NONE: readonly Entry[] = [];

/** Starts a member from what its disk holds. `now` is its start: it grants no vote for `startHoldMs` from here. */
export function createRaft(config: RaftConfig, restored: RaftRestored, now: Instant): RaftCore {
  return new Raft(config, restored, now);
}

/** One member of one group: routes messages to the role that they concern, and moves it between roles (figure 4). */
class Raft implements RaftCore {
  private readonly state: MemberState;
  private readonly voter: Voter;
  private readonly election: Election;
  private readonly follower: Follower;
  private readonly receiver: SnapshotReceiver;
  private readonly preference: LeaderPreference;
  /** Not null exactly while leading. */
  private leadership: Leadership | null = null;
  private nextReadId = 1;

  constructor(config: RaftConfig, restored: RaftRestored, now: Instant) {
    this.state = new MemberState(config, restored, now);
    this.follower = new Follower(this.state);
    this.receiver = new SnapshotReceiver(this.state);
    this.preference = new LeaderPreference(this.state);
    this.election = new Election(this.state, {
      won: (highestMs, lowestWallMs) => this.becomeLeader(highestMs, lowestWallMs),
      lost: () => this.becomeFollower(this.state.term, 0),
    });
    this.voter = new Voter(this.state, {
      sawTerm: (term) => this.becomeFollower(term, 0),
      voted: () => {
        this.becomeFollower(this.state.term, 0);
        this.election.redrawTimer();
      },
      preVoted: () => this.election.yieldTo(),
      insists: (request) => this.election.insistsAgainst(request),
    });
    const { log } = this.state;
    if (log.lastIndex >= log.firstIndex) config.timekeeper.observe(entryStampMs(log.at(log.lastIndex)));
  }

  get group(): GroupId {
    return this.state.config.group;
  }

  get self(): MemberId {
    return this.state.self;
  }

  get role(): Role {
    return this.state.role;
  }

  get term(): number {
    return this.state.term;
  }

  get leader(): MemberId {
    return this.state.leader;
  }

  get commitIndex(): number {
    return this.state.commitIndex;
  }

  get lastIndex(): number {
    return this.state.log.lastIndex;
  }

  get firstIndex(): number {
    return this.state.log.firstIndex;
  }

  get rules(): number {
    return this.state.log.rules;
  }

  get nextRules(): number {
    return this.state.nextRules;
  }

  get membership(): Membership {
    return this.state.membership;
  }

  get committedMembership(): MembershipRecord {
    return this.state.memberships.at(this.state.commitIndex);
  }

  get readable(): boolean {
    return this.leadership?.isReadable ?? false;
  }

  get logBytes(): number {
    return this.state.log.bytes;
  }

  get electionsStarted(): number {
    return this.election.started;
  }

  get leaseUntilMonotonicMs(): number {
    return this.leadership?.lease.untilMonotonicMs ?? 0;
  }

  get leaseUntilWallMs(): number {
    return this.leadership?.lease.untilWallMs ?? 0;
  }

  get leaseFromMonotonicMs(): number {
    return this.leadership?.lease.fromMonotonicMs ?? 0;
  }

  get leaseFromWallMs(): number {
    return this.leadership?.lease.fromWallMs ?? 0;
  }

  get leaseRoundTimeMs(): number {
    return this.leadership?.lease.roundTimeMs ?? 0;
  }

  get leaseMs(): number {
    return this.state.config.electionTimeoutMs * this.state.config.leaseRatio;
  }

  hasReady(applies = true): boolean {
    const { outbox, storage, appliedIndex } = this.state;
    if (!outbox.isEmpty || storage.hasWork || outbox.hasReads(appliedIndex)) return true;
    return (applies && this.canApply()) || (this.leadership?.hasWork ?? false);
  }

  takeReady(applyBytes = Infinity): Ready {
    this.leadership?.flush();
    if (this.leadership?.isOver === true) this.becomeFollower(this.state.term, 0);
    const { commitIndex, log, outbox, storage, term, vote } = this.state;
    const toPersist = storage.take(term, vote, commitIndex, log);
    const ready: Ready = {
      messages: outbox.takeMessages(),
      hardState: toPersist.hardState,
      entries: toPersist.entries,
      messagesAfterPersist: toPersist.messages,
      mark: toPersist.mark,
      committed: this.takeCommitted(applyBytes),
      reads: outbox.takeReads(this.state.appliedIndex),
      readsLost: outbox.readsLost,
      snapshotsWanted: outbox.takeSnapshotsWanted(),
      snapshotReads: outbox.takeSnapshotReads(),
      snapshotWrite: outbox.snapshotWrite,
      snapshotInstall: outbox.snapshotInstall,
    };
    outbox.clear();
    return ready;
  }

  persisted(mark: PersistMark, now: Instant): void {
    this.state.setNow(now);
    const { log, outbox, storage } = this.state;
    storage.persisted(mark, outbox.send);
    assert(storage.stableIndex <= log.lastIndex, 'what is durable is in the log');
    this.election.onPersisted();
    this.leadership?.onPersisted();
  }

  step(message: Message, now: Instant): void {
    if (message.group !== this.group || message.to !== this.self) return;
    this.state.setNow(now);
    switch (message.kind) {
      case 'append':
      case 'heartbeat':
      case 'snapshot':
        return this.onLeaderRequest(message);
      case 'append-response':
      case 'heartbeat-response':
      case 'snapshot-response':
        return this.onFollowerResponse(message);
      case 'vote':
        return this.voter.onRequest(message);
      case 'vote-response':
        return this.onVoteResponse(message);
      case 'timeout-now':
        return this.onTimeoutNow(message);
      default:
        return unreachable(message, 'message');
    }
  }

  tick(now: Instant): void {
    this.state.setNow(now);
    if (this.leadership === null) this.election.tick();
    else if (!this.leadership.tick()) this.becomeFollower(this.state.term, 0);
  }

  nextDeadlineMs(): number {
    return this.leadership?.deadlineMs ?? this.election.deadlineMs;
  }

  propose(bytes: Buffer, now: Instant): ProposeOutcome {
    this.state.setNow(now);
    return this.leadership?.propose(bytes) ?? 'not-leader';
  }

  entriesAbove(index: number): readonly Entry[] {
    const { log } = this.state;
    return log.range(index + 1, log.lastIndex);
  }

  membershipAt(index: number): Membership {
    return this.state.memberships.at(index).membership;
  }

  changeMembership(target: MembershipTarget, now: Instant): ChangeOutcome {
    this.state.setNow(now);
    return this.leadership?.changeMembership(target) ?? 'not-leader';
  }

  requestRead(now: Instant): number {
    this.state.setNow(now);
    if (this.leadership === null) return 0;
    const { reads, isReadable } = this.leadership;
    return reads.ask(() => this.nextReadId++, isReadable, this.state.commitIndex);
  }

  transferLeadership(to: MemberId, now: Instant): boolean {
    this.state.setNow(now);
    if (this.leadership === null || !this.state.membership.voters.includes(to)) return false;
    if (to !== this.self) this.leadership.startTransfer(to);
    return true;
  }

  compact(index: number): void {
    const { appliedIndex } = this.state;
    // Whatever is applied was handed to the disk, at the latest with the same Ready: it may be forgotten before it is durable there.
    assert(index <= appliedIndex, 'only applied entries are compacted');
    this.state.compactLog(index);
  }

  offerSnapshot(
    to: MemberId,
    snapshot: SnapshotMeta,
    snapshotId: number,
    totalBytes: number,
    now: Instant,
  ): void {
    this.state.setNow(now);
    const peer = this.leadership?.peer(to);
    if (peer !== undefined) this.leadership?.snapshots.offer(peer, snapshot, snapshotId, totalBytes);
  }

  snapshotData(to: MemberId, snapshotId: number, offset: number, data: Uint8Array, now: Instant): void {
    this.state.setNow(now);
    const peer = this.leadership?.peer(to);
    if (peer !== undefined) this.leadership?.snapshots.data(peer, snapshotId, offset, data);
  }

  snapshotFailed(to: MemberId, now: Instant): void {
    this.state.setNow(now);
    const peer = this.leadership?.peer(to);
    if (peer !== undefined) this.leadership?.snapshots.failed(peer);
  }

  snapshotStored(snapshotId: number, nextOffset: number, now: Instant): void {
    this.state.setNow(now);
    this.receiver.stored(snapshotId, nextOffset);
  }

  snapshotInstalled(snapshotId: number, now: Instant): void {
    this.state.setNow(now);
    assert(this.leadership === null, 'a leader lacks no committed entry (§5.4)');
    this.receiver.installed(snapshotId);
  }

  progress(): readonly ProgressStatus[] {
    if (this.leadership === null) return [];
    return this.leadership.peers.map((peer) => peer.status());
  }

  private onLeaderRequest(request: AppendRequest | Heartbeat | SnapshotChunk): void {
    const { state } = this;
    if (request.term < state.term) return this.follower.refuseStale(request);
    assert(request.term > state.term || state.role !== 'leader', 'one leader a term (§5.2)');
    assert(
      request.term > state.term || state.leader === 0 || state.leader === request.from,
      'one leader a term (§5.2)',
    );
    if (request.term > state.term || state.leader !== request.from) {
      this.becomeFollower(request.term, request.from);
    }
    this.voter.heardLeader();
    this.election.restartTimer();
    state.config.timekeeper.observe(request.timeMs);
    if (request.kind === 'heartbeat') this.follower.onHeartbeat(request);
    else if (this.receiver.isInstalling) return;
    else if (request.kind === 'append') this.follower.onAppend(request);
    else this.receiver.onChunk(request);
  }

  /** Only of members of the leader's configuration, and of this term's session with them. */
  private onFollowerResponse(response: AppendResponse | HeartbeatResponse | SnapshotResponse): void {
    const peer = this.leadership?.peer(response.from);
    if (peer === undefined || peer.session !== response.session) return;
    if (response.term > this.state.term) this.becomeFollower(response.term, 0);
    else if (response.term === this.state.term) this.leadership?.onResponse(peer, response);
  }

  private onVoteResponse(response: VoteResponse): void {
    if (!isVoter(this.state.membership, response.from)) return;
    const isGrantedPreVote = response.pre && response.granted;
    if (response.term > this.state.term && !isGrantedPreVote) this.becomeFollower(response.term, 0);
    else this.election.onResponse(response);
  }

  private onTimeoutNow(message: TimeoutNow): void {
    if (message.term !== this.state.term) return;
    if (message.from === this.state.config.preferredLeader) this.preference.handedOver();
    this.election.onTimeoutNow(message);
  }

  private becomeFollower(term: number, leader: MemberId): void {
    const { state } = this;
    const isNewTime = this.leadership !== null || leader !== 0;
    if (this.leadership !== null) {
      state.outbox.readsLost ||= !this.leadership.reads.isEmpty;
      this.leadership = null;
    }
    if (term > state.term) state.enterTerm(term, 0);
    state.role = 'follower';
    state.leader = leader;
    if (isNewTime) this.election.redrawTimer();
  }

  private becomeLeader(quorumHighestMs: number, quorumLowestWallMs: number): void {
    const { state } = this;
    const now = { monotonicMs: state.nowMonotonicMs, wallMs: state.nowWallMs };
    state.config.timekeeper.lead(quorumHighestMs, quorumLowestWallMs, now);
    state.role = 'leader';
    state.leader = state.self;
    this.leadership = new Leadership(state, this.preference);
  }

  private canApply(): boolean {
    return this.state.commitIndex > this.state.appliedIndex && !this.receiver.isInstalling;
  }

  private takeCommitted(maxBytes: number): readonly Entry[] {
    if (maxBytes === 0 || !this.canApply()) return NONE;
    const { appliedIndex, commitIndex, log } = this.state;
    const entries = log.batch(appliedIndex + 1, commitIndex - appliedIndex, maxBytes);
    this.state.appliedIndex = appliedIndex + entries.length;
    this.leadership?.onApply();
    return entries;
  }
}
