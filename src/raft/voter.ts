import type { MemberState } from './state.ts';
import type { VoteRequest, VoteResponse } from './types.ts';

interface VoterEvents {
  /** A candidate of a later term was heard, and no promise forbids to follow it there. */
  sawTerm(term: number): void;
  voted(): void;
  preVoted(): void;
  /** This member stands itself, and goes first. */
  insists(request: VoteRequest): boolean;
}

/** The side of an election that is asked for its vote (§5.2, §5.4.1), bound by what it promised to a leader (§4.2.3, §6.4.1). */
export class Voter {
  private readonly state: MemberState;
  private readonly events: VoterEvents;
  private heardLeaderMs = -Infinity;

  constructor(state: MemberState, events: VoterEvents) {
    this.state = state;
    this.events = events;
  }

  heardLeader(): void {
    this.heardLeaderMs = this.state.nowMonotonicMs;
  }

  onRequest(request: VoteRequest): void {
    const { state } = this;
    const isFree = request.transfer || !this.isBound();
    if (isFree && !request.pre && request.term > state.term) this.events.sawTerm(request.term);
    const isGranted =
      isFree && state.log.isCoveredBy(request.lastIndex, request.lastTerm) && this.mayVote(request);
    if (isGranted && request.pre) this.events.preVoted();
    else if (isGranted) {
      state.castVote(request.from);
      this.events.voted();
    }
    state.storage.sendAfterHardState(this.response(request, isGranted), state.outbox.send);
  }

  private isBound(): boolean {
    const { config, holdUntilMs, nowMonotonicMs, role } = this.state;
    if (role === 'leader' || nowMonotonicMs < holdUntilMs) return true;
    return nowMonotonicMs - this.heardLeaderMs < config.electionTimeoutMs;
  }

  private mayVote(request: VoteRequest): boolean {
    const { term, vote } = this.state;
    if (request.pre) return request.term > term && !this.events.insists(request);
    return request.term === term && (vote === 0 || vote === request.from);
  }

  private response(request: VoteRequest, granted: boolean): VoteResponse {
    const { config, nowWallMs, self, term } = this.state;
    return {
      kind: 'vote-response',
      group: config.group,
      from: self,
      to: request.from,
      // A granted pre-vote speaks of the term asked for; all else of the voter's own.
      term: granted ? request.term : term,
      pre: request.pre,
      granted,
      timeSeenMs: config.timekeeper.highestMs(),
      wallMs: nowWallMs,
    };
  }
}
