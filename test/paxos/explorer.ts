/**
 * All that can happen to a few nodes that agree on one value: every order of delivery, with loss and duplication (a message that was sent may arrive
 * at any time, any number of times, or never), every moment of a sync, every crash. A state that was seen is not gone through again; nor is one that
 * differs in the acceptors' names alone. Left out is what makes no difference:
 * - While an acceptor syncs nobody else does anything: it sends nothing meanwhile, so all that others do may as well have been before.
 * - Promises come to their proposer by majorities: fewer do nothing.
 * - What was asked, synced and answered is not asked again, unless the answer could be of use.
 */
import { hash } from 'node:crypto';

import { compareBallots, sameBallot } from '../../src/paxos/ballot.ts';
import { Paxos } from '../../src/paxos/paxos.ts';
import type { AcceptorState, Ballot, Decided, PaxosMessage, Vote } from '../../src/paxos/types.ts';

/** So that whatever waits for a time goes on at the next tick. */
const LATER_MS = Infinity;
const GENESIS: Decided<string> = { instance: { generation: 1, epoch: 1 }, value: 'genesis' };

export interface Bounds {
  acceptors: readonly string[];
  proposers: readonly string[];
  /** Processes that may crash, each once. */
  crashing: readonly string[];
  /** Acceptors whose syncs take a time in which anything can happen; those of others are done at once, or end in the crash. */
  slow: readonly string[];
  /** Ballots that a proposer begins within a start, at most. */
  rounds: number;
}

interface Process {
  node: Paxos<string>;
  start: number;
  canCrash: boolean;
  /** What the acceptor has synced, and what is being synced. */
  disk: AcceptorState<string> | null;
  writing: AcceptorState<string> | null;
  /** Of each ballot, what was to be accepted. */
  asked: Readonly<Record<string, string>>;
  /** What it has told that it accepted: ballots with their values. */
  votes: readonly string[];
}

interface Sent {
  from: string;
  to: string;
  message: PaxosMessage<string>;
  /** As its acceptor sees it. */
  text: string;
}

export interface Exploration {
  states: number;
  /** The values of which some ballot was accepted by a majority, over all states. */
  chosen: ReadonlySet<string>;
}

interface World {
  processes: Map<string, Process>;
  /** By their text: a message sent again is the same one. */
  network: Map<string, Sent>;
}

/** Throws when two values are chosen. */
export function explore(bounds: Bounds): Exploration {
  return new Explorer(bounds).run();
}

class Explorer {
  private readonly bounds: Bounds;
  private readonly seen = new Set<string>();
  private readonly chosen = new Set<string>();
  private readonly open: World[] = [];

  constructor(bounds: Bounds) {
    this.bounds = bounds;
  }

  run(): Exploration {
    const { acceptors, proposers, crashing } = this.bounds;
    const first: World = { processes: new Map(), network: new Map() };
    for (const name of [...acceptors, ...proposers]) {
      const node = this.started(name, 1, null);
      const canCrash = crashing.includes(name);
      first.processes.set(name, {
        node,
        start: 1,
        canCrash,
        disk: null,
        writing: null,
        asked: {},
        votes: [],
      });
    }
    for (const name of proposers) this.propose(first, name);
    this.visit(first);
    for (let world = this.open.pop(); world !== undefined; world = this.open.pop()) this.goOn(world);
    return { states: this.seen.size, chosen: this.chosen };
  }

  private visit(world: World): void {
    const key = this.keyOf(world);
    if (this.seen.has(key)) return;
    this.seen.add(key);
    const values = this.chosenIn(world);
    if (values.size > 1) throw new Error(`two values are chosen: ${[...values].join(' and ')}`);
    for (const value of values) this.chosen.add(value);
    this.open.push(world);
  }

  private goOn(world: World): void {
    const { rounds } = this.bounds;
    const { acceptors, slow } = this.bounds;
    const syncing = [...world.processes].find(([, { writing }]) => writing !== null)?.[0];
    if (syncing === undefined) this.givePromises(world);
    for (const { from, to, message } of world.network.values()) {
      if ((syncing !== undefined && to !== syncing) || message.kind === 'promise') continue;
      const deliver = (process: Process): void => {
        if (message.kind === 'accept')
          process.asked = { ...process.asked, [textOf(message.ballot)]: message.value };
        process.node.step(from, message, LATER_MS);
      };
      this.step(world, to, deliver);
      if (processOf(world.processes, to).canCrash && acceptors.includes(to) && !slow.includes(to))
        this.step(world, to, deliver, true);
    }
    for (const [name, { writing, canCrash, node }] of world.processes) {
      if (syncing !== undefined && name !== syncing) continue;
      if (writing !== null) this.step(world, name, synced);
      // An acceptor that has synced all that it did forgets nothing.
      if (canCrash && (writing !== null || !acceptors.includes(name)))
        this.step(world, name, (process) => this.crash(name, process));
      // While nothing was refused it would ask for the same again.
      if (node.isProposing && node['proposer']['attempt'] === null && node.counts.rounds < rounds)
        this.step(world, name, (process) => process.node.tick(LATER_MS));
    }
  }

  /** Those of any majority, at once: fewer do nothing. */
  private givePromises(world: World): void {
    const majority = Math.floor(this.bounds.acceptors.length / 2) + 1;
    for (const name of this.bounds.proposers) {
      const promises = [...world.network.values()].filter(
        ({ to, message }) => to === name && message.kind === 'promise',
      );
      for (const some of choices(promises, majority))
        this.step(world, name, ({ node }) => {
          for (const { from, message } of some) node.step(from, message, LATER_MS);
        });
    }
  }

  /** What one process does; the others do not change. */
  private step(
    { processes, network }: World,
    name: string,
    act: (process: Process) => void,
    crashes = false,
  ): void {
    const process = processOf(processes, name);
    const copy = { ...process, node: copyOf(process.node) };
    const next: World = { processes: new Map(processes).set(name, copy), network: new Map(network) };
    act(copy);
    this.perform(next, name, crashes);
    this.visit(next);
  }

  private started(self: string, start: number, acceptor: AcceptorState<string> | null): Paxos<string> {
    const votersOf = (): readonly string[] => this.bounds.acceptors;
    return new Paxos(
      { self, start, random: half, votersOf, survivorsOf: votersOf, isSame },
      { newest: GENESIS, acceptor },
    );
  }

  private crash(name: string, process: Process): void {
    process.canCrash = false;
    process.writing = null;
    process.start += 1;
    process.node = this.started(name, process.start, process.disk);
    if (this.bounds.proposers.includes(name)) proposeAnew(name, process);
  }

  private propose(world: World, name: string): void {
    proposeAnew(name, processOf(world.processes, name));
    this.perform(world, name);
  }

  private perform(world: World, name: string, crashes = false): void {
    const process = processOf(world.processes, name);
    for (const effect of process.node.takeEffects()) {
      if (effect.kind === 'write') process.writing = effect.state;
      if (effect.kind === 'learn') this.checkDecided(world, effect.decided.value);
      if (effect.kind !== 'send') continue;
      const { to, message } = effect;
      const isForAcceptor = message.kind === 'prepare' || message.kind === 'accept';
      const text = `${isForAcceptor ? name : `>${to}`} ${JSON.stringify(message)}`;
      world.network.set(`${name}${to}${text}`, { from: name, to, message, text });
    }
    if (crashes) this.crash(name, process);
    else if (process.writing !== null && !(process.canCrash && this.bounds.slow.includes(name))) {
      // That its answers wait, the network can do.
      synced(process);
      this.perform(world, name);
      return;
    }
    this.tellProposers(world);
    for (const [key, sent] of world.network) if (this.isDead(world, sent)) world.network.delete(key);
  }

  /** Acceptances only add up: whoever asked for them hears of them at once. */
  private tellProposers(world: World): void {
    for (const [key, { from, to, message }] of world.network) {
      if (message.kind !== 'accepted') continue;
      world.network.delete(key);
      const process = processOf(world.processes, from);
      const value = process.asked[textOf(message.ballot)];
      process.votes = [...new Set([...process.votes, `${textOf(message.ballot)} ${value}`])].toSorted();
      const proposer = processOf(world.processes, to);
      const copy = { ...proposer, node: copyOf(proposer.node) };
      world.processes.set(to, copy);
      copy.node.step(from, message, LATER_MS);
      for (const effect of copy.node.takeEffects())
        if (effect.kind === 'learn') this.checkDecided(world, effect.decided.value);
    }
  }

  private checkDecided(world: World, value: string): void {
    if (!this.chosenIn(world).has(value)) throw new Error(`${value} is taken for decided, and is not chosen`);
  }

  /** Nothing comes of it any more, whenever it arrives: ballots and promises only rise. */
  private isDead({ processes, network }: World, { from, to, message }: Sent): boolean {
    if (message.kind === 'prepare' || message.kind === 'accept') {
      const { node, disk } = processOf(processes, to);
      if (this.isAnswered({ processes, network }, { from, to, message, text: '' }, disk?.vote ?? null))
        return true;
      const promised = [node['acceptor']['state'], disk].map((state) => state?.vote?.promised);
      if (!promised.every((one) => one !== undefined && compareBallots(message.ballot, one) < 0))
        return false;
      const refusal = { ...message, kind: 'refused' as const, promised: promised[0] ?? message.ballot };
      return this.isDead({ processes, network }, { from: to, to: from, message: refusal, text: '' });
    }
    if (message.kind === 'behind' || message.kind === 'decided' || message.kind === 'bound') return true;
    const { node } = processOf(processes, to);
    const attempt = node['proposer']['attempt'];
    const isCurrent = attempt !== null && sameBallot(attempt.ballot, message.ballot);
    if (message.kind === 'refused')
      return (
        node.counts.rounds >= this.bounds.rounds ||
        (!isCurrent && message.promised.round <= node['proposer']['round'])
      );
    return !isCurrent || attempt.value !== null || attempt.promises.has(from);
  }

  /** What it asks for is synced, and told: it would be done again for nothing. */
  private isAnswered({ processes, network }: World, asked: Sent, vote: Vote<string> | null): boolean {
    const { from, to, message } = asked;
    if (vote === null) return false;
    if (message.kind === 'accept')
      return vote.accepted !== null && sameBallot(vote.accepted.ballot, message.ballot);
    if (message.kind !== 'prepare' || !sameBallot(vote.promised, message.ballot)) return false;
    const { node } = processOf(processes, from);
    const attempt = node['proposer']['attempt'];
    if (attempt === null || attempt.value !== null || !sameBallot(attempt.ballot, message.ballot))
      return true;
    return [...network.values()].some(
      (sent) => sent.from === to && sent.to === from && sent.message.kind === 'promise',
    );
  }

  /** Values that a majority has accepted at one ballot. */
  private chosenIn({ processes }: World): Set<string> {
    const counts = new Map<string, number>();
    for (const { votes } of processes.values())
      for (const vote of votes) counts.set(vote, (counts.get(vote) ?? 0) + 1);
    const chosen = new Set<string>();
    for (const [vote, count] of counts)
      if (count * 2 > this.bounds.acceptors.length) chosen.add(vote.split(' ')[1]);
    return chosen;
  }

  /** Acceptors in the same state are the same: they do not know of each other. */
  private keyOf({ processes, network }: World): string {
    const { acceptors, proposers } = this.bounds;
    const messages = new Map<string, string[]>(acceptors.map((name) => [name, []]));
    for (const { from, to, text } of network.values()) messages.get(messages.has(to) ? to : from)?.push(text);
    const attempts = proposers.map((name) => processOf(processes, name).node['proposer']['attempt']);
    const ofAcceptors = acceptors.map((name) => {
      const { canCrash, disk, writing, votes, node } = processOf(processes, name);
      // In phase 2 nobody asks who promised.
      const promises = attempts.map((one) => (one?.value === null ? one.promises.get(name) : undefined));
      const { state, held, ofWrite } = node['acceptor'] as unknown as Record<string, unknown>;
      const sent = messages.get(name)?.toSorted();
      return JSON.stringify([canCrash, disk, writing, votes, state, held, ofWrite, promises, sent]);
    });
    const ofProposers = proposers.map((name, at) => {
      const { start, canCrash, node } = processOf(processes, name);
      const { ballot, value } = attempts[at] ?? {};
      return [start, canCrash, node.counts.rounds, node['proposer']['round'], ballot, value];
    });
    return hash('md5', JSON.stringify([ofProposers, ofAcceptors.toSorted()]), 'base64');
  }
}

/** All ways to take so many of them. */
function choices<T>(from: readonly T[], count: number): T[][] {
  if (count === 0) return [[]];
  return from.flatMap((one, at) => choices(from.slice(at + 1), count - 1).map((rest) => [one, ...rest]));
}

function synced(process: Process): void {
  process.disk = process.writing;
  process.writing = null;
  process.node.written();
}

/** Another value after each start: so a ballot used twice shows. */
function proposeAnew(name: string, { node, start }: Process): void {
  node.propose(`${name}${start}`, LATER_MS);
}

function processOf(processes: ReadonlyMap<string, Process>, name: string): Process {
  const process = processes.get(name);
  if (process === undefined) throw new Error(`there is no process ${name}`);
  return process;
}

function textOf({ round, start, node }: Ballot): string {
  return `${round}.${start}.${node}`;
}

function half(): number {
  return 0.5;
}

function isSame(one: string, other: string): boolean {
  return one === other;
}

/** Of all that can change; messages, states and configurations do not. */
function copyOf(node: Paxos<string>): Paxos<string> {
  const { attempt } = node['proposer'] as unknown as { attempt: Attempt | null };
  const proposer = Object.assign(shallow(node['proposer']), {
    counts: { ...node.counts },
    sent: [],
    attempt:
      attempt === null
        ? null
        : { ...attempt, promises: new Map(attempt.promises), accepted: new Set(attempt.accepted) },
  });
  const acceptor = Object.assign(shallow(node['acceptor']), { held: [...node['acceptor']['held']] });
  const learner = shallow(node['learner']);
  return Object.assign(shallow(node), { proposer, acceptor, learner, effects: [] });
}

interface Attempt {
  promises: ReadonlyMap<string, unknown>;
  accepted: ReadonlySet<string>;
}

function shallow<T extends object>(one: T): T {
  return Object.assign(Object.create(Object.getPrototypeOf(one) as object) as T, one);
}
