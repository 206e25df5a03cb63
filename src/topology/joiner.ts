/**
 * A node that is of no cluster asks those that it knows of to take it in (design section 6): a founded cluster that can be found is joined, and
 * none is founded beside it. The cluster decides; this node is of it once a topology that names it is told here.
 */
import type { Env, MessageSocketHandler, Timer } from '../env/contracts.ts';
import { StartupError } from '../errors.ts';
import {
  CLOSE_MALFORMED,
  CLOSE_NORMAL,
  type DialFailed,
  type PeerPort,
  type PeerSession,
} from '../transport/peer-port.ts';
import type { SeedAddress } from './founding.ts';
import { decodeJoinAnswer, encodeJoinRequest, type JoinAnswer } from './join-codec.ts';
import type { NodeId, Topology } from './types.ts';

const ASK_INTERVAL_MS = 500;
/** A connection over which no answer came for so long is cut, and dialed anew. */
const SILENCE_LIMIT_MS = 5_000;
/** So long others may take to start. */
const UNREACHABLE_AFTER_FAILURES = 10;
/** In the line that says who refuses. */
const NAMED_SEEDS = 3;

export interface JoinerOptions {
  port: PeerPort;
  node: NodeId;
  /** Others than this node. */
  seeds: readonly SeedAddress[];
  replaces: string | null;
  /** Called with what keeps it from being taken in, as a cluster says. */
  onWaiting: (why: string) => void;
  /** Told once until the seed is reached: its name or port may be wrong. */
  onUnreachable: (seed: SeedAddress, reason: string) => void;
}

interface Asked {
  readonly session: PeerSession;
  lastHeardMs: number;
}

export class Joiner {
  /** Resolves with the topology that names this node; rejects when it is refused, by its cluster or by each seed for good. Neither, once closed. */
  readonly taken: Promise<Topology>;
  private readonly env: Pick<Env, 'clock' | 'timers'>;
  private readonly options: JoinerOptions;
  private readonly asked = new Map<SeedAddress, Asked>();
  private readonly dialing = new Map<SeedAddress, Timer>();
  /** Tries in a row in which nobody answered. */
  private readonly failures = new Map<SeedAddress, number>();
  /** What seeds said the last time, of those that will never have this node as it is. */
  private readonly refusals = new Map<SeedAddress, string>();
  private resolve: (topology: Topology) => void = () => {};
  private reject: (error: Error) => void = () => {};
  private ticking: Timer | null = null;
  private closed = false;

  constructor(env: Pick<Env, 'clock' | 'timers'>, options: JoinerOptions) {
    this.env = env;
    this.options = options;
    this.taken = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    // Who asks is not asked.
    options.port.route('joining', {
      admit: (remote) =>
        remote.clusterId === null || this.closed
          ? { reason: `node ${options.node} is of no cluster yet`, early: true }
          : null,
      opened: (session) => this.opened(session),
    });
    this.tick();
  }

  /** Asks nobody any more. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.ticking?.cancel();
    for (const dialing of this.dialing.values()) dialing.cancel();
    for (const { session } of this.asked.values()) session.socket.close(CLOSE_NORMAL, 'it asks no more');
  }

  private tick(): void {
    const nowMs = this.env.clock.monotonicMs();
    for (const seed of this.options.seeds) {
      const asked = this.asked.get(seed);
      if (asked === undefined) this.dial(seed);
      else if (nowMs - asked.lastHeardMs > SILENCE_LIMIT_MS) asked.session.socket.terminate();
      else this.ask(asked);
    }
    if (!this.closed) this.ticking = this.env.timers.after(ASK_INTERVAL_MS, () => this.tick());
  }

  private dial(seed: SeedAddress): void {
    if (this.dialing.has(seed)) return;
    const colon = seed.lastIndexOf(':');
    const address = { host: seed.slice(0, colon), port: Number(seed.slice(colon + 1)) };
    const failed: DialFailed = (unreachable, refusal) => {
      this.dialing.delete(seed);
      if (unreachable !== null) this.unreached(seed, unreachable);
      if (refusal === null) this.refusals.delete(seed);
      else this.refused(seed, refusal);
    };
    this.dialing.set(seed, this.options.port.dial(address, 'joining', null, failed));
  }

  private unreached(seed: SeedAddress, { message }: Error): void {
    const failures = (this.failures.get(seed) ?? 0) + 1;
    this.failures.set(seed, failures);
    if (failures === UNREACHABLE_AFTER_FAILURES) this.options.onUnreachable(seed, message);
  }

  /** One seed may be the wrong one, or started with the wrong settings: all have to refuse it. */
  private refused(seed: SeedAddress, reason: string): void {
    this.refusals.set(seed, reason);
    const { seeds } = this.options;
    if (this.closed || !seeds.every((one) => this.refusals.has(one))) return;
    this.close();
    const who = seeds.slice(0, NAMED_SEEDS).join(', ') + (seeds.length > NAMED_SEEDS ? ', …' : '');
    const whose = seeds.length === 1 ? `the seed ${who} refuses` : `all seeds (${who}) refuse`;
    this.reject(new StartupError('TORC_JOIN_REFUSED', `${whose} this node: ${reason}`));
  }

  private opened(session: PeerSession): MessageSocketHandler {
    // By what was dialed: it may announce another name.
    const seed = session.dialed === null ? '' : `${session.dialed.host}:${session.dialed.port}`;
    this.dialing.delete(seed);
    this.refusals.delete(seed);
    this.failures.delete(seed);
    const asked: Asked = { session, lastHeardMs: this.env.clock.monotonicMs() };
    this.asked.set(seed, asked);
    this.ask(asked);
    return {
      onMessage: (bytes, start, end) => this.onMessage(asked, bytes.subarray(start, end)),
      onClose: () => {
        if (this.asked.get(seed) === asked) this.asked.delete(seed);
      },
    };
  }

  private ask({ session }: Asked): void {
    session.socket.send(encodeJoinRequest({ replaces: this.options.replaces }));
  }

  private onMessage(asked: Asked, bytes: Buffer): void {
    if (this.closed) return;
    const answer = decodeJoinAnswer(bytes);
    if (answer === null) {
      asked.session.socket.close(CLOSE_MALFORMED, 'not an answer to who asks to join');
      return;
    }
    asked.lastHeardMs = this.env.clock.monotonicMs();
    this.take(answer);
  }

  private take(answer: JoinAnswer): void {
    if (answer.kind === 'wait') this.options.onWaiting(answer.reason);
    else if (answer.kind === 'refused') {
      this.close();
      this.reject(new StartupError('TORC_JOIN_REFUSED', answer.reason));
    } else if (answer.topology.nodes.some(({ id }) => id === this.options.node))
      this.resolve(answer.topology);
  }
}
