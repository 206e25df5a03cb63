/**
 * The acceptor of the Synod (Paxos Made Simple §2.2): it promises no more than one thing, and says nothing that it could forget. What it answers
 * is held until the state that it speaks of is synced.
 */
import { assert } from '../assert.ts';
import { compareBallots, compareInstances, sameBallot } from './ballot.ts';
import type { AcceptorId, AcceptorState, Ballot, Envelope, InstanceId } from './types.ts';

export class Acceptor<V> {
  private state: AcceptorState<V> | null;
  private held: Envelope<V>[] = [];
  /** Those of the write that is under way. */
  private ofWrite: Envelope<V>[] | null = null;

  constructor(restored: AcceptorState<V> | null) {
    this.state = restored;
  }

  /** It has promised to take part in this instance or a newer one, so in none before. */
  hasPassed(instance: InstanceId): boolean {
    return this.state !== null && compareInstances(this.state.instance, instance) > 0;
  }

  /** The highest that it promised anything in. */
  get generation(): number {
    return this.state?.instance.generation ?? 0;
  }

  /** It has accepted another value of this generation, which may be decided. */
  isBoundElsewhere({ generation, epoch }: InstanceId): boolean {
    if (this.state === null || this.state.accepted === null) return false;
    const { instance } = this.state;
    return instance.generation === generation && instance.epoch !== epoch;
  }

  /** Phase 1b. */
  prepare(from: AcceptorId, instance: InstanceId, ballot: Ballot): void {
    const known = this.at(instance);
    if (known !== null && compareBallots(ballot, known.promised) < 0) {
      this.refuse(from, instance, ballot, known.promised);
      return;
    }
    const accepted = known?.accepted ?? null;
    this.keep({ instance, promised: ballot, accepted });
    this.hold({ to: from, message: { kind: 'promise', instance, ballot, accepted } });
  }

  /** Phase 2b. */
  accept(from: AcceptorId, instance: InstanceId, ballot: Ballot, value: V): void {
    const known = this.at(instance);
    if (known !== null && compareBallots(ballot, known.promised) < 0) {
      this.refuse(from, instance, ballot, known.promised);
      return;
    }
    this.keep({ instance, promised: ballot, accepted: { ballot, value } });
    this.hold({ to: from, message: { kind: 'accepted', instance, ballot } });
  }

  /** The state that is to be synced now; null: nothing, or one is being synced. */
  takeWrite(): AcceptorState<V> | null {
    if (this.ofWrite !== null || this.held.length === 0) return null;
    this.ofWrite = this.held;
    this.held = [];
    return this.state;
  }

  /** The answers that may go out now. */
  written(): Envelope<V>[] {
    const answers = this.ofWrite;
    assert(answers !== null, 'a write of the acceptor was under way');
    this.ofWrite = null;
    return answers;
  }

  private at(instance: InstanceId): AcceptorState<V> | null {
    return this.state !== null && compareInstances(this.state.instance, instance) === 0 ? this.state : null;
  }

  private keep(next: AcceptorState<V>): void {
    const { state } = this;
    assert(!this.hasPassed(next.instance), 'an acceptor does not go back to an older instance');
    const isSame = state !== null && compareInstances(state.instance, next.instance) === 0;
    assert(!isSame || compareBallots(state.promised, next.promised) <= 0, 'promises only rise');
    this.state = next;
  }

  /** Who asks again before the answer could go out gets one. */
  private hold(answer: Envelope<V>): void {
    const isHeld = [...this.held, ...(this.ofWrite ?? [])].some((one) => isSameAnswer(one, answer));
    if (!isHeld) this.held.push(answer);
  }

  private refuse(to: AcceptorId, instance: InstanceId, ballot: Ballot, promised: Ballot): void {
    this.keep({ instance, promised, accepted: this.at(instance)?.accepted ?? null });
    this.hold({ to, message: { kind: 'refused', instance, ballot, promised } });
  }
}

function isSameAnswer<V>(one: Envelope<V>, other: Envelope<V>): boolean {
  if (one.to !== other.to || one.message.kind !== other.message.kind) return false;
  if (!('ballot' in one.message) || !('ballot' in other.message)) return false;
  return (
    sameBallot(one.message.ballot, other.message.ballot) &&
    compareInstances(one.message.instance, other.message.instance) === 0
  );
}
