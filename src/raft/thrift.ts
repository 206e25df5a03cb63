import { electionTurns } from './election-turns.ts';
import type { Progress } from './progress.ts';
import { isVoter } from './quorum.ts';
import type { MemberState } from './state.ts';

/** Once or twice is chance; the prompt ones were chosen for who stands first. */
const LATE_TIMES = 8;

/**
 * Thrift: a commit needs a majority, not all. While nothing is under way an entry goes at once to so many voters as make one with the leader. The
 * others are spared: what they lack comes in one append, `arrearsMs` after the first of it at the latest, which costs them and the leader a part of
 * the turns. It is about time alone: what a spared member acknowledges counts like any other acknowledgement, and one that is ahead of a prompt one
 * takes its place.
 */
export class Thrift {
  private readonly state: MemberState;
  private peers: readonly Progress[] = [];

  constructor(state: MemberState) {
    this.state = state;
  }

  /** When the first of the spared must be served; Infinity when none can be. */
  get deadlineMs(): number {
    const { lastIndex } = this.state.log;
    let deadlineMs = Infinity;
    for (const { isSpared, state, next, inflight, dueMs } of this.peers) {
      if (isSpared && state === 'replicate' && next <= lastIndex && !inflight.isFull && dueMs < deadlineMs)
        deadlineMs = dueMs;
    }
    return deadlineMs;
  }

  /** Those who would stand first if this leader died are the prompt ones: they can win with what they hold. */
  assign(peers: readonly Progress[]): void {
    const { config, membership, self, term } = this.state;
    this.peers = peers;
    const { voters, votersOld } = membership;
    const isThrifty = config.arrearsMs > 0 && votersOld.length === 0;
    const others = voters.filter((member) => member !== self);
    const majority = (voters.length >> 1) + 1;
    // A leader that is on its way out of the membership is no part of its majorities.
    const needed = majority - (voters.length - others.length);
    const prompt = electionTurns(others, term, config.preferredLeader).slice(0, needed);
    for (const peer of peers) peer.isSpared = isThrifty && !prompt.includes(peer.member);
  }

  /**
   * An entry is about to be appended. Nothing is under way: a spared member that was sent all before gets it in arrears; one that lags goes on
   * catching up. Else all are awake anyway, and the fastest of them is worth more than what the others' turns cost.
   */
  onAppend(): void {
    const { commitIndex, config, log, nowMonotonicMs } = this.state;
    const isAtRest = commitIndex === log.lastIndex;
    for (const peer of this.peers) {
      if (!peer.isSpared) continue;
      if (!isAtRest) peer.dueMs = 0;
      else if (peer.next > log.lastIndex) peer.dueMs = nowMonotonicMs + config.arrearsMs;
    }
  }

  /** A spared voter has acknowledged something: a prompt one that was behind it so many times in a row changes places with it. */
  onAcknowledged(spared: Progress): void {
    // While something is under way all get entries at once: who is first then is chance.
    if (spared.dueMs === 0 || !isVoter(this.state.membership, spared.member)) return;
    for (const peer of this.peers) {
      if (peer.isSpared) continue;
      peer.timesLate = peer.match < spared.match ? peer.timesLate + 1 : 0;
      if (peer.timesLate < LATE_TIMES) continue;
      peer.isSpared = true;
      spared.isSpared = false;
      spared.timesLate = 0;
      return;
    }
  }
}
