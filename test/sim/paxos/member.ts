import { compareBallots, compareInstances } from '../../../src/paxos/ballot.ts';
import { Paxos } from '../../../src/paxos/paxos.ts';
import type {
  AcceptorState,
  Ballot,
  Decided,
  InstanceId,
  PaxosEffect,
  PaxosMessage,
  Vote,
} from '../../../src/paxos/types.ts';
import { nextElectorate, type Chosen } from './electorate.ts';
import type { Value, World } from './world.ts';

const TICK_MS = 40;
/** Whoever asked for a change has lost patience. */
const PATIENCE_MS = 4000;

/** One node: what it has synced outlives its crashes. */
export class Member {
  readonly name: string;
  private readonly world: World;
  private node: Paxos<Value> | null = null;
  private starts = 0;
  private acceptor: AcceptorState<Value> | null = null;
  private newest: Decided<Value>;
  private isWriting = false;
  private proposedAtMs = 0;
  /** It is not to come back, unless the operator was wrong. */
  isDead = false;
  /** Of each ballot, what was to be accepted. */
  private readonly asked = new Map<string, Value>();
  /** And what was known then. */
  private readonly knewEpoch = new Map<string, number>();

  constructor(world: World, name: string, first: Decided<Value>) {
    this.world = world;
    this.name = name;
    this.newest = first;
    this.start();
  }

  get value(): Value {
    return this.newest.value;
  }

  get epoch(): number {
    return this.newest.instance.epoch;
  }

  get isUp(): boolean {
    return this.node !== null;
  }

  start(): void {
    if (this.node !== null || this.isDead) return;
    this.starts += 1;
    const { random } = this.world;
    const config = {
      self: this.name,
      start: this.starts,
      random: () => random.between(0, 1),
      votersOf: (value: Value) => value.voters,
      survivorsOf: (value: Value) => value.survivors ?? [],
      isSame: (one: Value, other: Value) => one.label === other.label,
    };
    const stored = { newest: this.newest, acceptor: this.acceptor };
    this.node = new Paxos(config, stored);
    this.isWriting = false;
    this.tick(this.node);
  }

  crash(): void {
    const { world } = this;
    if (this.node === null) return;
    world.count('crashes');
    if (this.isWriting) world.count('crashes in a sync');
    if (!isAtLeast(this.acceptor, this.node['acceptor']['state'])) world.count('unsynced promises lost');
    world.say(`${this.name} crashes`);
    this.node = null;
  }

  /** With voters, they are to be these. */
  propose(voters: readonly string[] | null): void {
    const { node } = this;
    if (node === null || node.isProposing) return;
    const { value } = node.newest;
    this.proposeElectorate({ nodes: value.nodes, voters: voters ?? value.voters });
  }

  /** What the rule for voters asks for, and a change of nodes now and then. */
  proposeByRule(): void {
    const { node, world } = this;
    if (node === null || node.isProposing) return;
    const { value } = node.newest;
    const next = nextElectorate(value, world, (name) => name === this.name || world.isHeard(this.name, name));
    this.proposeElectorate(next ?? value);
  }

  private proposeElectorate({ nodes, voters }: Chosen): void {
    const { node, world } = this;
    if (node === null) return;
    world.count('proposals');
    const { value } = node.newest;
    const label = world.label();
    this.proposedAtMs = world.schedule.nowMs;
    world.say(`${this.name} proposes ${label} after ${value.label}`);
    node.propose({ nodes, voters, label, after: value.label }, world.schedule.nowMs);
    this.perform(node);
  }

  /** An operator says that these are all that is left. */
  recover(survivors: readonly string[], voters: readonly string[]): void {
    const { node, world } = this;
    if (node === null) return;
    node.giveUp();
    world.count('recoveries tried');
    const label = world.label();
    this.proposedAtMs = world.schedule.nowMs;
    world.say(`${this.name} recovers with ${label}, survivors ${survivors.join(' ')}`);
    const after = node.newest.value.label;
    node.recover({ nodes: survivors, voters, survivors, label, after }, survivors, world.schedule.nowMs);
    this.perform(node);
  }

  receive(from: string, message: PaxosMessage<Value>): void {
    const { node, world } = this;
    if (node === null) return;
    if (message.kind === 'refused') world.count('ballots refused');
    if (message.kind === 'promise' && message.accepted !== null && node.isProposing)
      world.count('values taken over');
    if (message.kind === 'bound') world.count(message.never ? 'never to be decided' : 'bound to a recovery');
    if (message.kind === 'accept') {
      const at = JSON.stringify(message.ballot);
      this.asked.set(at, message.value);
      if (!this.knewEpoch.has(at)) this.knewEpoch.set(at, this.epoch);
    }
    node.step(from, message, world.schedule.nowMs);
    this.perform(node);
  }

  private tick(node: Paxos<Value>): void {
    const { schedule, random } = this.world;
    schedule.after(random.between(0.5, 1) * TICK_MS, () => {
      if (this.node !== node) return;
      if (node.isProposing && schedule.nowMs - this.proposedAtMs > PATIENCE_MS) node.giveUp();
      node.tick(schedule.nowMs);
      // As the frames between nodes do: who is behind finds out.
      if (random.chance(0.2)) {
        const other = random.pick(this.world.members);
        this.world.send(this.name, other.name, { kind: 'behind', newest: node.newest.instance });
      }
      this.perform(node);
      this.tick(node);
    });
  }

  private perform(node: Paxos<Value>): void {
    for (const effect of node.takeEffects()) this.performOne(node, effect);
  }

  private performOne(node: Paxos<Value>, effect: PaxosEffect<Value>): void {
    const { world } = this;
    switch (effect.kind) {
      case 'send':
        this.send(effect.to, effect.message);
        return;
      case 'write':
        this.isWriting = true;
        this.afterSync(node, () => this.written(node, effect.state));
        return;
      case 'learn':
        world.decided(this.name, effect.decided);
        this.afterSync(node, () => this.learned(node, effect.decided));
        return;
      case 'settled':
        world.say(`${this.name}: ${effect.outcome}`);
        world.count(effect.outcome === 'lost' ? 'lost to another' : effect.outcome);
    }
  }

  private send(to: string, message: PaxosMessage<Value>): void {
    const { acceptor, world } = this;
    if (message.kind === 'decided') world.count('handed over');
    if (message.kind === 'promise')
      world.check(
        partsOf(acceptor).some((vote) => isVoteAtLeast(vote, { ...message, promised: message.ballot })),
        `register-promises: ${this.name} answers with a promise that is not synced`,
      );
    if (message.kind === 'accepted') this.voted(message.instance, message.ballot);
    if (to === this.name) world.schedule.after(0, () => this.receive(to, message));
    else world.send(this.name, to, message);
  }

  private voted(instance: InstanceId, ballot: Ballot): void {
    const { acceptor, world } = this;
    const at = JSON.stringify(ballot);
    const value = this.asked.get(at);
    const part = value?.survivors === undefined ? acceptor?.vote : acceptor?.recovery;
    // It knows that one decided, synced, or has been asked for a newer recovery: what it says of it changes nothing.
    if (part != null && compareInstances(part.instance, instance) > 0) return;
    const kept = part?.accepted ?? null;
    world.check(
      kept !== null && compareBallots(kept.ballot, ballot) >= 0 && value !== undefined,
      `register-promises: ${this.name} says that it has accepted what is not synced`,
    );
    if (value?.survivors !== undefined)
      world.check(
        (this.knewEpoch.get(at) ?? 0) < instance.epoch,
        `register-promises: ${this.name} accepts a recovery of less than it knows`,
      );
    if (value !== undefined) world.accepted(this.name, instance, at, value);
  }

  private written(node: Paxos<Value>, state: AcceptorState<Value>): void {
    const { acceptor, world } = this;
    world.check(isAtLeast(state, acceptor), `register-promises: a promise of ${this.name} is taken back`);
    this.acceptor = state;
    this.isWriting = false;
    node.written();
    this.perform(node);
  }

  private learned(node: Paxos<Value>, decided: Decided<Value>): void {
    if (compareInstances(decided.instance, this.newest.instance) > 0) this.newest = decided;
    node.learned(decided);
    this.perform(node);
  }

  private afterSync(node: Paxos<Value>, done: () => void): void {
    const { schedule, random, options } = this.world;
    schedule.after(random.between(0.1, 1) * options.syncMs, () => {
      if (this.node === node) done();
    });
  }
}

type Promised = Pick<Vote<Value>, 'instance' | 'promised'>;

function partsOf(state: AcceptorState<Value> | null): (Vote<Value> | null)[] {
  return [state?.vote ?? null, state?.recovery ?? null];
}

function isAtLeast(one: AcceptorState<Value> | null, other: AcceptorState<Value> | null): boolean {
  const others = partsOf(other);
  return (
    (one?.barred ?? 0) >= (other?.barred ?? 0) &&
    partsOf(one).every((vote, at) => others[at] === null || isVoteAtLeast(vote, others[at]))
  );
}

function isVoteAtLeast(one: Promised | null, other: Promised): boolean {
  if (one === null) return false;
  const order = compareInstances(one.instance, other.instance);
  return order > 0 || (order === 0 && compareBallots(one.promised, other.promised) >= 0);
}
