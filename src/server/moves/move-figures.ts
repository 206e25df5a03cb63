/** What a node has counted of the moves whose sources it led. */
import { latencyHistogram, pauseHistogram, type Histogram } from '../../metrics/histogram.ts';
import { slotsOf } from '../../topology/slot-ranges.ts';
import type { MoveEntry, ShardId } from '../../topology/types.ts';

/** `failed`: some of its slots stayed, and nobody had asked for that. */
export type MoveEnd = 'done' | 'aborted' | 'failed';

/** Of one source and target. */
export interface MovedFigures {
  readonly source: ShardId;
  readonly target: ShardId;
  slots: number;
  keys: number;
  bytes: number;
}

export class MoveFigures {
  readonly ends: Record<MoveEnd, number> = { done: 0, aborted: 0, failed: 0 };
  /** From the fence to the target's decision, one value a slot. */
  readonly pauses: Histogram = pauseHistogram();
  longestPauseMs = 0;
  private recentPauseMs = 0;
  readonly durations: Histogram = latencyHistogram();
  private readonly pairs = new Map<string, MovedFigures>();

  get moved(): readonly MovedFigures[] {
    return [...this.pairs.values()];
  }

  get sentBytes(): number {
    return this.moved.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  paused(slots: number, pauseMs: number): void {
    for (let slot = 0; slot < slots; slot++) this.pauses.record(pauseMs);
    this.longestPauseMs = Math.max(this.longestPauseMs, pauseMs);
    this.recentPauseMs = Math.max(this.recentPauseMs, pauseMs);
  }

  /** The longest since this was asked last. */
  takeRecentPauseMs(): number {
    const { recentPauseMs } = this;
    this.recentPauseMs = 0;
    return recentPauseMs;
  }

  sent(move: MoveEntry, bytes: number): void {
    this.of(move).bytes += bytes;
  }

  went(move: MoveEntry, slots: number, keys: number): void {
    const figures = this.of(move);
    figures.slots += slots;
    figures.keys += keys;
  }

  ended(move: MoveEntry, slotsGone: number, durationMs: number): MoveEnd {
    const isWhole = slotsGone === slotsOf(move.slots).length;
    const end = isWhole ? 'done' : move.aborting === true ? 'aborted' : 'failed';
    this.ends[end] += 1;
    this.durations.record(durationMs);
    return end;
  }

  private of({ source, target }: MoveEntry): MovedFigures {
    const key = `${source} ${target}`;
    let figures = this.pairs.get(key);
    if (figures === undefined)
      this.pairs.set(key, (figures = { source, target, slots: 0, keys: 0, bytes: 0 }));
    return figures;
  }
}
