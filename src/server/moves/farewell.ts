/**
 * The last slot of a shard that gives all of them away. Redis Cluster clients cut their connection to a node once CLUSTER SLOTS lists it no more, and
 * some reject what they have under way there. So the shard keeps its quietest slot for a moment longer: whoever sends it anything else is told MOVED
 * meanwhile, and learns with that that it has but one slot left. When this one goes, too, nobody has anything there.
 */

/** By then all have learnt of it that send the shard a command in such a time; who sends fewer has no two under way at once. */
export const FAREWELL_MS = 1000;

export class Farewell {
  /** When the last slot may go; null: it is not alone. */
  private dueMs: number | null = null;

  /** Those of a move's slots that may go now; none: the last one waits. `served`: how many slots the shard has, and `loadOf` what comes for one. */
  mayGo(
    left: readonly number[],
    served: number,
    loadOf: (slot: number) => number,
    nowMs: number,
  ): readonly number[] {
    if (left.length === 1 && served === 1) {
      this.dueMs ??= nowMs + FAREWELL_MS;
      return nowMs < this.dueMs ? [] : left;
    }
    this.dueMs = null;
    if (left.length < served) return left;
    const last = left.reduce((quietest, slot) => (loadOf(slot) < loadOf(quietest) ? slot : quietest));
    return left.filter((slot) => slot !== last);
  }
}
