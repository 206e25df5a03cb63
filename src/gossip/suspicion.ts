/** How long a suspect may refute: the less time, the more members have come to suspect it independently (Lifeguard; memberlist's formulas). */
import type { GossipSettings, MemberName } from './types.ts';

export interface SuspicionTimes {
  minMs: number;
  maxMs: number;
  /** Confirmations that bring the time down to the least. */
  confirmationsWanted: number;
}

/** `members`: how many live or are suspected, this one included. */
export function suspicionTimes(
  settings: GossipSettings,
  members: number,
  lifeguard: boolean,
): SuspicionTimes {
  const scale = Math.max(1, Math.log10(Math.max(1, members)));
  const minMs = settings.suspicionMult * scale * settings.probeIntervalMs;
  const wanted = settings.suspicionMult - 2;
  // Where there are not so many others, nobody could confirm it.
  const confirmationsWanted = lifeguard && members - 2 >= wanted ? Math.max(0, wanted) : 0;
  return { minMs, maxMs: settings.suspicionMaxMult * minMs, confirmationsWanted };
}

export class Suspicion {
  private readonly times: SuspicionTimes;
  /** Who has said so, the first one included: never more than are wanted, and one. */
  private readonly sources: Set<MemberName>;
  private startedMs: number;

  /** Who said it first. */
  readonly from: MemberName;

  constructor(times: SuspicionTimes, from: MemberName, nowMs: number) {
    this.times = times;
    this.from = from;
    this.sources = new Set([from]);
    this.startedMs = nowMs;
  }

  get confirmations(): number {
    return this.sources.size - 1;
  }

  get deadlineMs(): number {
    return this.startedMs + this.durationMs;
  }

  private get durationMs(): number {
    const { minMs, maxMs, confirmationsWanted } = this.times;
    if (confirmationsWanted < 1) return minMs;
    const share = Math.log(this.confirmations + 1) / Math.log(confirmationsWanted + 1);
    return Math.max(minMs, Math.floor(maxMs - share * (maxMs - minMs)));
  }

  /** True when that is news: others should hear of it, too. */
  confirm(from: MemberName): boolean {
    if (this.confirmations >= this.times.confirmationsWanted || this.sources.has(from)) return false;
    this.sources.add(from);
    return true;
  }

  /** The time in which this member stood still is no silence of the suspect. */
  postpone(byMs: number): void {
    this.startedMs += byMs;
  }
}
