/**
 * One node's part in the register: a single-decree Paxos instance for each epoch, whose acceptors are the voters that the value decided before
 * names. Pure: messages and synced states go in, effects come out. Any node may propose; one that is no voter answers what it knows decided.
 */
import { Acceptor } from './acceptor.ts';
import { compareInstances, nextInstance, recoveryInstance } from './ballot.ts';
import { Learner } from './learner.ts';
import { Proposer } from './proposer.ts';
import type {
  AcceptorId,
  AcceptorState,
  Decided,
  InstanceId,
  PaxosCounts,
  PaxosEffect,
  PaxosMessage,
  ProposalOutcome,
} from './types.ts';

export interface PaxosConfig<V> {
  self: AcceptorId;
  /** Of this start of the node; synced, and higher than that of any before. */
  start: number;
  /** Uniform from 0 to below 1. */
  random: () => number;
  votersOf: (value: V) => readonly AcceptorId[];
  isSame: (one: V, other: V) => boolean;
}

/** What the disk tells at the start. */
export interface PaxosStored<V> {
  newest: Decided<V>;
  acceptor: AcceptorState<V> | null;
}

export class Paxos<V> {
  private readonly config: PaxosConfig<V>;
  private readonly acceptor: Acceptor<V>;
  private readonly proposer: Proposer<V>;
  private readonly learner: Learner<V>;
  private effects: PaxosEffect<V>[] = [];

  constructor(config: PaxosConfig<V>, stored: PaxosStored<V>) {
    this.config = config;
    this.acceptor = new Acceptor(stored.acceptor);
    this.learner = new Learner(stored.newest);
    const { self, start, random } = config;
    this.proposer = new Proposer({ self, start, random });
  }

  get newest(): Decided<V> {
    return this.learner.newest;
  }

  get counts(): Readonly<PaxosCounts> {
    return this.proposer.counts;
  }

  get isProposing(): boolean {
    return this.proposer.current !== null;
  }

  takeEffects(): PaxosEffect<V>[] {
    for (const { to, message } of this.proposer.takeSent()) this.send(to, message);
    const write = this.acceptor.takeWrite();
    if (write !== null) this.effects.push({ kind: 'write', state: write });
    const taken = this.effects;
    this.effects = [];
    return taken;
  }

  /** The value is to follow the newest. One at a time: `settled` tells the end. */
  propose(value: V, nowMs: number): void {
    const { instance, value: newest } = this.newest;
    const acceptors = this.config.votersOf(newest);
    const quorum = Math.floor(acceptors.length / 2) + 1;
    this.proposer.begin(
      { instance: nextInstance(instance), acceptors, quorum, value, recovers: false },
      nowMs,
    );
  }

  /** Which instance a recovery decides. */
  get recovery(): InstanceId {
    return recoveryInstance(this.newest.instance, this.acceptor.generation);
  }

  /** A majority of the voters is lost: every survivor has to agree, under the next generation. */
  recover(value: V, survivors: readonly AcceptorId[], nowMs: number): void {
    const instance = this.recovery;
    const quorum = survivors.length;
    this.proposer.begin({ instance, acceptors: survivors, quorum, value, recovers: true }, nowMs);
  }

  /** Whoever asked has lost patience. The value may be decided yet. */
  giveUp(): void {
    this.proposer.end();
  }

  tick(nowMs: number): void {
    this.proposer.tick(nowMs);
  }

  /** The state of the last `write` is synced. */
  written(): void {
    for (const { to, message } of this.acceptor.written()) this.send(to, message);
  }

  /** This is decided, and synced here; it may have been learned another way. */
  learned(decided: Decided<V>): void {
    if (!this.learner.stored(decided)) return;
    const proposal = this.proposer.current;
    if (proposal === null) return;
    // A recovery replaces what comes after the newest; if that is another now, the operator has to look again.
    const order = compareInstances(decided.instance, proposal.instance);
    if (order < 0 && !proposal.recovers) return;
    this.proposer.end();
    const isOwn = order === 0 && this.config.isSame(decided.value, proposal.value);
    const outcome: ProposalOutcome = order !== 0 ? 'passed' : isOwn ? 'won' : 'lost';
    this.effects.push({ kind: 'settled', outcome });
  }

  step(from: AcceptorId, message: PaxosMessage<V>, nowMs: number): void {
    const { acceptor, proposer } = this;
    switch (message.kind) {
      case 'prepare':
        if (this.mayVote(from, message.instance, message.recovers === true))
          acceptor.prepare(from, message.instance, message.ballot);
        return;
      case 'accept':
        if (this.mayVote(from, message.instance, message.recovers === true))
          acceptor.accept(from, message.instance, message.ballot, message.value);
        return;
      case 'promise':
        proposer.onPromise(from, message.instance, message.ballot, message.accepted, nowMs);
        return;
      case 'accepted':
        this.onDecided(proposer.onAccepted(from, message.instance, message.ballot));
        return;
      case 'refused':
        proposer.onRefused(message.instance, message.ballot, message.promised, nowMs);
        return;
      case 'behind':
        if (compareInstances(message.newest, this.newest.instance) < 0) this.handOver(from);
        return;
      case 'decided':
        this.learn({ instance: message.instance, value: message.value });
    }
  }

  /** Whether this node has to answer as an acceptor of the instance; else whoever asks is told what it does not know. */
  private mayVote(from: AcceptorId, instance: InstanceId, recovers: boolean): boolean {
    const { newest, config } = this;
    if (!isAfter(instance, newest.instance, recovers)) {
      if (compareInstances(instance, newest.instance) <= 0 || recovers) this.handOver(from);
      else this.send(from, { kind: 'behind', newest: newest.instance });
      return false;
    }
    // Once it has promised to go on under a higher generation, nothing older is voted for.
    if (this.acceptor.hasPassed(instance)) return false;
    if (recovers) return !this.acceptor.isBoundElsewhere(instance);
    return config.votersOf(newest.value).includes(config.self);
  }

  private onDecided(decided: Decided<V> | null): void {
    if (decided === null) return;
    const proposal = this.proposer.current;
    this.learn(decided);
    const voters = this.config.votersOf(decided.value);
    // Who decides the next is told first (history 5 b).
    for (const to of new Set([...voters, ...(proposal?.acceptors ?? [])]))
      if (to !== this.config.self) this.send(to, { kind: 'decided', ...decided });
  }

  private learn(decided: Decided<V>): void {
    if (this.learner.isNews(decided)) this.effects.push({ kind: 'learn', decided });
  }

  private handOver(to: AcceptorId): void {
    this.send(to, { kind: 'decided', ...this.newest });
  }

  private send(to: AcceptorId, message: PaxosMessage<V>): void {
    this.effects.push({ kind: 'send', to, message });
  }
}

function isAfter(instance: InstanceId, newest: InstanceId, recovers: boolean): boolean {
  // Where survivors know different epochs, the newest of them is gone on from.
  if (recovers) return instance.generation > newest.generation && instance.epoch > newest.epoch;
  return compareInstances(instance, nextInstance(newest)) === 0;
}
