/**
 * One node's part in the register: a single-decree Paxos instance for each epoch, whose acceptors are the voters that the value decided before
 * names. Pure: messages and synced states go in, effects come out. Any node may propose; one that is no voter answers what it knows decided.
 */
import { Acceptor, type Role } from './acceptor.ts';
import { compareInstances, nextInstance, recoveryInstance } from './ballot.ts';
import { Learner } from './learner.ts';
import { Proposer } from './proposer.ts';
import { Survivor } from './survivor.ts';
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
  /** All that are left after the recovery that made this. */
  survivorsOf: (value: V) => readonly AcceptorId[];
  isSame: (one: V, other: V) => boolean;
}

/** What the disk tells at the start. */
export interface PaxosStored<V> {
  newest: Decided<V>;
  acceptor: AcceptorState<V> | null;
}

type Asked = Extract<PaxosMessage<unknown>, { kind: 'prepare' | 'accept' }>;

/** So long a node tries to have a recovery decided that another has begun; other proposals of it wait meanwhile. */
const COMPLETING_MS = 2000;

export class Paxos<V> {
  private readonly config: PaxosConfig<V>;
  private readonly acceptor: Acceptor<V>;
  private readonly proposer: Proposer<V>;
  private readonly learner: Learner<V>;
  private readonly survivor: Survivor<V>;
  /** Null: what is proposed is what this node was asked for. */
  private completingUntilMs: number | null = null;
  private effects: PaxosEffect<V>[] = [];

  constructor(config: PaxosConfig<V>, stored: PaxosStored<V>) {
    this.config = config;
    this.acceptor = new Acceptor(stored.acceptor);
    this.learner = new Learner(stored.newest);
    this.survivor = new Survivor(this.acceptor);
    const { self, start, random, survivorsOf } = config;
    this.proposer = new Proposer({ self, start, random, survivorsOf });
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
    this.completingUntilMs = null;
    this.proposer.begin(
      { instance: nextInstance(instance), acceptors, quorum, value, recovers: false },
      nowMs,
    );
  }

  /** Which instance a recovery decides. */
  get recovery(): InstanceId {
    return recoveryInstance(this.newest.instance, this.survivor.generation);
  }

  /** Those that a recovery which did not end keeps from voting, as far as this node has heard. */
  get bound(): readonly AcceptorId[] {
    const { generation } = this.newest.instance;
    const others = this.survivor.boundBeyond(generation);
    return this.acceptor.boundBeyond(generation) === 0 ? others : [this.config.self, ...others];
  }

  /** A majority of the voters is lost: every survivor has to agree, under the next generation. */
  recover(value: V, survivors: readonly AcceptorId[], nowMs: number): void {
    const instance = this.recovery;
    const quorum = survivors.length;
    this.completingUntilMs = null;
    this.proposer.begin({ instance, acceptors: survivors, quorum, value, recovers: true }, nowMs);
  }

  /** Whoever asked has lost patience. The value may be decided yet. */
  giveUp(): void {
    this.proposer.end();
  }

  tick(nowMs: number): void {
    this.complete(nowMs);
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
        if (this.mayVote(from, message, nowMs))
          acceptor.prepare(roleOf(message), from, message.instance, message.ballot);
        return;
      case 'accept':
        if (this.mayVote(from, message, nowMs))
          acceptor.accept(roleOf(message), from, message.instance, message.ballot, message.value);
        return;
      case 'promise':
        this.survivor.heardVote(from);
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
      case 'bound':
        this.onBound(from, message.instance, message.generation, message.never);
        return;
      case 'decided':
        this.learn({ instance: message.instance, value: message.value });
    }
  }

  /** Whether this node has to answer as an acceptor of the instance; else whoever asks is told why not. */
  private mayVote(from: AcceptorId, { instance, recovers }: Asked, nowMs: number): boolean {
    return recovers === true
      ? this.mayVoteAsSurvivor(from, instance, nowMs)
      : this.mayVoteAsVoter(from, instance, nowMs);
  }

  private mayVoteAsVoter(from: AcceptorId, instance: InstanceId, nowMs: number): boolean {
    const { newest, config, acceptor } = this;
    if (compareInstances(instance, nextInstance(newest.instance)) !== 0) {
      if (compareInstances(instance, newest.instance) <= 0) this.handOver(from);
      else this.send(from, { kind: 'behind', newest: newest.instance });
      return false;
    }
    if (!config.votersOf(newest.value).includes(config.self)) return false;
    if (this.survivor.isFree(instance.generation, nowMs)) return !acceptor.hasPassed('vote', instance);
    this.tellBound(from, instance);
    return false;
  }

  private mayVoteAsSurvivor(from: AcceptorId, instance: InstanceId, nowMs: number): boolean {
    const known = this.newest.instance;
    if (instance.generation <= known.generation || instance.epoch <= known.epoch) this.handOver(from);
    if (instance.generation <= known.generation) return false;
    // What is being synced may be what the recovery would undo: it is asked again.
    if (this.learner.isLearning) return false;
    const answer = this.survivor.answer(instance, known, nowMs);
    if (answer === 'never') this.acceptor.tellNever(from, instance);
    if (answer === 'bound') this.tellBound(from, instance);
    return answer === 'votes';
  }

  private tellBound(to: AcceptorId, instance: InstanceId): void {
    this.send(to, { kind: 'bound', instance, generation: this.acceptor.generation, never: false });
  }

  private onBound(from: AcceptorId, instance: InstanceId, generation: number, never: boolean): void {
    const { acceptor, survivor, proposer, config } = this;
    if (from !== config.self) survivor.heardBound(from, generation);
    const accepted = acceptor.recovery?.accepted;
    if (never && accepted != null && config.survivorsOf(accepted.value).includes(from))
      survivor.neverDecided(instance);
    const proposal = proposer.current;
    if (proposal === null || !proposal.recovers || compareInstances(proposal.instance, instance) !== 0)
      return;
    proposer.end();
    if (this.completingUntilMs === null) this.effects.push({ kind: 'settled', outcome: 'outbid' });
  }

  /** A recovery that this node has accepted, and that whoever began it has left, is brought to its end. */
  private complete(nowMs: number): void {
    if (this.completingUntilMs !== null && nowMs >= this.completingUntilMs) {
      this.completingUntilMs = null;
      this.proposer.end();
    }
    if (this.isProposing) return;
    const overdue = this.survivor.takeOverdue(this.newest.instance.generation, nowMs);
    if (overdue?.accepted == null) return;
    const { instance, accepted } = overdue;
    const acceptors = this.config.survivorsOf(accepted.value);
    this.completingUntilMs = nowMs + COMPLETING_MS;
    this.proposer.begin(
      { instance, acceptors, quorum: acceptors.length, value: accepted.value, recovers: true },
      nowMs,
    );
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

function roleOf({ recovers }: Asked): Role {
  return recovers === true ? 'recovery' : 'vote';
}
