/**
 * The chain of decided values: the voters that one names decide the next. What is known here is synced; whoever is behind is handed the newest.
 */
import { compareInstances } from './ballot.ts';
import type { Decided, InstanceId } from './types.ts';

export class Learner<V> {
  private known: Decided<V>;
  /** Being synced; at least as new as what is known. */
  private learning: InstanceId;

  constructor(stored: Decided<V>) {
    this.known = stored;
    this.learning = stored.instance;
  }

  get newest(): Decided<V> {
    return this.known;
  }

  /** Something newer than what is known is being synced. */
  get isLearning(): boolean {
    return compareInstances(this.learning, this.known.instance) > 0;
  }

  /** True when it is to be synced. */
  isNews({ instance }: Decided<V>): boolean {
    if (compareInstances(instance, this.learning) <= 0) return false;
    this.learning = instance;
    return true;
  }

  /** It is synced. False when a newer one was before. */
  stored(decided: Decided<V>): boolean {
    if (compareInstances(decided.instance, this.known.instance) <= 0) return false;
    this.known = decided;
    if (compareInstances(decided.instance, this.learning) > 0) this.learning = decided.instance;
    return true;
  }
}
