/**
 * The acceptor of the Synod (Paxos Made Simple §2.2): it promises no more than one thing, and says nothing that it could forget. What it answers
 * is held until the state that it speaks of is synced.
 */
import { assert } from '../assert.ts';
import { compareBallots, compareInstances, sameBallot } from './ballot.ts';
import type { AcceptorId, AcceptorState, Ballot, Envelope, InstanceId, Vote } from './types.ts';

/** What it is asked as: one of the voters, or one of the survivors that a recovery names. */
export type Role = 'vote' | 'recovery';

const BLANK = { vote: null, recovery: null, boundTo: 0, barred: 0 };

export class Acceptor<V> {
  private state: AcceptorState<V>;
  private held: Envelope<V>[] = [];
  /** Those of the write that is under way. */
  private ofWrite: Envelope<V>[] | null = null;
  /** Something is to be synced of which nobody is told. */
  private isToSync = false;

  constructor(restored: AcceptorState<V> | null) {
    this.state = restored ?? BLANK;
  }

  /** The newest recovery that it was asked for. */
  get recovery(): Vote<V> | null {
    return this.state.recovery;
  }

  /** No recovery of this generation, or a lower one, is begun by who knows of it. */
  get generation(): number {
    const { recovery, boundTo, barred } = this.state;
    return Math.max(recovery?.instance.generation ?? 0, boundTo, barred);
  }

  /** The generation above this one to which a recovery has bound it; 0: none has. */
  boundBeyond(generation: number): number {
    const { recovery, boundTo, barred } = this.state;
    const promised = recovery?.instance.generation ?? 0;
    const bound = Math.max(boundTo, promised > barred ? promised : 0);
    return bound > generation ? bound : 0;
  }

  /** It has accepted a recovery, which may be decided. */
  hasAcceptedBeyond(generation: number): boolean {
    return this.state.boundTo > generation;
  }

  /** It never votes for a recovery of that generation. */
  isBarred({ generation }: InstanceId): boolean {
    return generation <= this.state.barred;
  }

  /** It has promised to take part in a newer instance than this one, so in none before. */
  hasPassed(role: Role, instance: InstanceId): boolean {
    const vote = this.state[role];
    return vote !== null && compareInstances(vote.instance, instance) > 0;
  }

  /** It has accepted another value of this generation, which may be decided. */
  isBoundElsewhere({ generation, epoch }: InstanceId): boolean {
    const { recovery } = this.state;
    if (recovery === null || recovery.accepted === null) return false;
    const { instance } = recovery;
    return instance.generation === generation && instance.epoch !== epoch;
  }

  /** Phase 1b. */
  prepare(role: Role, from: AcceptorId, instance: InstanceId, ballot: Ballot): void {
    const known = this.at(role, instance);
    if (known !== null && compareBallots(ballot, known.promised) < 0) {
      this.refuse(from, known, ballot);
      return;
    }
    const accepted = known?.accepted ?? null;
    this.keep(role, { instance, promised: ballot, accepted });
    this.hold({ to: from, message: { kind: 'promise', instance, ballot, accepted } });
  }

  /** Phase 2b. */
  accept(role: Role, from: AcceptorId, instance: InstanceId, ballot: Ballot, value: V): void {
    const known = this.at(role, instance);
    if (known !== null && compareBallots(ballot, known.promised) < 0) {
      this.refuse(from, known, ballot);
      return;
    }
    this.keep(role, { instance, promised: ballot, accepted: { ballot, value } });
    if (role === 'recovery') this.state = { ...this.state, boundTo: instance.generation };
    this.hold({ to: from, message: { kind: 'accepted', instance, ballot } });
  }

  /** From here on it votes for no recovery of that generation, or a lower one. What it accepted there is known to come to nothing. */
  bar(generation: number): void {
    const { boundTo, barred } = this.state;
    if (generation <= barred) return;
    this.state = { ...this.state, barred: generation, boundTo: boundTo <= generation ? 0 : boundTo };
    this.isToSync = true;
  }

  /** That it never votes in that instance, nor has. */
  tellNever(to: AcceptorId, instance: InstanceId): void {
    this.hold({ to, message: { kind: 'bound', instance, generation: this.generation, never: true } });
  }

  /** The state that is to be synced now; null: nothing, or one is being synced. */
  takeWrite(): AcceptorState<V> | null {
    if (this.ofWrite !== null || (this.held.length === 0 && !this.isToSync)) return null;
    this.ofWrite = this.held;
    this.held = [];
    this.isToSync = false;
    return this.state;
  }

  /** The answers that may go out now. */
  written(): Envelope<V>[] {
    const answers = this.ofWrite;
    assert(answers !== null, 'a write of the acceptor was under way');
    this.ofWrite = null;
    return answers;
  }

  private at(role: Role, instance: InstanceId): Vote<V> | null {
    const vote = this.state[role];
    return vote !== null && compareInstances(vote.instance, instance) === 0 ? vote : null;
  }

  private keep(role: Role, next: Vote<V>): void {
    const before = this.at(role, next.instance);
    assert(!this.hasPassed(role, next.instance), 'an acceptor does not go back to an older instance');
    assert(before === null || compareBallots(before.promised, next.promised) <= 0, 'promises only rise');
    this.state = { ...this.state, [role]: next };
  }

  /** Who asks again before the answer could go out gets one. */
  private hold(answer: Envelope<V>): void {
    const isHeld = [...this.held, ...(this.ofWrite ?? [])].some((one) => isSameAnswer(one, answer));
    if (!isHeld) this.held.push(answer);
  }

  private refuse(to: AcceptorId, { instance, promised }: Vote<V>, ballot: Ballot): void {
    this.hold({ to, message: { kind: 'refused', instance, ballot, promised } });
  }
}

function isSameAnswer<V>(one: Envelope<V>, other: Envelope<V>): boolean {
  if (one.to !== other.to || one.message.kind !== other.message.kind) return false;
  if (!('instance' in one.message) || !('instance' in other.message)) return false;
  if (compareInstances(one.message.instance, other.message.instance) !== 0) return false;
  if (!('ballot' in one.message) || !('ballot' in other.message)) return true;
  return sameBallot(one.message.ballot, other.message.ballot);
}
