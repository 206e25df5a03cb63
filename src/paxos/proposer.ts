/**
 * The proposer of the Synod (Paxos Made Simple §2.2). It asks again for what may have been lost; when another has a higher ballot, it waits for a
 * random time, longer each time, and goes on with a ballot above the highest that it heard of: so two of them do not duel for ever.
 */
import { compareBallots, sameBallot } from './ballot.ts';
import type { Accepted, AcceptorId, Ballot, Decided, Envelope, InstanceId, PaxosCounts } from './types.ts';

/** What was asked and not answered is asked again after this. */
const ASK_AGAIN_MS = 300;
const BACK_OFF_LEAST_MS = 50;
const BACK_OFF_MOST_MS = 1600;

export interface ProposerConfig<V> {
  self: AcceptorId;
  /** Synced; every start of the node has a higher one. */
  start: number;
  /** Uniform from 0 to below 1. */
  random: () => number;
  survivorsOf: (value: V) => readonly AcceptorId[];
}

export interface Proposal<V> {
  instance: InstanceId;
  acceptors: readonly AcceptorId[];
  /** How many of them have to promise, and to accept. */
  quorum: number;
  value: V;
  recovers: boolean;
}

interface Attempt<V> {
  ballot: Ballot;
  promises: Map<AcceptorId, Accepted<V> | null>;
  /** Null in phase 1. */
  value: V | null;
  accepted: Set<AcceptorId>;
}

export class Proposer<V> {
  readonly counts: PaxosCounts = { rounds: 0, conflicts: 0 };
  private readonly config: ProposerConfig<V>;
  private round = 0;
  private proposal: Proposal<V> | null = null;
  /** Null while it backs off. */
  private attempt: Attempt<V> | null = null;
  private nextMs = 0;
  private backOffMs = BACK_OFF_LEAST_MS;
  private sent: Envelope<V>[] = [];

  constructor(config: ProposerConfig<V>) {
    this.config = config;
  }

  get current(): Proposal<V> | null {
    return this.proposal;
  }

  takeSent(): Envelope<V>[] {
    const { sent } = this;
    this.sent = [];
    return sent;
  }

  begin(proposal: Proposal<V>, nowMs: number): void {
    this.proposal = proposal;
    this.backOffMs = BACK_OFF_LEAST_MS;
    this.prepare(proposal, nowMs);
  }

  end(): void {
    this.proposal = null;
    this.attempt = null;
  }

  tick(nowMs: number): void {
    const { proposal, attempt } = this;
    if (proposal === null || nowMs < this.nextMs) return;
    if (attempt === null) this.prepare(proposal, nowMs);
    else this.ask(proposal, attempt, nowMs);
  }

  onPromise(
    from: AcceptorId,
    instance: InstanceId,
    ballot: Ballot,
    accepted: Accepted<V> | null,
    nowMs: number,
  ): void {
    const found = this.underWay(instance, ballot);
    if (found === null || found.attempt.value !== null || !found.proposal.acceptors.includes(from)) return;
    const { attempt, proposal } = found;
    attempt.promises.set(from, accepted);
    if (attempt.promises.size < proposal.quorum) return;
    // What may be chosen already is proposed on: the newest of what was accepted (§2.2, P2c).
    const newest = newestOf(attempt.promises.values());
    if (newest !== null && proposal.recovers && this.isOfOthers(proposal, newest.value, nowMs)) return;
    attempt.value = newest?.value ?? proposal.value;
    this.ask(proposal, attempt, nowMs);
  }

  /** A recovery is for the survivors to accept that it names, be they others than these. True when it has to be begun anew, with them. */
  private isOfOthers(proposal: Proposal<V>, value: V, nowMs: number): boolean {
    const acceptors = this.config.survivorsOf(value);
    const isSame =
      acceptors.length === proposal.acceptors.length &&
      acceptors.every((one) => proposal.acceptors.includes(one));
    if (isSame) return false;
    this.proposal = { ...proposal, acceptors, quorum: acceptors.length };
    this.prepare(this.proposal, nowMs);
    return true;
  }

  /** The decision, once there is one. */
  onAccepted(from: AcceptorId, instance: InstanceId, ballot: Ballot): Decided<V> | null {
    const found = this.underWay(instance, ballot);
    if (found === null || found.attempt.value === null || !found.proposal.acceptors.includes(from))
      return null;
    const { attempt, proposal } = found;
    const { accepted, value } = attempt;
    if (value === null || accepted.has(from)) return null;
    accepted.add(from);
    // Once: those who come later are told with the others.
    return accepted.size === proposal.quorum ? { instance, value } : null;
  }

  onRefused(instance: InstanceId, ballot: Ballot, promised: Ballot, nowMs: number): void {
    if (promised.round > this.round) this.round = promised.round;
    if (this.underWay(instance, ballot) === null) return;
    this.counts.conflicts += 1;
    this.attempt = null;
    this.nextMs = nowMs + this.backOffMs * (0.5 + this.config.random());
    this.backOffMs = Math.min(this.backOffMs * 2, BACK_OFF_MOST_MS);
  }

  private prepare(proposal: Proposal<V>, nowMs: number): void {
    const { self, start } = this.config;
    this.round += 1;
    this.counts.rounds += 1;
    const ballot = { round: this.round, start, node: self };
    this.attempt = { ballot, promises: new Map(), value: null, accepted: new Set() };
    this.ask(proposal, this.attempt, nowMs);
  }

  /** Those who have not answered in this phase. */
  private ask({ instance, acceptors, recovers }: Proposal<V>, attempt: Attempt<V>, nowMs: number): void {
    const { ballot, promises, value, accepted } = attempt;
    this.nextMs = nowMs + ASK_AGAIN_MS;
    const flag = recovers ? { recovers } : {};
    for (const to of acceptors) {
      if (value === null && !promises.has(to))
        this.sent.push({ to, message: { kind: 'prepare', instance, ballot, ...flag } });
      if (value !== null && !accepted.has(to))
        this.sent.push({ to, message: { kind: 'accept', instance, ballot, value, ...flag } });
    }
  }

  private underWay(
    { generation, epoch }: InstanceId,
    ballot: Ballot,
  ): { proposal: Proposal<V>; attempt: Attempt<V> } | null {
    const { proposal, attempt } = this;
    if (proposal === null || attempt === null || !sameBallot(attempt.ballot, ballot)) return null;
    const { instance } = proposal;
    return instance.generation === generation && instance.epoch === epoch ? { proposal, attempt } : null;
  }
}

function newestOf<V>(promises: Iterable<Accepted<V> | null>): Accepted<V> | null {
  let newest: Accepted<V> | null = null;
  for (const accepted of promises) {
    if (accepted === null) continue;
    if (newest === null || compareBallots(accepted.ballot, newest.ballot) > 0) newest = accepted;
  }
  return newest;
}
