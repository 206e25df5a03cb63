/** Nodes that agree on one value after the other, a network that loses, doubles and turns messages round, disks that forget what is not synced. */
import type { SeededRandom } from '../raft/random.ts';
import { Schedule } from '../raft/schedule.ts';
import { InvariantBroken } from '../raft/check.ts';
import type { Decided, PaxosMessage } from '../../../src/paxos/types.ts';
import { Member } from './member.ts';

/** What is decided: who decides the next, and who proposed it upon what. */
export interface Value {
  voters: readonly string[];
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
  'decided while cut',
  'all voters replaced',
  'decided',
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
  private readonly trace: ((line: string) => void) | null;
  private readonly chain = new Map<number, Value>();
  private readonly votes = new Map<string, Set<string>>();
  private readonly chosen = new Map<number, Value>();
  private cuts: ReadonlySet<string> = new Set();
  private nextLabel = 1;

  constructor(options: PaxosOptions, random: SeededRandom, trace: ((line: string) => void) | null) {
    this.options = options;
    this.random = random;
    this.trace = trace;
    const names = Array.from({ length: options.nodes }, (_, at) => `n${at + 1}`);
    const first: Decided<Value> = {
      instance: FIRST,
      value: { voters: names.slice(0, options.voters), label: 'first', after: '' },
    };
    this.chain.set(FIRST.epoch, first.value);
    this.chosen.set(FIRST.epoch, first.value);
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

  reconnect(): void {
    this.cuts = new Set();
  }

  /** An acceptor says that it has synced this: what a majority of the voters says so of one ballot is chosen. */
  accepted(by: string, epoch: number, ballot: string, value: Value): void {
    const voters = this.chosen.get(epoch - 1)?.voters;
    this.check(voters?.includes(by) === true, `${by} votes on epoch ${epoch} and is no voter of it`);
    const at = `${epoch} ${ballot} ${value.label}`;
    const said = (this.votes.get(at) ?? new Set()).add(by);
    this.votes.set(at, said);
    if (said.size * 2 <= (voters?.length ?? 0)) return;
    const other = this.chosen.get(epoch);
    this.check(
      other === undefined || other.label === value.label,
      `epoch ${epoch} is chosen as ${other?.label} and ${value.label}`,
    );
    this.chosen.set(epoch, value);
  }

  /** One value for each epoch, and each made upon the one before. */
  decided(by: string, { instance: { epoch }, value }: Decided<Value>): void {
    const chosen = this.chosen.get(epoch);
    this.check(
      chosen?.label === value.label,
      `${by} takes ${value.label} for epoch ${epoch}, and ${chosen?.label} is chosen`,
    );
    if (this.chain.has(epoch)) return;
    const before = this.chain.get(epoch - 1) ?? this.chosen.get(epoch - 1);
    this.check(
      before?.label === value.after,
      `${value.label} at ${epoch} is upon ${value.after}, not ${before?.label}`,
    );
    this.chain.set(epoch, value);
    this.count('decided');
    if (this.cuts.size > 0) this.count('decided while cut');
    if (before === undefined || before.voters.join() === value.voters.join()) return;
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
