/** Nodes that agree on one value after the other, a network that loses, doubles and turns messages round, disks that forget what is not synced. */
import type { SeededRandom } from '../raft/random.ts';
import { Schedule } from '../raft/schedule.ts';
import { InvariantBroken } from '../raft/check.ts';
import { compareInstances } from '../../../src/paxos/ballot.ts';
import type { Decided, InstanceId, PaxosMessage } from '../../../src/paxos/types.ts';
import { electionProblem } from './electorate.ts';
import { Member } from './member.ts';

/** What is decided: who decides the next, and who proposed it upon what. */
export interface Value {
  voters: readonly string[];
  /** Who is of the cluster. */
  nodes: readonly string[];
  /** Of a recovery: all that are left. */
  survivors?: readonly string[] | undefined;
  label: string;
  /** The epoch before, as whoever proposed it knew it, and its label. */
  after: string;
}

export interface PaxosOptions {
  nodes: number;
  voters: number;
  faultyMs: number;
  lossRate: number;
  duplicateRate: number;
  delayMs: number;
  slowRate: number;
  slowMs: number;
  syncMs: number;
  crashEveryMs: number;
  partitionEveryMs: number;
  proposeEveryMs: number;
  /** Of proposals, how many change the voters. */
  changeRate: number;
  /** After this part of that time most of the voters die, and an operator recovers. */
  calamityAt: number;
  /** Then the operator was wrong: they come back. */
  returnMs: number;
  /** Voters are re-chosen as the product does, as nodes come and go. */
  byRule: boolean;
}

export const COVERAGE = [
  'sent',
  'lost',
  'duplicated',
  'slow',
  'cut',
  'partitions',
  'crashes',
  'crashes in a sync',
  'unsynced promises lost',
  'proposals',
  'won',
  'lost to another',
  'passed',
  'ballots refused',
  'values taken over',
  'handed over',
  'told to be behind',
  'voters changed',
  'voters re-chosen',
  'decided while cut',
  'all voters replaced',
  'decided',
  'recoveries tried',
  'recovered',
  'recovered once healed',
  'outbid',
  'bound to a recovery',
  'never to be decided',
  'back from the dead',
] as const;
type Counted = (typeof COVERAGE)[number];

const FIRST = { generation: 1, epoch: 1 };

export class World {
  readonly schedule = new Schedule();
  readonly random: SeededRandom;
  readonly options: PaxosOptions;
  readonly members: Member[];
  readonly coverage = new Map<Counted, number>(COVERAGE.map((name) => [name, 0]));
  isHealed = false;
  hasRecovered = false;
  private readonly trace: ((line: string) => void) | null;
  private readonly chain = new Map<string, Value>();
  private readonly votes = new Map<string, Set<string>>();
  private readonly chosen = new Map<string, Value>();
  /** The newest that is chosen. */
  newest: Decided<Value>;
  private cuts: ReadonlySet<string> = new Set();
  private nextLabel = 1;

  constructor(options: PaxosOptions, random: SeededRandom, trace: ((line: string) => void) | null) {
    this.options = options;
    this.random = random;
    this.trace = trace;
    const names = Array.from({ length: options.nodes }, (_, at) => `n${at + 1}`);
    const first: Decided<Value> = {
      instance: FIRST,
      value: {
        voters: names.slice(0, options.voters),
        nodes: names.slice(0, options.voters),
        label: 'first',
        after: '',
      },
    };
    this.newest = first;
    this.chain.set(textOf(FIRST), first.value);
    this.chosen.set(textOf(FIRST), first.value);
    this.members = names.map((name) => new Member(this, name, first));
  }

  say(line: string): void {
    this.trace?.(`${this.schedule.nowMs.toFixed(3).padStart(10)} ${line}`);
  }

  count(what: Counted): void {
    this.coverage.set(what, (this.coverage.get(what) ?? 0) + 1);
  }

  label(): string {
    return `v${this.nextLabel++}`;
  }

  send(from: string, to: string, message: PaxosMessage<Value>): void {
    const { options, random } = this;
    this.count('sent');
    if (message.kind === 'behind') this.count('told to be behind');
    if (!this.isHealed && random.chance(options.lossRate)) {
      this.count('lost');
      return;
    }
    this.deliverLater(from, to, message);
    if (!this.isHealed && random.chance(options.duplicateRate)) {
      this.count('duplicated');
      this.deliverLater(from, to, message);
    }
  }

  split(): void {
    this.count('partitions');
    const left = this.members.filter(() => this.random.chance(0.5)).map(({ name }) => name);
    const isOneWay = this.random.chance(0.3);
    const cuts = new Set<string>();
    for (const a of left)
      for (const { name } of this.members) {
        if (left.includes(name)) continue;
        cuts.add(`${a}>${name}`);
        if (!isOneWay) cuts.add(`${name}>${a}`);
      }
    this.cuts = cuts;
    this.say(`cut off: ${left.join(' ')}`);
  }

  /** Whether the two hear each other. */
  isHeard(one: string, other: string): boolean {
    if (this.cuts.has(`${one}>${other}`) || this.cuts.has(`${other}>${one}`)) return false;
    return this.members.some(({ name, isUp }) => name === other && isUp);
  }

  reconnect(): void {
    this.cuts = new Set();
  }

  /** An acceptor says that it has synced this: what a majority of the voters, or all survivors, say so of one ballot is chosen. */
  accepted(by: string, instance: InstanceId, ballot: string, value: Value): void {
    const { generation, epoch } = instance;
    const voters = this.chosen.get(textOf({ generation, epoch: epoch - 1 }))?.voters;
    const acceptors = value.survivors ?? voters;
    this.check(
      acceptors?.includes(by) === true,
      `only-voters-vote: ${by} votes on ${textOf(instance)} and is not to`,
    );
    const at = `${textOf(instance)} ${ballot} ${value.label}`;
    const said = (this.votes.get(at) ?? new Set()).add(by);
    this.votes.set(at, said);
    const count = acceptors?.length ?? 0;
    if (value.survivors === undefined ? said.size * 2 <= count : said.size < count) return;
    const other = this.chosen.get(textOf(instance));
    this.check(
      other === undefined || other.label === value.label,
      `one-map-per-epoch: epoch ${textOf(instance)} is chosen as ${other?.label} and ${value.label}`,
    );
    this.chosen.set(textOf(instance), value);
    if (compareInstances(instance, this.newest.instance) > 0) this.newest = { instance, value };
    if (other !== undefined || value.survivors === undefined) return;
    this.hasRecovered = true;
    this.count('recovered');
  }

  /** One value for each epoch, and each made upon the one before. */
  decided(by: string, { instance, value }: Decided<Value>): void {
    const chosen = this.chosen.get(textOf(instance));
    this.check(
      chosen?.label === value.label,
      `one-map-per-epoch: ${by} takes ${value.label} for ${textOf(instance)}, and ${chosen?.label} is chosen`,
    );
    if (this.chain.has(textOf(instance))) return;
    this.chain.set(textOf(instance), value);
    this.count('decided');
    if (this.cuts.size > 0) this.count('decided while cut');
    if (value.survivors !== undefined) return;
    const earlier = textOf({ ...instance, epoch: instance.epoch - 1 });
    const before = this.chain.get(earlier) ?? this.chosen.get(earlier);
    this.check(
      before?.label === value.after,
      `one-map-per-epoch: ${value.label} at ${textOf(instance)} is upon ${value.after}, not ${before?.label}`,
    );
    if (before === undefined || before.voters.join() === value.voters.join()) return;
    if (this.options.byRule) {
      this.count('voters re-chosen');
      const problem = electionProblem(before, value);
      this.check(
        problem === null,
        `${value.voters.join(' ')} cannot vote after ${before.voters.join(' ')}: ${problem}`,
      );
    }
    this.count('voters changed');
    if (!before.voters.some((name) => value.voters.includes(name))) this.count('all voters replaced');
  }

  check(holds: boolean, what: string): void {
    if (!holds) throw new InvariantBroken(what);
  }

  private deliverLater(from: string, to: string, message: PaxosMessage<Value>): void {
    const { options, random } = this;
    let delayMs = random.between(0.05, options.delayMs);
    if (!this.isHealed && random.chance(options.slowRate)) {
      this.count('slow');
      delayMs += random.between(0, options.slowMs);
    }
    this.schedule.after(delayMs, () => {
      if (this.cuts.has(`${from}>${to}`)) this.count('cut');
      else this.members.find(({ name }) => name === to)?.receive(from, message);
    });
  }
}

function textOf({ generation, epoch }: InstanceId): string {
  return `${generation}.${epoch}`;
}
