import { isQuorum, isVoter, otherVoters } from './quorum.ts';
import type { MemberState } from './state.ts';
import type { MemberId, TimeoutNow, VoteRequest, VoteResponse } from './types.ts';

interface Ballot {
  granted: boolean;
  timeSeenMs: number;
  wallMs: number;
}

interface ElectionEvents {
  won(quorumHighestMs: number, quorumLowestWallMs: number): void;
  lost(): void;
}

/** The side of an election that campaigns: PreVote (§9.6 of the thesis), then the vote itself (§5.2). */
export class Election {
  /** Elections that raised the term. */
  started = 0;
  private readonly state: MemberState;
  private readonly events: ElectionEvents;
  private readonly ballots = new Map<MemberId, Ballot>();
  private timerMs: number;
  private timeoutMs: number;
  /** Since a leader was heard. */
  private candidacies = 0;

  constructor(state: MemberState, events: ElectionEvents) {
    this.state = state;
    this.events = events;
    this.timerMs = state.nowMonotonicMs;
    this.timeoutMs = this.drawTimeoutMs();
  }

  get deadlineMs(): number {
    return isVoter(this.state.membership, this.state.self) ? this.timerMs + this.timeoutMs : Infinity;
  }

  /** The leader was heard (§5.2). */
  restartTimer(): void {
    this.timerMs = this.state.nowMonotonicMs;
    this.candidacies = 0;
  }

  /** A timeout of its own for each leader, vote and campaign, so that split votes do not repeat themselves (§5.2). */
  redrawTimer(): void {
    this.timerMs = this.state.nowMonotonicMs;
    this.timeoutMs = this.drawTimeoutMs();
  }

  tick(): void {
    if (this.state.nowMonotonicMs >= this.deadlineMs) this.campaign({ pre: true, transfer: false });
  }

  onTimeoutNow(message: TimeoutNow): void {
    const { log, membership, role, self, leader } = this.state;
    if (role !== 'follower' || leader !== message.from || !isVoter(membership, self)) return;
    if (!log.matches(message.lastIndex, message.lastTerm)) return;
    this.campaign({ pre: false, transfer: true });
  }

  onResponse(response: VoteResponse): void {
    const { role, term } = this.state;
    const isPre = role === 'pre-candidate';
    if (response.pre !== isPre || (!isPre && role !== 'candidate')) return;
    const termAsked = isPre ? term + 1 : term;
    if (response.granted ? response.term !== termAsked : response.term > term) return;
    this.count(response.from, response);
  }

  /** The own vote counts once it is durable, like any other. */
  onPersisted(): void {
    const { config, nowWallMs, role, self, storage } = this.state;
    if (role !== 'candidate' || this.ballots.has(self) || !storage.hardStateDurable) return;
    this.count(self, { granted: true, timeSeenMs: config.timekeeper.highestMs(), wallMs: nowWallMs });
  }

  private campaign({ pre, transfer }: { pre: boolean; transfer: boolean }): void {
    const { state } = this;
    const { membership, self, storage, outbox } = state;
    this.ballots.clear();
    state.leader = 0;
    this.redrawTimer();
    if (pre) {
      state.role = 'pre-candidate';
      // A refused pre-vote disturbs nobody: ask again soon, the others' promises may end a moment after the own timeout.
      this.timeoutMs = this.drawRetryMs();
    } else {
      this.started++;
      this.candidacies++;
      // A split vote must not double the time without a leader. Should that be too soon for slow disks, the next ones wait for longer.
      if (this.candidacies === 1) this.timeoutMs = this.drawSecondTryMs();
      state.role = 'candidate';
      state.enterTerm(state.term + 1, self);
    }
    for (const member of otherVoters(membership, self)) {
      const request = this.request(member, pre, transfer);
      // Votes won by a candidate that then forgets its own vote would count for a log that it no longer has.
      if (pre) outbox.send(request);
      else storage.sendAfterHardState(request, outbox.send);
    }
    if (pre) this.count(self, { granted: true, timeSeenMs: 0, wallMs: 0 });
  }

  private count(member: MemberId, { granted, timeSeenMs, wallMs }: Ballot): void {
    const { membership, role } = this.state;
    this.ballots.set(member, { granted, timeSeenMs, wallMs });
    if (isQuorum(membership, (voter) => this.ballots.get(voter)?.granted === true)) {
      if (role === 'pre-candidate') this.campaign({ pre: false, transfer: false });
      else this.win();
    } else if (!isQuorum(membership, (voter) => this.ballots.get(voter)?.granted !== false)) {
      this.events.lost();
    }
  }

  private win(): void {
    let highestMs = -Infinity;
    let lowestWallMs = Infinity;
    for (const ballot of this.ballots.values()) {
      if (!ballot.granted) continue;
      highestMs = Math.max(highestMs, ballot.timeSeenMs);
      lowestWallMs = Math.min(lowestWallMs, ballot.wallMs);
    }
    this.events.won(highestMs, lowestWallMs);
  }

  private request(to: MemberId, pre: boolean, transfer: boolean): VoteRequest {
    const { config, log, self, term } = this.state;
    return {
      kind: 'vote',
      group: config.group,
      from: self,
      to,
      term: pre ? term + 1 : term,
      pre,
      lastIndex: log.lastIndex,
      lastTerm: log.lastTerm,
      transfer,
    };
  }

  private drawTimeoutMs(): number {
    const { electionSpreadMs, electionTimeoutMs, random } = this.state.config;
    return electionTimeoutMs + random() * electionSpreadMs;
  }

  private drawSecondTryMs(): number {
    const { electionSpreadMs, electionTimeoutMs, random } = this.state.config;
    return electionTimeoutMs / 4 + random() * electionSpreadMs;
  }

  private drawRetryMs(): number {
    const { electionSpreadMs, heartbeatIntervalMs, random } = this.state.config;
    return heartbeatIntervalMs + random() * electionSpreadMs;
  }
}
