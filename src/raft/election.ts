import { electionTurns } from './election-turns.ts';
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

/** For so long, in heartbeats, whoever has granted a pre-vote waits for the vote to be asked. */
const YIELD_HEARTBEATS = 1.5;
/** Refused pre-votes that are asked again soon: the promises that bind the others end a moment after the own timeout. */
const SOON_RETRIES = 16;
/** Those who stand draw their times from the first part of their turn; the rest keeps them apart from the next one's. */
const DRAWN_PART_OF_TURN = 0.5;

/**
 * The side of an election that campaigns: PreVote (§9.6 of the thesis), then the vote itself (§5.2).
 *
 * Votes that are split cost another timeout. So the voters take turns: each has a part of the spread for itself, drawn at random only
 * within that; who grants a pre-vote waits with its own; of two with equal logs that ask at once, the one whose turn is earlier goes on.
 * All of it is about time alone, and each courtesy is shown once: whoever it was shown to may be unable to win.
 */
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
  private hasYielded = false;
  /** Since then, or since the last candidacy. */
  private preCandidacies = 0;

  constructor(state: MemberState, events: ElectionEvents) {
    this.state = state;
    this.events = events;
    this.timerMs = state.nowMonotonicMs;
    this.timeoutMs = this.drawTimeoutMs();
  }

  get deadlineMs(): number {
    const { holdUntilMs, mayCampaign } = this.state;
    return mayCampaign ? Math.max(this.timerMs + this.timeoutMs, holdUntilMs) : Infinity;
  }

  /** The leader was heard (§5.2), or is this member. */
  restartTimer(): void {
    this.timerMs = this.state.nowMonotonicMs;
    this.candidacies = 0;
    this.preCandidacies = 0;
    this.hasYielded = false;
  }

  /** A timeout of its own for each leader, vote and campaign, so that split votes do not repeat themselves (§5.2). */
  redrawTimer(): void {
    this.timerMs = this.state.nowMonotonicMs;
    this.timeoutMs = this.drawTimeoutMs();
  }

  /** A pre-vote was granted: its sender will ask for the vote in a moment. */
  yieldTo(): void {
    if (this.hasYielded) return;
    this.hasYielded = true;
    const { nowMonotonicMs, config, role } = this.state;
    if (role === 'pre-candidate') this.events.lost();
    const yieldMs = YIELD_HEARTBEATS * config.heartbeatIntervalMs;
    this.timeoutMs = Math.max(this.timeoutMs, nowMonotonicMs + yieldMs - this.timerMs);
  }

  /** Whether to refuse a pre-vote, since this member asks for it too, for the first time, has as good a log, and its turn is earlier. */
  insistsAgainst({ from, lastIndex, lastTerm }: VoteRequest): boolean {
    const { log, role, self } = this.state;
    if (role !== 'pre-candidate' || this.preCandidacies !== 1) return false;
    if (log.lastIndex !== lastIndex || log.lastTerm !== lastTerm) return false;
    const turns = this.turns();
    return turns.indexOf(self) < turns.indexOf(from);
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
    if (!response.granted && !isPre) this.tryAgainSoon();
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
      this.preCandidacies++;
      this.timeoutMs = this.drawRetryMs();
    } else {
      this.started++;
      this.candidacies++;
      this.preCandidacies = 0;
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
    this.restartTimer();
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

  /** Somebody has voted for another: most likely the votes were split, and nobody wins. Once: the other may need time to win. */
  private tryAgainSoon(): void {
    if (this.candidacies !== 1) return;
    const { config, nowMonotonicMs } = this.state;
    this.timerMs = nowMonotonicMs;
    this.timeoutMs = config.heartbeatIntervalMs + this.drawTurnMs();
  }

  private drawTimeoutMs(): number {
    const { arrearsMs, electionTimeoutMs } = this.state.config;
    // Spared members heard the leader later by so much, and are bound for longer.
    return electionTimeoutMs + arrearsMs + this.drawTurnMs();
  }

  private drawRetryMs(): number {
    const { electionSpreadMs, heartbeatIntervalMs, random } = this.state.config;
    if (this.preCandidacies > SOON_RETRIES) return heartbeatIntervalMs + random() * electionSpreadMs;
    return ((1 + random()) / 2) * heartbeatIntervalMs;
  }

  /** A time within this member's turn. */
  private drawTurnMs(): number {
    const { electionSpreadMs, random } = this.state.config;
    const turns = this.turns();
    const turnMs = electionSpreadMs / Math.max(turns.length, 1);
    return (turns.indexOf(this.state.self) + random() * DRAWN_PART_OF_TURN) * turnMs;
  }

  /** Who may stand, in the order of their turns. */
  private turns(): MemberId[] {
    const { config, leader, membership, self, term } = this.state;
    const others = otherVoters(membership, self).filter((member) => member !== leader);
    return electionTurns([self, ...others], term, config.preferredLeader);
  }
}
