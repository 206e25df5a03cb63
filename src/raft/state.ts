import { assert } from '../assert.ts';
import { EntryKind } from './entry.ts';
import type { Entry } from './entry.ts';
import { RaftLog } from './log.ts';
import { MembershipHistory } from './membership-history.ts';
import { decodeMembership } from './membership.ts';
import { Outbox } from './outbox.ts';
import { Persistence } from './persistence.ts';
import { isVoter } from './quorum.ts';
import type { Instant, MemberId, Membership, RaftConfig, RaftRestored, Role, SnapshotMeta } from './types.ts';

/** What all parts of a member share: figure 2's state, the log, and the way out. */
export class MemberState {
  readonly config: RaftConfig;
  readonly self: MemberId;
  readonly log: RaftLog;
  readonly storage: Persistence;
  readonly outbox = new Outbox();
  role: Role = 'follower';
  term: number;
  vote: MemberId;
  leader: MemberId = 0;
  commitIndex: number;
  /** Handed over to be applied up to here. Invariant: appliedIndex <= commitIndex. */
  appliedIndex: number;
  /** The last of `memberships`, in force: asked at each acknowledgement. */
  membership: Membership;
  readonly memberships: MembershipHistory;
  /** The reading of the clocks that came with the newest input. */
  nowMonotonicMs: number;
  nowWallMs: number;
  /** A member that has just started may have forgotten a promise: it keeps the longest that it can have made, against itself too. */
  readonly holdUntilMs: number;

  constructor(config: RaftConfig, restored: RaftRestored, now: Instant) {
    const { hardState, snapshot } = restored;
    this.config = config;
    this.self = config.self;
    this.term = hardState.term;
    this.vote = hardState.vote;
    this.membership = snapshot.index > 0 ? snapshot.membership : config.membership;
    this.memberships = new MembershipHistory({ index: snapshot.index, membership: this.membership });
    this.log = restoreLog(restored, config.rules.newest);
    for (const entry of this.log.range(this.log.firstIndex, this.log.lastIndex)) {
      if (entry.kind === EntryKind.MEMBERSHIP) this.adoptMembership(entry);
    }
    this.commitIndex = Math.max(hardState.commit, snapshot.index);
    this.appliedIndex = snapshot.index;
    this.storage = new Persistence(this.log.lastIndex, this.commitIndex);
    this.nowMonotonicMs = now.monotonicMs;
    this.nowWallMs = now.wallMs;
    this.holdUntilMs = now.monotonicMs + config.startHoldMs;
    // A snapshot may have reached the disk before the write that its entries and their term were in. No vote of that term left this
    // member then: votes wait for that write.
    if (snapshot.term > this.term) this.enterTerm(snapshot.term, 0);
    assert(this.commitIndex <= this.log.lastIndex, 'the restored commit index lies within the log');
    assert(this.log.lastTerm <= this.term, 'no restored entry is of a later term than the hard state');
  }

  /** What a new entry is applied by. */
  get nextRules(): number {
    return Math.max(this.log.rules, this.config.rules.least());
  }

  setNow(now: Instant): void {
    this.nowMonotonicMs = now.monotonicMs;
    this.nowWallMs = now.wallMs;
  }

  /** §5.1: terms only rise, and a vote belongs to a term. */
  enterTerm(term: number, vote: MemberId): void {
    assert(term > this.term, 'terms only rise');
    this.term = term;
    this.vote = vote;
    this.storage.hardStateChanged();
  }

  castVote(candidate: MemberId): void {
    assert(this.vote === 0 || this.vote === candidate, 'one vote a term');
    if (this.vote === candidate) return;
    this.vote = candidate;
    this.storage.hardStateChanged();
  }

  /** The entry has been appended: from now on, committed or not, the membership in it counts (§6). */
  adoptMembership(entry: Entry): void {
    const membership = decodeMembership(entry);
    this.memberships.append({ index: entry.index, membership });
    this.membership = membership;
  }

  /** Drops `index` and all after it; a membership in there has never been (§6). */
  truncateLog(index: number): void {
    this.log.truncateFrom(index);
    this.memberships.truncateFrom(index);
    this.membership = this.memberships.last.membership;
  }

  compactLog(index: number): void {
    this.log.compact(index);
    this.memberships.compact(this.log.firstIndex - 1);
  }

  /** State machine and disk stand at the snapshot: it takes the place of the log, and of what that said of membership. */
  installSnapshot({ index, term, membership }: SnapshotMeta): void {
    this.log.resetTo(index, term);
    this.storage.snapshotInstalled(index);
    this.memberships.resetTo({ index, membership });
    this.membership = membership;
    this.commitIndex = index;
    this.appliedIndex = index;
  }

  get isMembershipCommitted(): boolean {
    return this.memberships.last.index <= this.commitIndex;
  }

  /**
   * Voters stand for election, and so does one that only its newest, uncommitted membership leaves out: if the others lack that entry they cannot
   * win against it (§4.2.2 of the thesis).
   */
  get mayCampaign(): boolean {
    if (isVoter(this.membership, this.self)) return true;
    return !this.isMembershipCommitted && isVoter(this.memberships.previous.membership, this.self);
  }

  commitTo(index: number): void {
    if (index <= this.commitIndex) return;
    assert(index <= this.log.lastIndex, 'only entries that are in the log are committed');
    this.commitIndex = index;
  }
}

function restoreLog({ snapshot, entries }: RaftRestored, newestRules: number): RaftLog {
  const log = new RaftLog(snapshot.index, snapshot.term, newestRules);
  for (const entry of entries) {
    if (entry.index <= snapshot.index) continue;
    // Terms never fall along a log. The snapshot came from a leader, and took the place of a log that had gone another way: what the
    // disk still holds of that is void. (With a term that is not lower it does no harm: no leader's log matches it, and nobody who
    // lacks what committed the snapshot's entries wins by it.)
    if (entry.index === snapshot.index + 1 && entry.term < snapshot.term) return log;
    log.append(entry);
  }
  return log;
}
