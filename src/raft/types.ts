/**
 * The words of one Raft group: what goes in, what comes out. The core is pure: no clock, timer, randomness or I/O of its own;
 * time comes in as an Instant, randomness as a function of the configuration, effects go out as a Ready.
 */
import type { Entry } from './entry.ts';

/** Given once within a cluster, never again. A successor of a shard's lost group is another group. */
export type GroupId = number;
/** Given once within a group, never again: the same node re-added is another member. 0 is nobody. */
export type MemberId = number;

/** One reading of both clocks, taken by the caller after the last byte of its input was read. */
export interface Instant {
  monotonicMs: number;
  wallMs: number;
}

/** What must be on disk before a member answers in a term. `commit` is a hint that speeds up recovery. */
export interface HardState {
  term: number;
  vote: MemberId;
  commit: number;
}

/**
 * Who is a member. Effective on append: each member goes by the last one in its log, committed or not (§6).
 * Joint, while `votersOld` is not empty: whatever is decided takes a majority of both lists. Learners get the log and decide nothing; one
 * that votes no more once the joint membership is left is in `votersOld` and `learners`.
 */
export interface Membership {
  voters: readonly MemberId[];
  votersOld: readonly MemberId[];
  learners: readonly MemberId[];
}

/** A membership, and the index of the entry, or of the snapshot, that it came with; 0: with the configuration of the member. */
export interface MembershipRecord {
  index: number;
  membership: Membership;
}

/** What a change is to lead to. */
export interface MembershipTarget {
  voters: readonly MemberId[];
  learners: readonly MemberId[];
}

/** Names a snapshot: the last entry that it covers, and what the log said of membership there. */
export interface SnapshotMeta {
  index: number;
  term: number;
  membership: Membership;
}

/**
 * The shard's log time, which runs with the leader's clock (design section 5). The core carries it: it goes out with every append
 * and heartbeat, votes carry the highest seen, and a new leader starts above its quorum's.
 */
export interface Timekeeper {
  /** The leader's log time at this instant, to be sent with a round. */
  leaderTimeMs(now: Instant): number;
  /** A time was seen in a leader's message, or in an entry. */
  observe(timeMs: number): void;
  /** The highest time that this member has seen, served or acknowledged. */
  highestMs(): number;
  /**
   * This member has won an election: it leads from the greater of the quorum's highest time plus one lease,
   * and the lowest wall clock in the quorum's votes.
   */
  lead(quorumHighestMs: number, quorumLowestWallMs: number, now: Instant): void;
}

/** The versions of the rules that entries are applied by (design section 6). They never fall along a log. */
export interface EntryRules {
  /** The newest that this build applies by: a log with an entry of a newer one is not opened, nor such an entry taken into it. */
  readonly newest: number;
  /** What a new entry is applied by at least: the state's, which may know more than the log in memory, and the cluster's. */
  least(): number;
}

export interface RaftConfig {
  group: GroupId;
  self: MemberId;
  /**
   * The first configuration; what the log or snapshot says later wins. Without voters: the member opens empty, and does not campaign until
   * its own log names it a voter.
   */
  membership: Membership;
  /** Leadership goes to this member whenever it is caught up (the home node); 0 for nobody. */
  preferredLeader: MemberId;
  heartbeatIntervalMs: number;
  /**
   * The promise: how long after hearing a leader a member votes for no other (§4.2.3, §6.4.1), and the least election timeout.
   * The same on all members.
   */
  electionTimeoutMs: number;
  /** How long a member that has just started grants no vote, its own included: the longest promise that it can have forgotten. */
  startHoldMs: number;
  /** The election timeout is drawn from [electionTimeoutMs, electionTimeoutMs + electionSpreadMs), each member from a part of its own. */
  electionSpreadMs: number;
  /** The lease is this part of the quorum's promise: 0.9. */
  leaseRatio: number;
  /** How much later than at once a member gets entries that no commit waits for it to hold; 0: all get them at once. */
  arrearsMs: number;
  maxEntriesPerMessage: number;
  maxBytesPerMessage: number;
  maxMessagesInFlight: number;
  maxBytesInFlight: number;
  /** The tail of a leader's log that is not committed, or not durable here; beyond it proposals are refused. */
  maxUncommittedBytes: number;
  maxSnapshotChunkBytes: number;
  /** A uniform number in [0, 1). */
  random: () => number;
  timekeeper: Timekeeper;
  rules: EntryRules;
}

/** What recovery found on disk. All of it is durable. */
export interface RaftRestored {
  hardState: HardState;
  /** What the state machine was restored from; index 0 and term 0 when there is none. */
  snapshot: SnapshotMeta;
  /** Consecutive, the first at snapshot.index + 1 or below; entries at or below the snapshot are ignored. */
  entries: readonly Entry[];
}

interface MessageBase {
  group: GroupId;
  from: MemberId;
  to: MemberId;
  term: number;
}

/**
 * Requests of a leader carry the progress session (a stranger to it answers in vain), the round, whose acknowledgement says
 * that its sender was followed after the round was sent, and the leader's log time.
 */
interface LeaderRequest extends MessageBase {
  session: number;
  round: number;
  timeMs: number;
}

/** Responses echo session and round; `promiseMs`: for so long from its receipt the sender votes for no other. */
interface FollowerResponse extends MessageBase {
  session: number;
  round: number;
  promiseMs: number;
}

export interface AppendRequest extends LeaderRequest {
  kind: 'append';
  prevIndex: number;
  prevTerm: number;
  commit: number;
  entries: readonly Entry[];
}

export interface AppendResponse extends FollowerResponse {
  kind: 'append-response';
  /** False: prevIndex/prevTerm did not match; hintIndex/hintTerm help the leader to find where logs agree. */
  accepted: boolean;
  /** Accepted: the last index durable here that this append covers. Refused: the prevIndex refused. */
  index: number;
  hintIndex: number;
  hintTerm: number;
}

export interface Heartbeat extends LeaderRequest {
  kind: 'heartbeat';
  /** Never above what the receiver is known to hold. */
  commit: number;
}

export interface HeartbeatResponse extends FollowerResponse {
  kind: 'heartbeat-response';
}

export interface VoteRequest extends MessageBase {
  kind: 'vote';
  /** PreVote (§9.6): asks without raising anybody's term; `term` is the one that the sender would campaign in. */
  pre: boolean;
  lastIndex: number;
  lastTerm: number;
  /** The sender was told TimeoutNow by its leader: promises to that leader do not bind. */
  transfer: boolean;
}

export interface VoteResponse extends MessageBase {
  kind: 'vote-response';
  pre: boolean;
  granted: boolean;
  /** The highest log time that the voter saw, and its wall clock. */
  timeSeenMs: number;
  wallMs: number;
}

export interface TimeoutNow extends MessageBase {
  kind: 'timeout-now';
  /** The leader's last entry: the receiver campaigns only when it has it. */
  lastIndex: number;
  lastTerm: number;
}

export interface SnapshotChunk extends LeaderRequest {
  kind: 'snapshot';
  snapshot: SnapshotMeta;
  /** All chunks of one snapshot have the same id; another id starts anew. */
  snapshotId: number;
  offset: number;
  totalBytes: number;
  data: Uint8Array;
}

export interface SnapshotResponse extends FollowerResponse {
  kind: 'snapshot-response';
  snapshotId: number;
  /** The next byte wanted; equal to totalBytes once installed. */
  nextOffset: number;
  installed: boolean;
  /** The last index of the receiver's log after the installation. */
  index: number;
}

export type Message =
  | AppendRequest
  | AppendResponse
  | Heartbeat
  | HeartbeatResponse
  | VoteRequest
  | VoteResponse
  | TimeoutNow
  | SnapshotChunk
  | SnapshotResponse;

/** The reads asked for under `id` may be answered from a state that has applied `index`. */
export interface ReadReady {
  id: number;
  index: number;
  /** The log time sent with the round that confirmed the read: it sees no later time. */
  roundTimeMs: number;
}

/** A follower needs the state: the driver answers with `offerSnapshot`, then with `snapshotData` for each SnapshotRead. */
export interface SnapshotWanted {
  to: MemberId;
  /** The snapshot must cover at least this index. */
  minIndex: number;
}

/** The next bytes to send to a follower. */
export interface SnapshotRead {
  to: MemberId;
  snapshotId: number;
  offset: number;
  maxBytes: number;
}

/** Bytes received: the driver stores them, and then calls `snapshotStored`. Offset 0 starts a new snapshot. */
export interface SnapshotWrite {
  snapshotId: number;
  snapshot: SnapshotMeta;
  offset: number;
  totalBytes: number;
  data: Uint8Array;
}

/**
 * The effects of what went in, taken by the driver at the end of its turn:
 * send `messages` now; write `hardState` and `entries` in this order; once they are durable, send `messagesAfterPersist` and call
 * `persisted(mark)`; apply `committed` in order; answer `reads`.
 */
export interface Ready {
  messages: readonly Message[];
  hardState: HardState | null;
  /** Consecutive. The first replaces what the disk holds at its index and all after it. */
  entries: readonly Entry[];
  messagesAfterPersist: readonly Message[];
  /** To be handed to `persisted`; null when there is nothing to persist. */
  mark: PersistMark | null;
  committed: readonly Entry[];
  reads: readonly ReadReady[];
  /** Reads that will not be answered since leadership was lost: all that were asked for and not answered. */
  readsLost: boolean;
  snapshotsWanted: readonly SnapshotWanted[];
  snapshotReads: readonly SnapshotRead[];
  snapshotWrite: SnapshotWrite | null;
  /** All bytes are stored: load the state machine from them, make them the disk's snapshot, then call `snapshotInstalled`. */
  snapshotInstall: { snapshotId: number; snapshot: SnapshotMeta } | null;
}

/** What was handed to the disk: a late answer about an index rewritten since says nothing (correctness.md 1.2 #12). */
export interface PersistMark {
  term: number;
  index: number;
  /** Counts the Readies with something to persist. */
  sequence: number;
}

export type Role = 'follower' | 'pre-candidate' | 'candidate' | 'leader';

export type ProposeOutcome = 'proposed' | 'not-leader' | 'full' | 'transferring';

/**
 * busy: a change is under way, or no entry of the own term has committed yet (correctness.md 1.2, #14).
 * illegal: no voters, a member named twice, or nothing that differs from what is in force.
 */
export type ChangeOutcome = ProposeOutcome | 'busy' | 'illegal';

/** What each peer of a leader is known to hold. */
export interface ProgressStatus {
  member: MemberId;
  state: 'probe' | 'replicate' | 'snapshot';
  match: number;
  next: number;
  inFlightMessages: number;
  inFlightBytes: number;
  /** The last index that the snapshot covers which is being sent to it; 0 when there is none. */
  snapshotIndex: number;
  lastHeardMs: number;
}

/** One Raft group's member. */
export interface RaftCore {
  readonly group: GroupId;
  readonly self: MemberId;
  readonly role: Role;
  readonly term: number;
  /** The leader of the current term as far as known; 0 when unknown. */
  readonly leader: MemberId;
  readonly commitIndex: number;
  readonly lastIndex: number;
  /** The lowest index still in memory. */
  readonly firstIndex: number;
  /** The rules that the last entry names; 0 when it is not in memory, but applied. What a new entry must name. */
  readonly rules: number;
  readonly nextRules: number;
  /** The one in force: the last in the log. */
  readonly membership: Membership;
  /** The newest that is known to be committed. */
  readonly committedMembership: MembershipRecord;
  /** True once a leader has committed an entry of its own term: before that it may answer no read. */
  readonly readable: boolean;
  /** Bytes of entries held in memory. */
  readonly logBytes: number;
  readonly electionsStarted: number;

  /** Anything to take? Cheap: asked each turn. `applies`: false when committed entries do not count. */
  hasReady(applies?: boolean): boolean;
  /** With committed entries of at most so many bytes, but one at least; 0: none. Reads that see more than those wait for the others. */
  takeReady(applyBytes?: number): Ready;
  /** The writes of the Ready with this mark are durable; marks come back in order. */
  persisted(mark: PersistMark, now: Instant): void;

  step(message: Message, now: Instant): void;
  /** Called at or after `nextDeadlineMs`, or more often. */
  tick(now: Instant): void;
  /** Monotonic milliseconds at which `tick` has something to do. */
  nextDeadlineMs(): number;

  /**
   * `bytes`: a whole entry with room for its header (entry.ts), which this call fills in: term, index, checksum.
   * The bytes must not change afterwards.
   */
  propose(bytes: Buffer, now: Instant): ProposeOutcome;

  /** What the log holds above an index not below the last compaction, committed or not: for a member that acts no more. */
  entriesAbove(index: number): readonly Entry[];

  /** The membership at an index not below the last compaction: what a snapshot there holds. */
  membershipAt(index: number): Membership;

  /**
   * Leads the group to another membership, in one entry when only learners differ, else by joint consensus, which the leader leaves by itself
   * once the joint entry is committed in its own term; done when `committedMembership` says so. Whether a member that is to vote has caught up
   * is the caller's business (`progress`). A leader that is no voter any more steps down when it has told the others of the commit.
   */
  changeMembership(target: MembershipTarget, now: Instant): ChangeOutcome;

  /** Both clocks are below these: reads may be answered from the applied state at once. Zero when there is no lease. */
  readonly leaseUntilMonotonicMs: number;
  readonly leaseUntilWallMs: number;
  /** Both clocks are at or after these, too: a clock that jumped back invalidates the lease. */
  readonly leaseFromMonotonicMs: number;
  readonly leaseFromWallMs: number;
  /** The log time sent with the round that the lease comes from; a lease read sees at most this plus `leaseMs`. */
  readonly leaseRoundTimeMs: number;
  readonly leaseMs: number;

  /** Asks for a ReadIndex (§6.4) with a fresh round; several asks between two Readies share one. Returns its id, or 0 when not leader. */
  requestRead(now: Instant): number;

  /**
   * Hands leadership over; the lease is dropped for good in this term once TimeoutNow is sent. Returns false when not leader, or `to` is no
   * voter (while joint: none of the new ones).
   */
  transferLeadership(to: MemberId, now: Instant): boolean;

  /** Forgets entries up to `index` (applied, and covered by a snapshot that the driver can offer or make). */
  compact(index: number): void;

  /** Answers SnapshotWanted. */
  offerSnapshot(
    to: MemberId,
    snapshot: SnapshotMeta,
    snapshotId: number,
    totalBytes: number,
    now: Instant,
  ): void;
  /** Answers SnapshotRead. */
  snapshotData(to: MemberId, snapshotId: number, offset: number, data: Uint8Array, now: Instant): void;
  /** The snapshot cannot be had now; the core asks again later. */
  snapshotFailed(to: MemberId, now: Instant): void;
  /** Answers SnapshotWrite: the bytes up to `nextOffset` are stored. */
  snapshotStored(snapshotId: number, nextOffset: number, now: Instant): void;
  /** Answers snapshotInstall: state machine and disk stand at the snapshot. */
  snapshotInstalled(snapshotId: number, now: Instant): void;

  progress(): readonly ProgressStatus[];
}
