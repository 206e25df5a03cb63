/**
 * Has the topology's next epoch agreed by Paxos (src/paxos). Each node may propose, one change after the other; what is decided goes into the register.
 * Which change was made is known by the topology itself: who finds its own value decided has won, whoever completed it.
 */
import type { Log } from '../log.ts';
import { Paxos } from '../paxos/paxos.ts';
import type {
  AcceptorState,
  PaxosCounts,
  PaxosEffect,
  PaxosMessage,
  ProposalOutcome,
} from '../paxos/types.ts';
import type { AcceptorFile } from './acceptor-file.ts';
import type { ProposedChange } from './change.ts';
import { movedOn, textOf, topologyAfter, type Decision } from './decision.ts';
import { recoveredTopology, recoveryProblem } from './recovery.ts';
import type { TopologyRegister } from './register.ts';
import { nodeName } from './topology-diff.ts';
import { canonicalTopology, encodeTopology } from './topology-codec.ts';
import type { Epoch, NodeId, Topology } from './types.ts';

/** So long is tried to have a change decided. */
const PATIENCE_MS = 4000;
/** More that wait are refused. */
const MOST_WAITING = 64;
const RANDOM_RANGE = 2 ** 32;

export interface AgreementHost {
  readonly self: NodeId;
  /** Of the data directory; synced. */
  readonly start: number;
  readonly register: TopologyRegister;
  readonly acceptor: AcceptorFile;
  uint32(): number;
  nowMs(): number;
  /** To a node that may not be reached: then it is sent again later. */
  send(to: NodeId, message: PaxosMessage<Topology>): void;
  /** What only this node knows against a change; null: nothing. */
  problemOf(proposed: ProposedChange): string | null;
  fatal(error: unknown): void;
  readonly log: Log;
}

interface Job {
  readonly what: string;
  /** What is proposed now, on the newest topology, or why nothing is. */
  make(current: Topology): Topology | string;
  readonly retry: boolean;
  /** Null: the voters decide it. */
  readonly survivors: readonly NodeId[] | null;
  readonly untilMs: number;
  /** What is being agreed. */
  value: Topology | null;
  resolve(decision: Decision): void;
}

export class Agreement {
  private readonly host: AgreementHost;
  private readonly paxos: Paxos<Topology>;
  private readonly jobs: Job[] = [];
  private isRunning = false;

  constructor(host: AgreementHost, current: Topology) {
    this.host = host;
    const { self, start, register, acceptor } = host;
    this.paxos = new Paxos<Topology>(
      {
        self,
        start,
        random: () => host.uint32() / RANDOM_RANGE,
        votersOf: ({ voters }) => voters,
        survivorsOf: ({ nodes }) => nodes.map(({ id }) => id),
        isSame: (one, other) => encodeTopology(one).equals(encodeTopology(other)),
      },
      { newest: { instance: epochOf(current), value: current }, acceptor: acceptor.state },
    );
    register.onNewer((topology) => {
      this.paxos.learned({ instance: epochOf(topology), value: topology });
      this.run();
    });
  }

  get counts(): Readonly<PaxosCounts> {
    return this.paxos.counts;
  }

  /** Who cannot vote, since a recovery did not end. */
  get bound(): readonly NodeId[] {
    return this.paxos.bound;
  }

  /** Resolves once it is known what became of it. */
  propose(proposed: ProposedChange): Promise<Decision> {
    return this.enqueue({
      what: proposed.change.kind,
      make: (current) => this.host.problemOf(proposed) ?? topologyAfter(current, proposed),
      retry: proposed.retry === true,
      survivors: null,
    });
  }

  /** All survivors have to agree that the others are lost for good. */
  recover(on: Epoch, survivors: readonly NodeId[], bound: readonly NodeId[]): Promise<Decision> {
    return this.enqueue({
      what: 'recover',
      make: (current) =>
        textOf(on) === textOf(current)
          ? (recoveryProblem(current, survivors, bound) ??
            recoveredTopology(current, survivors, this.paxos.recovery))
          : movedOn(on, current),
      retry: false,
      survivors,
    });
  }

  /** Has the next epoch decided, whatever it is: what may be decided already and nobody knows of, else one in which nothing changes. */
  findOut(): Promise<Decision> {
    return this.enqueue({
      what: 'find-out',
      make: (current) => ({ ...current, epoch: current.epoch + 1 }),
      retry: false,
      survivors: null,
    });
  }

  step(from: NodeId, message: PaxosMessage<Topology>): void {
    this.paxos.step(from, message, this.host.nowMs());
    this.run();
  }

  /** Ten times a second. */
  tick(): void {
    const nowMs = this.host.nowMs();
    const job = this.jobs.at(0);
    if (job !== undefined && nowMs > job.untilMs) this.loseHope(job);
    this.paxos.tick(nowMs);
    this.run();
  }

  private enqueue(of: Pick<Job, 'what' | 'make' | 'retry' | 'survivors'>): Promise<Decision> {
    if (this.jobs.length >= MOST_WAITING)
      return Promise.resolve({ kind: 'refused', reason: 'too many changes wait to be decided' });
    return new Promise((resolve) => {
      const job = { ...of, untilMs: this.host.nowMs() + PATIENCE_MS, value: null, resolve };
      if (of.survivors === null) this.jobs.push(job);
      else this.putFirst(job);
      this.run();
    });
  }

  /** What waits for a majority that is lost for good does not keep a recovery waiting. */
  private putFirst(recovery: Job): void {
    const job = this.jobs.at(0);
    if (job !== undefined && job.value !== null) {
      this.paxos.giveUp();
      this.end({ kind: 'unknown', reason: 'a recovery was begun before it was decided' });
    }
    this.jobs.unshift(recovery);
  }

  private run(): void {
    // What is learned is told of while it is performed.
    if (this.isRunning) return;
    this.isRunning = true;
    try {
      let isDone = false;
      while (!isDone) {
        const effects = this.paxos.takeEffects();
        for (const effect of effects) this.perform(effect);
        isDone = effects.length === 0 && !this.begin();
      }
    } finally {
      this.isRunning = false;
    }
  }

  /** True when something was begun. */
  private begin(): boolean {
    const job = this.jobs.at(0);
    if (job === undefined || this.paxos.isProposing) return false;
    const made = job.make(this.paxos.newest.value);
    if (typeof made === 'string') {
      this.end({ kind: 'refused', reason: made });
      return true;
    }
    // So it is known again.
    job.value = canonicalTopology(made);
    if (job.value === null) {
      this.end({ kind: 'refused', reason: 'what would become of the topology is none that can be told' });
      return true;
    }
    const nowMs = this.host.nowMs();
    if (job.survivors === null) this.paxos.propose(job.value, nowMs);
    else this.paxos.recover(job.value, job.survivors, nowMs);
    return true;
  }

  private perform(effect: PaxosEffect<Topology>): void {
    const { host, paxos } = this;
    switch (effect.kind) {
      case 'send':
        if (effect.to === host.self) paxos.step(host.self, effect.message, host.nowMs());
        else host.send(effect.to, effect.message);
        return;
      case 'write':
        void this.keep(effect.state);
        return;
      case 'learn':
        host.register.offer(effect.decided.value).catch((error: unknown) => host.fatal(error));
        return;
      case 'settled':
        this.settled(effect.outcome);
    }
  }

  private async keep(state: AcceptorState<Topology>): Promise<void> {
    const { acceptor, self } = this.host;
    try {
      await acceptor.save(self, state);
    } catch (error) {
      this.host.fatal(error);
      return;
    }
    this.paxos.written();
    this.run();
  }

  private settled(outcome: ProposalOutcome): void {
    const job = this.jobs.at(0);
    if (job?.value == null) return;
    const { value } = job;
    if (outcome === 'won') {
      this.host.log.info('topology-decided', { epoch: textOf(value), change: job.what });
      this.end({ kind: 'decided', topology: value });
      return;
    }
    if (job.retry || outcome === 'outbid') {
      job.value = null;
      return;
    }
    const { newest } = this.paxos;
    const reason = movedOn({ ...value, epoch: value.epoch - 1 }, newest.instance);
    if (outcome === 'lost') this.end({ kind: 'refused', reason });
    else this.end({ kind: 'unknown', reason: `${reason}: whether the change is in it is to be seen there` });
  }

  private loseHope({ value, survivors }: Job): void {
    const { value: current } = this.paxos.newest;
    const asked = namesOf(current, survivors ?? current.voters);
    const wanted = survivors === null ? 'no majority of the voters' : 'not all of the survivors';
    this.paxos.giveUp();
    this.end(
      value === null
        ? {
            kind: 'refused',
            reason: `what was asked before it was not decided within ${PATIENCE_MS / 1000} s`,
          }
        : {
            kind: 'unknown',
            reason: `${wanted} (${asked}) answered within ${PATIENCE_MS / 1000} s; it may be decided yet, when they do${this.boundText()}`,
          },
    );
  }

  private boundText(): string {
    const { bound, newest } = this.paxos;
    if (bound.length === 0) return '';
    return (
      `. A recovery of the topology has begun and not ended: it keeps ${namesOf(newest.value, bound)} from voting until all that it names as survivors ` +
      'answer again; should one of them be lost, torc topology recover --yes-i-may-lose-decisions begins another'
    );
  }

  private end(decision: Decision): void {
    this.jobs.shift()?.resolve(decision);
  }
}

function namesOf(topology: Topology, nodes: readonly NodeId[]): string {
  return nodes.map((node) => nodeName(topology, node)).join(', ');
}

function epochOf({ generation, epoch }: Epoch): Epoch {
  return { generation, epoch };
}
