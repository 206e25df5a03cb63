/**
 * A node's part in recoveries. A recovery is decided by all survivors that its value names, under a new generation. Who has promised it votes for
 * nothing older, until it has not heard of it for a while: then it bars that generation, so that the recovery can never be decided, and is a voter as
 * before. Who has accepted it cannot do that, since it may be decided: it has it decided itself, or hears from a survivor that it never will be.
 */
import type { Acceptor } from './acceptor.ts';
import { compareInstances } from './ballot.ts';
import type { AcceptorId, InstanceId, Vote } from './types.ts';

/** Whoever recovers asks again more often than that. */
const SILENT_AFTER_MS = 10_000;

/** Never: nor has it accepted anything in that generation. */
export type SurvivorAnswer = 'votes' | 'bound' | 'never';

export class Survivor<V> {
  private readonly acceptor: Acceptor<V>;
  /** When a recovery was heard of last, or this node came to know that it is bound to one; null: not since its start. */
  private heardMs: number | null = null;
  /** What others have said that they are bound to. */
  private readonly others = new Map<AcceptorId, number>();

  constructor(acceptor: Acceptor<V>) {
    this.acceptor = acceptor;
  }

  /** The highest generation that was heard of. */
  get generation(): number {
    return Math.max(this.acceptor.generation, ...this.others.values());
  }

  /** Other nodes that have said that they vote for nothing of this generation. */
  boundBeyond(generation: number): AcceptorId[] {
    return [...this.others].filter(([, bound]) => bound > generation).map(([node]) => node);
  }

  heardBound(from: AcceptorId, generation: number): void {
    this.others.set(from, generation);
  }

  /** It votes. */
  heardVote(from: AcceptorId): void {
    this.others.delete(from);
  }

  /** Whether it may vote as a voter, under this generation: it may have to bar a recovery first. */
  isFree(generation: number, nowMs: number): boolean {
    const { acceptor } = this;
    const bound = acceptor.boundBeyond(generation);
    if (bound === 0) return true;
    if (!this.isSilent(nowMs) || acceptor.hasAcceptedBeyond(generation)) return false;
    acceptor.bar(bound);
    return true;
  }

  /** Asked to vote for a recovery of something newer than this node knows to be decided. */
  answer(instance: InstanceId, known: InstanceId, nowMs: number): SurvivorAnswer {
    const { acceptor } = this;
    this.heardMs = nowMs;
    // What follows an epoch that is older than what is known would undo what was decided.
    if (instance.epoch <= known.epoch && !acceptor.hasAcceptedBeyond(known.generation))
      acceptor.bar(instance.generation);
    if (acceptor.isBarred(instance)) return acceptor.hasAcceptedBeyond(known.generation) ? 'bound' : 'never';
    const mayVote =
      instance.epoch > known.epoch &&
      !acceptor.hasPassed('recovery', instance) &&
      !acceptor.isBoundElsewhere(instance);
    return mayVote ? 'votes' : 'bound';
  }

  /** The recovery that this node has accepted and that nobody brings on any more: this node is to. Once in a while. */
  takeOverdue(generation: number, nowMs: number): Vote<V> | null {
    const { acceptor } = this;
    const { recovery } = acceptor;
    if (!acceptor.hasAcceptedBeyond(generation) || !this.isSilent(nowMs)) return null;
    this.heardMs = nowMs;
    return recovery?.accepted == null ? null : recovery;
  }

  /** Some survivor will never accept the recovery of that instance: what this node has accepted there can be forgotten. */
  neverDecided(instance: InstanceId): void {
    const { recovery } = this.acceptor;
    if (recovery !== null && compareInstances(recovery.instance, instance) === 0)
      this.acceptor.bar(instance.generation);
  }

  private isSilent(nowMs: number): boolean {
    this.heardMs ??= nowMs;
    return nowMs - this.heardMs >= SILENT_AFTER_MS;
  }
}
