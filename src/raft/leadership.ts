import { assert } from '../assert.ts';
import { ENTRY_HEADER_BYTES, EntryKind, sealEntry, writeEntryHeader } from './entry.ts';
import { Lease } from './lease.ts';
import type { LeaderPreference } from './preference.ts';
import { Progress } from './progress.ts';
import { isVoter, otherVoters, peersOf, quorumValue } from './quorum.ts';
import { ReadQueue } from './reads.ts';
import { Replication } from './replication.ts';
import { Rounds } from './rounds.ts';
import type { Round } from './rounds.ts';
import { SnapshotSender } from './snapshot-sender.ts';
import type { MemberState } from './state.ts';
import { Transfer } from './transfer.ts';
import type {
  AppendResponse,
  HeartbeatResponse,
  MemberId,
  ProposeOutcome,
  SnapshotResponse,
} from './types.ts';

const NOOP_SEED = 0;
const SESSIONS = 2 ** 32 - 1;

/** What a member is while it leads: figure 2's volatile state on leaders, made anew with each term that it wins. */
export class Leadership {
  readonly lease: Lease;
  readonly reads = new ReadQueue();
  readonly snapshots: SnapshotSender;
  readonly transfer: Transfer;
  /** One for each member but this one. */
  readonly peers: readonly Progress[];
  private readonly state: MemberState;
  private readonly preference: LeaderPreference;
  private readonly rounds = new Rounds();
  private readonly replication: Replication;
  private readonly isAlone: boolean;
  private readonly noopIndex: number;
  private uncommittedBytes: number;
  /** The own-term no-op was handed over to be applied: only then may the applied state be read under the lease. */
  private isServing = false;
  private heartbeatMs: number;
  private isHeartbeatDue = true;
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
    this.isAlone = otherVoters(membership, self).length === 0;
    this.heartbeatMs = state.nowMonotonicMs + config.heartbeatIntervalMs;
    this.uncommittedBytes = log.bytesAbove(state.commitIndex);
    this.peers = peersOf(membership, self).map((member) => {
      const session = 1 + Math.floor(config.random() * SESSIONS);
      return new Progress(member, session, log.lastIndex + 1, config, state.nowMonotonicMs);
    });
    this.noopIndex = log.lastIndex + 1;
    this.appendNoop();
  }

  /** §6.4: a new leader knows which entries are committed only once one of its own term is. */
  get isReadable(): boolean {
    return this.state.commitIndex >= this.noopIndex;
  }

  get deadlineMs(): number {
    return Math.min(this.heartbeatMs, this.transfer.deadlineMs);
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

  propose(bytes: Buffer): ProposeOutcome {
    if (this.transfer.isUnderWay) return 'transferring';
    const isFull = this.uncommittedBytes + bytes.length > this.state.config.maxUncommittedBytes;
    // One entry over the limit goes through when nothing else waits: else it never could.
    if (isFull && this.uncommittedBytes > 0) return 'full';
    this.append(bytes);
    return 'proposed';
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

  /** CheckQuorum: false once no quorum has answered for an election timeout. */
  tick(): boolean {
    const { config, nowMonotonicMs } = this.state;
    this.transfer.tick();
    if (nowMonotonicMs < this.heartbeatMs) return true;
    this.heartbeatMs = nowMonotonicMs + config.heartbeatIntervalMs;
    if (nowMonotonicMs - this.quorumHeardMs() >= config.electionTimeoutMs) return false;
    this.isHeartbeatDue = true;
    for (const peer of this.peers) this.snapshots.tick(peer);
    this.preferHome();
    return true;
  }

  onResponse(peer: Progress, response: AppendResponse | HeartbeatResponse | SnapshotResponse): void {
    assert(response.round <= this.rounds.last, 'only rounds that were sent are acknowledged');
    peer.heardMs = this.state.nowMonotonicMs;
    if (response.kind === 'append-response') this.replication.onResponse(peer, response);
    else if (response.kind === 'snapshot-response') this.snapshots.onResponse(peer, response);
    else this.replication.onHeartbeatResponse(peer, response.round);
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
    if (wasReadable || !this.isReadable) return;
    this.reads.becameReadable(index);
    this.onRoundAcknowledged();
  }

  /** A member promises nothing to itself: it votes for another only once it leads no more. */
  private onRoundAcknowledged(): void {
    const number = quorumValue(this.state.membership, this.ackedRoundOf);
    if (number === 0) return;
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
    if (home === 0 || home === self || !isVoter(membership, home)) return;
    if (!this.isReadable || this.transfer.isUnderWay || !this.preference.wants(this.peer(home))) return;
    this.preference.attempted();
    this.startTransfer(home);
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
    const { config, nextRules, nowMonotonicMs, nowWallMs } = this.state;
    const bytes = Buffer.alloc(ENTRY_HEADER_BYTES);
    const stampMs = config.timekeeper.leaderTimeMs({ monotonicMs: nowMonotonicMs, wallMs: nowWallMs });
    writeEntryHeader(bytes, { kind: EntryKind.NOOP, rules: nextRules, seed: NOOP_SEED, stampMs });
    this.append(bytes);
  }

  private append(bytes: Buffer): void {
    const { log, storage, term } = this.state;
    const entry = sealEntry(bytes, term, log.lastIndex + 1);
    log.append(entry);
    storage.logChanged(entry.index);
    this.uncommittedBytes += bytes.length;
  }
}
