import { unreachable } from '../../src/assert.ts';
import { Paxos } from '../../src/paxos/paxos.ts';
import type {
  AcceptorState,
  Ballot,
  Decided,
  InstanceId,
  PaxosEffect,
  PaxosMessage,
} from '../../src/paxos/types.ts';

interface Value {
  label: string;
  voters: readonly string[];
}

interface Node {
  paxos: Paxos<Value> | null;
  start: number;
  newest: Decided<Value>;
  acceptor: AcceptorState<Value> | null;
  writing: AcceptorState<Value> | null;
  hasSlowDisk: boolean;
}

interface Sent {
  from: string;
  to: string;
  message: PaxosMessage<Value>;
}

/** More than any waiting. */
const PATIENCE_MS = 5000;

/** Nodes of a register, the messages between them, and commands that move one thing at a time. */
export class Scenario {
  private readonly nodes = new Map<string, Node>();
  private queue: Sent[] = [];
  private delayed: Sent[] = [];
  private readonly held = new Set<string>();
  private nowMs = 0;
  private lines: string[] = [];

  /** Runs one command; returns what it prints. */
  run(command: string): string {
    this.lines = [];
    const [name, ...args] = command.split(' ');
    const handler = this.commands[name];
    if (handler === undefined) throw new Error(`no such command: ${name}`);
    handler(args);
    return this.lines.length === 0 ? 'ok' : this.lines.join('\n');
  }

  private readonly commands: Record<string, (args: string[]) => void> = {
    /** `voters=A,B`: those that decide the epoch after the first. */
    nodes: (args) => {
      const voters = votersIn(args) ?? [];
      const newest = { instance: { generation: 1, epoch: 1 }, value: { label: 'first', voters } };
      for (const name of args.filter((arg) => !arg.includes('=')))
        this.nodes.set(name, {
          paxos: null,
          start: 0,
          newest,
          acceptor: null,
          writing: null,
          hasSlowDisk: false,
        });
      for (const name of this.nodes.keys()) this.start(name);
    },
    /** The voters stay, unless others are given. */
    propose: ([name, label, ...args]) => {
      const { voters } = this.node(name).newest.value;
      this.running(name).propose({ label, voters: votersIn(args) ?? voters }, this.nowMs);
      this.perform(name);
    },
    /** `survivors=`: all that are left; they are the voters from there on. */
    recover: ([name, label, ...args]) => {
      const survivors = votersIn(args, 'survivors') ?? [];
      this.running(name).recover({ label, voters: survivors }, survivors, this.nowMs);
      this.perform(name);
    },
    /** Whoever asked has lost patience. */
    giveup: ([name]) => this.running(name).giveUp(),
    /** Messages on these links wait. */
    hold: (links) => links.forEach((link) => this.held.add(link)),
    release: (links) => links.forEach((link) => this.held.delete(link)),
    /** What waits there comes later than all that is sent from now on. */
    delay: (links) => {
      const isOn = ({ from, to }: Sent): boolean => links.includes(`${from}>${to}`);
      this.delayed.push(...this.queue.filter(isOn));
      this.queue = this.queue.filter((sent) => !isOn(sent));
    },
    arrive: () => {
      this.queue.push(...this.delayed.splice(0));
    },
    /** What waits there is lost. */
    lose: (links) => {
      this.queue = this.queue.filter(({ from, to }) => !links.includes(`${from}>${to}`));
    },
    'slow-disk': ([name]) => {
      this.node(name).hasSlowDisk = true;
    },
    sync: ([name]) => this.synced(name),
    crash: (names) => {
      for (const name of names) {
        this.node(name).paxos = null;
        this.node(name).writing = null;
      }
    },
    start: (names) => names.forEach((name) => this.start(name)),
    /** Whoever waits goes on. */
    tick: ([name]) => {
      this.nowMs += PATIENCE_MS;
      this.running(name).tick(this.nowMs);
      this.perform(name);
    },
    /** Delivers what is on its way and not held, until nothing is. */
    deliver: () => {
      for (let next = this.next(); next !== null; next = this.next()) this.deliver(next);
    },
    newest: (names) => {
      for (const name of names) {
        const { instance, value } = this.node(name).newest;
        this.lines.push(`${name} knows ${textOf(instance)}: ${describeValue(value)}`);
      }
    },
  };

  private next(): Sent | null {
    const at = this.queue.findIndex(({ from, to }) => !this.held.has(`${from}>${to}`));
    return at < 0 ? null : this.queue.splice(at, 1)[0];
  }

  private deliver({ from, to, message }: Sent): void {
    const { paxos } = this.node(to);
    this.lines.push(`${paxos === null ? 'lost: ' : ''}${from}->${to} ${describe(message)}`);
    paxos?.step(from, message, this.nowMs);
    if (paxos !== null) this.perform(to);
  }

  private start(name: string): void {
    const node = this.node(name);
    node.start += 1;
    const config = {
      self: name,
      start: node.start,
      random: () => 0,
      votersOf: ({ voters }: Value) => voters,
      survivorsOf: ({ voters }: Value) => voters,
      isSame: (one: Value, other: Value) => one.label === other.label,
    };
    node.paxos = new Paxos(config, { newest: node.newest, acceptor: node.acceptor });
  }

  private perform(name: string): void {
    for (const effect of this.node(name).paxos?.takeEffects() ?? []) this.performOne(name, effect);
  }

  private performOne(name: string, effect: PaxosEffect<Value>): void {
    const node = this.node(name);
    switch (effect.kind) {
      case 'send':
        this.queue.push({ from: name, to: effect.to, message: effect.message });
        return;
      case 'write':
        node.writing = effect.state;
        if (!node.hasSlowDisk) this.synced(name);
        return;
      case 'learn':
        node.newest = effect.decided;
        this.lines.push(
          `  ${name} knows ${textOf(effect.decided.instance)}: ${describeValue(effect.decided.value)}`,
        );
        node.paxos?.learned(effect.decided);
        this.perform(name);
        return;
      case 'settled':
        this.lines.push(`  ${name}'s proposal: ${effect.outcome}`);
    }
  }

  private synced(name: string): void {
    const node = this.node(name);
    if (node.writing === null) throw new Error(`${name} syncs nothing`);
    node.acceptor = node.writing;
    node.writing = null;
    node.paxos?.written();
    this.perform(name);
  }

  private running(name: string): Paxos<Value> {
    const { paxos } = this.node(name);
    if (paxos === null) throw new Error(`${name} is down`);
    return paxos;
  }

  private node(name: string): Node {
    const node = this.nodes.get(name);
    if (node === undefined) throw new Error(`there is no node ${name}`);
    return node;
  }
}

function votersIn(args: readonly string[], key = 'voters'): string[] | null {
  const found = args.find((arg) => arg.startsWith(`${key}=`));
  return found === undefined ? null : found.slice(key.length + 1).split(',');
}

function describe(message: PaxosMessage<Value>): string {
  switch (message.kind) {
    case 'prepare':
      return `prepare ${textOf(message.instance)} with ballot ${ballotText(message.ballot)}`;
    case 'promise': {
      const { accepted } = message;
      const had =
        accepted === null ? '' : `, has accepted ${accepted.value.label} with ${ballotText(accepted.ballot)}`;
      return `promise ${textOf(message.instance)} to ${ballotText(message.ballot)}${had}`;
    }
    case 'accept':
      return `accept ${textOf(message.instance)} ${describeValue(message.value)} with ${ballotText(message.ballot)}`;
    case 'accepted':
      return `accepted ${textOf(message.instance)} with ${ballotText(message.ballot)}`;
    case 'refused':
      return `refused ${ballotText(message.ballot)} for ${textOf(message.instance)}: promised to ${ballotText(message.promised)}`;
    case 'behind':
      return `behind: knows ${textOf(message.newest)}`;
    case 'bound':
      return `bound to generation ${message.generation}${message.never ? `, and never votes for ${textOf(message.instance)}` : ''}`;
    case 'decided':
      return `decided ${textOf(message.instance)}: ${describeValue(message.value)}`;
    default:
      return unreachable(message, 'message');
  }
}

function describeValue({ label, voters }: Value): string {
  return `${label} (voters ${voters.join(' ')})`;
}

function textOf({ generation, epoch }: InstanceId): string {
  return `${generation}.${epoch}`;
}

function ballotText({ round, start, node }: Ballot): string {
  return `${round}/${start}${node}`;
}
