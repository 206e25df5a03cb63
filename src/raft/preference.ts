import type { Progress } from './progress.ts';
import type { MemberState } from './state.ts';

/** In election timeouts. */
const FIRST_BACKOFF = 2;
const LONGEST_BACKOFF = 64;
/** A member that hands leadership over by itself is stopping, most likely: long enough for it to be gone. */
const HANDED_OVER_WAIT = 8;

/**
 * Leadership goes to the preferred member when it is lately heard and nearly caught up. Each hand-over, successful or not, doubles
 * the wait before the next one, so that a member that cannot hold leadership is not given it again and again; a long time without
 * any forgets that. It outlives the leader's term for this.
 */
export class LeaderPreference {
  private readonly state: MemberState;
  private backoffMs: number;
  private notBeforeMs = -Infinity;

  constructor(state: MemberState) {
    this.state = state;
    this.backoffMs = FIRST_BACKOFF * state.config.electionTimeoutMs;
  }

  /** Whether to hand over to the preferred member now. */
  wants(peer: Progress | undefined): boolean {
    const { config, log, nowMonotonicMs } = this.state;
    if (peer === undefined || peer.state !== 'replicate' || nowMonotonicMs < this.notBeforeMs) return false;
    const isLatelyHeard = nowMonotonicMs - peer.heardMs < config.electionTimeoutMs / 2;
    return isLatelyHeard && log.lastIndex - peer.match <= config.maxEntriesPerMessage;
  }

  /** The preferred member gave leadership away: to offer it back at once would stop proposals for nobody. */
  handedOver(): void {
    const { config, nowMonotonicMs } = this.state;
    const untilMs = nowMonotonicMs + HANDED_OVER_WAIT * config.electionTimeoutMs;
    this.notBeforeMs = Math.max(this.notBeforeMs, untilMs);
  }

  attempted(): void {
    const { config, nowMonotonicMs } = this.state;
    const longestMs = LONGEST_BACKOFF * config.electionTimeoutMs;
    if (nowMonotonicMs - this.notBeforeMs > longestMs) {
      this.backoffMs = FIRST_BACKOFF * config.electionTimeoutMs;
    }
    this.notBeforeMs = nowMonotonicMs + this.backoffMs;
    this.backoffMs = Math.min(this.backoffMs * 2, longestMs);
  }
}
