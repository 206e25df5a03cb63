/**
 * A simulated client: sends a few commands at once, waits for all replies, thinks, goes on. A plain one speaks to any node, a cluster-aware one
 * (redirect port) to the node that it was last told of for a slot. When its connection is lost it may send the same again, as a new command:
 * the checker is told that the outcome of the first is unknown.
 */
import { slotOf } from '../../../../ring/index.ts';
import type { SeededRandom } from '../../../../src/env/sim/random.ts';
import type { Operation } from '../../../linearizability/history.ts';
import { portOf } from '../cluster.ts';
import { CHOICE, chooseDatabase, type Asked, type Commands } from './commands.ts';
import type { Counters, Situation } from './counters.ts';
import { Line } from './line.ts';
import type { Recorder } from './recorder.ts';
import type { World } from './world.ts';

const REDIRECT = 1000;
const REDIRECTIONS_MAX = 8;
const MOVED = /^-MOVED \d+ [^:]+:(\d+)/;
const PATIENCE_MS = [700, 2500, 9000];

/** Of one command that is under way. */
interface Sent {
  asked: Asked;
  /** What the checker knows of it, once it was sent. */
  operations: readonly Operation[];
  /** How often it was sent elsewhere. */
  redirections: number;
}

interface Open {
  line: Line;
  /** That was chosen last. */
  database: number;
  /** In the order sent. */
  waiting: Sent[];
  /** By key, what was sent last: commands take effect in the order sent. */
  last: Map<string, Operation>;
}

const OUTCOMES: readonly (readonly [RegExp, 'unknown' | 'not-run', Situation])[] = [
  [/^-INDETERMINATE/, 'unknown', 'INDETERMINATE'],
  [/^-REPLYLOST/, 'unknown', 'REPLYLOST'],
  [/^-CLUSTERDOWN/, 'not-run', 'CLUSTERDOWN'],
  [/^-TRYAGAIN/, 'not-run', 'TRYAGAIN'],
  [/^-LOADING/, 'not-run', 'LOADING'],
  [/^-OOM/, 'not-run', 'OOM'],
];

export class Client {
  readonly name: string;
  private readonly world: World;
  private readonly random: SeededRandom;
  private readonly commands: Commands;
  private readonly recorder: Recorder;
  private readonly counters: Counters;
  private readonly number: number;
  private readonly isAware: boolean;
  private readonly patienceMs: number;
  private readonly open = new Map<number, Open>();
  /** For each slot the port that was last told for it. */
  private readonly ports = new Map<number, number>();
  /** A plain client's node. */
  private node: number;
  private unanswered = 0;
  private isThinking = false;
  /** To be sent again. */
  private again: Asked[] = [];
  /** Of the commands under way: what was asked before says nothing of these. */
  private round = 0;
  /** Asks what it is told to, and goes wherever that sends it. */
  private isAsking = false;
  /** Of what was asked at somebody's word: what no answer tells the outcome of. */
  private untold: Asked[] = [];
  isStopped = false;

  constructor(world: World, number: number, commands: Commands, recorder: Recorder, random: SeededRandom) {
    this.world = world;
    this.number = number;
    this.name = clientName(number);
    this.commands = commands;
    this.recorder = recorder;
    this.counters = world.counters;
    this.random = random;
    this.isAware = random.chance(0.35);
    this.patienceMs = PATIENCE_MS[random.below(PATIENCE_MS.length)];
    this.node = random.below(world.plan.nodes);
  }

  get isBusy(): boolean {
    return this.unanswered > 0;
  }

  start(): void {
    this.thinkThenAct();
  }

  private thinkThenAct(): void {
    if (this.isThinking) return;
    this.isThinking = true;
    const { plan, scheduler } = this.world;
    const { clients, perSecond, pipeline } = plan.load;
    const meanMs = (1000 * clients * (1 + pipeline)) / 2 / perSecond;
    scheduler.after(this.random.below(2 * meanMs + 1), () => {
      this.isThinking = false;
      this.act();
    });
  }

  private act(): void {
    if (this.isStopped) return;
    const { random, world } = this;
    const count = 1 + random.below(world.plan.load.pipeline);
    const asked =
      this.again.length > 0
        ? this.again
        : Array.from({ length: count }, () => this.commands.next(world.epoch));
    this.again = [];
    this.ask(asked.filter((one) => this.maySend(one)));
    if (this.unanswered === 0) this.thinkThenAct();
  }

  /** The redirect port knows one database, and commands of one slot. */
  private maySend({ isOneSlot, database }: Asked): boolean {
    return !this.isAware || (isOneSlot && database === 0);
  }

  /** Sends these, whatever else is under way. */
  ask(asked: readonly Asked[]): void {
    const { world } = this;
    const byPort = new Map<number, Sent[]>();
    for (const one of asked) {
      const port = this.portFor(one);
      const sent: Sent = { asked: one, operations: [], redirections: 0 };
      byPort.set(port, [...(byPort.get(port) ?? []), sent]);
      this.unanswered += 1;
    }
    this.round += 1;
    const { round } = this;
    for (const [port, sent] of byPort) this.send(port, sent);
    if (this.unanswered > 0) world.scheduler.after(this.patienceMs, () => this.loseLines(round));
  }

  /** So many at once, until none is under way. Returns those that were refused or lost. */
  async askAll(asked: readonly Asked[], atOnce: number): Promise<readonly Asked[]> {
    const { world } = this;
    const wasStopped = this.isStopped;
    this.untold = [];
    this.isStopped = true;
    this.isAsking = true;
    for (let i = 0; i < asked.length && world.failure === null; i += atOnce) {
      this.ask(asked.slice(i, i + atOnce));
      while (this.isBusy && world.failure === null) await world.pass(5);
    }
    this.isStopped = wasStopped;
    this.isAsking = false;
    return this.untold;
  }

  private portFor(asked: Asked): number {
    if (!this.isAware || !this.maySend(asked)) return portOf(this.node);
    const known = this.ports.get(slotOfKey(asked.words[1]));
    return known ?? portOf(this.random.below(this.world.plan.nodes)) + REDIRECT;
  }

  private send(port: number, sent: Sent[]): void {
    let open = this.open.get(port);
    if (open?.line.isOpen !== true) {
      const waiting: Sent[] = [];
      const line = new Line(this.world.cluster.network, this.name, port, {
        reply: (reply) => this.replied(waiting, reply),
        closed: () => this.lost(port, waiting),
      });
      open = { line, database: 0, waiting, last: new Map() };
      if (!line.isOpen) {
        this.counters.sometimes('client connection refused');
        this.refused(port, sent);
        return;
      }
      this.open.set(port, open);
    }
    for (const one of sent)
      if (one.redirections === 0) one.operations = this.recorder.called(this.number, one.asked, open.last);
    const all = sent.flatMap((one) => this.chosen(open, one));
    open.waiting.push(...all);
    open.line.send(all.map(({ asked }) => asked.words));
  }

  /** With what chooses its database, where that is another one. */
  private chosen(open: Open, sent: Sent): Sent[] {
    const { database } = sent.asked;
    if (database === open.database) return [sent];
    open.database = database;
    this.unanswered += 1;
    this.counters.sometimes('database chosen');
    return [{ asked: chooseDatabase(database), operations: [], redirections: 0 }, sent];
  }

  /** Nobody listens there: none of it was sent. */
  private refused(port: number, sent: readonly Sent[]): void {
    this.forget(port);
    for (const one of sent) this.finish(one, 'not-run');
  }

  private replied(waiting: Sent[], reply: string): void {
    const sent = waiting.shift();
    if (sent === undefined)
      return this.world.broken(
        'replies-as-asked',
        `${this.name} was told ${reply.slice(0, 100)} without having asked`,
      );
    const moved = MOVED.exec(reply);
    if (moved !== null) {
      this.unorder(waiting, sent);
      this.follow(sent, Number(moved[1]));
    } else this.settle(sent, reply);
  }

  /** It goes another way than what was sent before and after it on its connection. */
  private unorder(waiting: readonly Sent[], moved: Sent): void {
    for (const { operations } of [...waiting, moved])
      for (const operation of operations) delete operation.after;
    for (const open of this.open.values()) if (open.waiting === waiting) open.last.clear();
  }

  private follow(sent: Sent, port: number): void {
    this.counters.sometimes('MOVED followed');
    this.ports.set(slotOfKey(sent.asked.words[1]), port);
    sent.redirections += 1;
    if (sent.redirections > REDIRECTIONS_MAX || (this.isStopped && !this.isAsking))
      this.finish(sent, 'not-run');
    else this.send(port, [sent]);
  }

  private settle(sent: Sent, reply: string): void {
    const { asked } = sent;
    const wrong = asked.aside?.wrong(reply) ?? null;
    if (wrong !== null) this.world.broken('replies-as-asked', `${this.name}: ${wrong}`);
    for (const [pattern, outcome, situation] of OUTCOMES) {
      if (!pattern.test(reply)) continue;
      this.counters.sometimes(situation);
      if (situation !== 'OOM' && situation !== 'LOADING')
        this.world.log.say(`${this.name} ${shortened(asked.words)}: ${reply.slice(1, 30).trim()}`);
      this.finish(sent, outcome);
      return;
    }
    if (reply.startsWith('-')) this.counters.sometimes('error of a command');
    if (isNoChoice(asked)) this.recorder.answered(sent.operations, asked.read(reply));
    this.finish(sent, 'answered');
  }

  private finish(sent: Sent, outcome: 'answered' | 'unknown' | 'not-run'): void {
    if (outcome === 'not-run') this.recorder.notRun(sent.operations);
    if (this.isAsking && outcome !== 'answered' && isNoChoice(sent.asked)) this.untold.push(sent.asked);
    this.unanswered -= 1;
    if (this.unanswered === 0 && !this.isStopped) this.thinkThenAct();
  }

  private loseLines(round: number): void {
    if (round !== this.round || this.unanswered === 0) return;
    this.counters.sometimes('client out of patience');
    this.world.log.say(`${this.name} runs out of patience with ${this.unanswered} commands`);
    for (const [port, { line, waiting }] of this.open) {
      if (waiting.length === 0) continue;
      line.drop();
      this.lost(port, waiting);
    }
  }

  private lost(port: number, waiting: Sent[]): void {
    this.forget(port);
    const sent = waiting.splice(0);
    if (sent.length === 0) return;
    this.counters.sometimes('connection lost with commands under way');
    if (this.random.chance(0.7)) this.again.push(...sent.map(({ asked }) => asked).filter(isNoChoice));
    for (const one of sent) this.finish(one, 'unknown');
  }

  private forget(port: number): void {
    this.open.delete(port);
    for (const [slot, known] of this.ports) if (known === port) this.ports.delete(slot);
    if (this.random.chance(0.7)) this.node = this.random.below(this.world.plan.nodes);
  }
}

/** That is made anew for each connection. */
function isNoChoice({ words }: Asked): boolean {
  return words[0] !== CHOICE;
}

export function clientName(number: number): string {
  return `client-${number}`;
}

function slotOfKey(key: string): number {
  const bytes = Buffer.from(key);
  return slotOf(bytes, 0, bytes.length);
}

function shortened(words: readonly string[]): string {
  return words.slice(0, 4).join(' ').slice(0, 60);
}
