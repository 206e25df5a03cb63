import type { Env, MessageSocketHandler, Timer } from '../env/contracts.ts';
import { StartupError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Channel, RemotePeer } from '../transport/handshake.ts';
import { CLOSE_MALFORMED, CLOSE_NORMAL } from '../transport/peer-port.ts';
import type { PeerPort, PeerSession } from '../transport/peer-port.ts';
import { drawId } from './cluster-file.ts';
import type { ClusterFile } from './cluster-file.ts';
import { decodeFoundingMessage, encodeFoundingMessage } from './founding-codec.ts';
import { Founding, seedAddress } from './founding.ts';
import type {
  ClusterRecord,
  FoundingEffect,
  FoundingMessage,
  FoundingState,
  SeedAddress,
} from './founding.ts';
import type { Announcement, Topology } from './types.ts';

/** How often an unfounded node says again where it stands, and dials who is not there. */
const TICK_MS = 250;
/** How often a node that was founded before looks for one of its own. */
const LOOK_MS = 1_000;
/** A connection that should bring answers and brings none for so long is cut, and dialed anew. */
const SILENCE_LIMIT_MS = 5_000;
/** "Waiting for …" is said again after this long. */
const REPEAT_WAITING_MS = 30_000;

const FOUNDING: Channel = 'founding';

export interface FounderOptions {
  port: PeerPort;
  file: ClusterFile;
  seeds: readonly SeedAddress[];
  announced: Announcement;
  /** Its register has named other nodes than this one. */
  hadOthers: boolean;
  /** Epoch 1, should this node be the one that proposes it. */
  firstTopology: (cluster: ClusterRecord) => Topology;
  log: Log;
  /** For whom or what it waits, in words. */
  onWaiting: (why: string) => void;
  /** Called instead of a rejection once `founded` has resolved. */
  onRefused: (error: StartupError) => void;
}

interface Session {
  readonly session: PeerSession;
  lastHeardMs: number;
}

type FounderEnv = Pick<Env, 'clock' | 'timers' | 'random'>;

/**
 * Runs the founding over the peer port: dials the seeds, saves what is to be synced, and answers late-comers for as long as the port
 * is open. `founded` resolves with the cluster, and rejects with a StartupError when this node can never be part of it. A node that was
 * founded before is part of its cluster at once, and then makes sure that it is among its own.
 */
export class Founder {
  readonly founded: Promise<ClusterRecord>;
  private readonly env: FounderEnv;
  private readonly options: FounderOptions;
  private readonly machine: Founding;
  private readonly sessions = new Map<SeedAddress, Set<Session>>();
  private readonly dialing = new Map<SeedAddress, Timer>();
  private readonly said = new Set<string>();
  private resolve: (cluster: ClusterRecord) => void = () => {};
  private reject: (error: Error) => void = () => {};
  private ticking: Timer | null = null;
  private lastWaiting = '';
  private lastWaitingMs = 0;
  private finished = false;
  private closed = false;

  constructor(env: FounderEnv, options: FounderOptions) {
    this.env = env;
    this.options = options;
    this.founded = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    const drawClusterId = (): string => drawId(env.random);
    const { seeds, announced, file, port, firstTopology, hadOthers } = options;
    this.machine = new Founding({ seeds, announced, drawClusterId, firstTopology }, file.state);
    const problem = hadOthers ? null : seedsProblem(this.machine.self, seeds, file.state);
    if (problem !== null) {
      this.close();
      this.reject(problem);
      return;
    }
    port.route(FOUNDING, {
      admit: (remote) =>
        this.closed ? { reason: `node ${remote.node} is not awaited any more`, early: true } : null,
      opened: (session) => this.opened(session),
    });
    this.run();
    if (!this.machine.settled) this.tick();
  }

  /** It is to be of a cluster that is founded already. False when it is too late: it has promised to be of another one. */
  withdraw(): boolean {
    if (!this.closed && !this.machine.isFree) return false;
    this.close();
    return true;
  }

  /** Stops dialing and answering; the port is closed by whoever opened it. */
  close(): void {
    this.closed = true;
    this.stopDialing();
    for (const sessions of this.sessions.values()) {
      for (const { session } of sessions) session.socket.close(CLOSE_NORMAL, 'the node stops');
    }
  }

  /** Others ask on the connections that they dialed; its own are of no more use once what is to be told went out. */
  private stopDialing(): void {
    this.ticking?.cancel();
    this.ticking = null;
    if (!this.closed) this.env.timers.endOfTurn(() => this.closeDialed());
    for (const dialing of this.dialing.values()) dialing.cancel();
    this.dialing.clear();
  }

  private tick(): void {
    this.dropSilent();
    for (const seed of this.options.seeds) if (seed !== this.machine.self) this.dial(seed);
    this.machine.tick();
    this.run();
    this.reportWaiting();
    if (this.closed || this.machine.settled) return;
    const delayMs = this.machine.state.phase === 'founded' ? LOOK_MS : TICK_MS;
    this.ticking = this.env.timers.after(delayMs, () => this.tick());
  }

  private dial(seed: SeedAddress): void {
    if (this.dialing.has(seed) || this.hasDialed(seed)) return;
    const colon = seed.lastIndexOf(':');
    const address = { host: seed.slice(0, colon), port: Number(seed.slice(colon + 1)) };
    const timer = this.options.port.dial(address, FOUNDING, null, () => this.dialing.delete(seed));
    this.dialing.set(seed, timer);
  }

  private hasDialed(seed: SeedAddress): boolean {
    for (const { session } of this.sessions.get(seed) ?? []) if (session.dialed !== null) return true;
    return false;
  }

  private opened(session: PeerSession): MessageSocketHandler {
    const from = seedAddress(session.remote.announced);
    if (session.dialed !== null) this.dialing.delete(from);
    const held: Session = { session, lastHeardMs: this.env.clock.monotonicMs() };
    const sessions = this.sessions.get(from) ?? new Set();
    this.sessions.set(from, sessions.add(held));
    this.greet(session);
    return {
      onMessage: (bytes, start, end) => this.onMessage(held, session.remote, bytes.subarray(start, end)),
      onClose: () => sessions.delete(held),
    };
  }

  /** Says where this node stands, without waiting for the next tick. */
  private greet(session: PeerSession): void {
    if (this.closed || (session.dialed !== null && this.machine.state.phase === 'founded')) return;
    const message: FoundingMessage = { seeds: this.options.seeds, state: this.machine.state };
    session.socket.send(encodeFoundingMessage(message));
  }

  private onMessage(held: Session, remote: RemotePeer, bytes: Buffer): void {
    if (this.closed) return;
    const message = decodeFoundingMessage(bytes);
    if (message === null || message.state.node !== remote.node) {
      held.session.socket.close(CLOSE_MALFORMED, 'not a founding message');
      return;
    }
    held.lastHeardMs = this.env.clock.monotonicMs();
    this.machine.receive({ announced: remote.announced }, message);
    this.run();
    if (this.machine.settled && this.ticking !== null) this.stopDialing();
  }

  private run(): void {
    for (const effect of this.machine.takeEffects()) this.perform(effect);
  }

  private perform(effect: FoundingEffect): void {
    switch (effect.kind) {
      case 'write':
        this.options.file.save(effect.state).then(
          () => this.written(effect.state),
          (error: Error) => this.stop(error),
        );
        return;
      case 'send':
        this.send(effect.to, effect.message);
        return;
      case 'founded':
        this.finish(effect.cluster);
        return;
      case 'refused':
        this.refuse(new StartupError('TORC_FOUNDING_REFUSED', effect.reason));
        return;
      case 'disagree':
        this.sayOnce(effect.reason);
    }
  }

  private written(state: FoundingState): void {
    if (state.phase === 'founded') {
      const nodes = state.cluster.nodes.map(seedAddress);
      this.options.log.info('cluster-founded', { cluster: state.cluster.id, nodes });
    }
    if (this.closed) return;
    this.machine.written();
    this.run();
  }

  /** Over one connection is enough: those of one pair are as good as each other. */
  private send(to: SeedAddress, message: FoundingMessage): void {
    const newest = [...(this.sessions.get(to) ?? [])].at(-1);
    newest?.session.socket.send(encodeFoundingMessage(message));
  }

  private finish(cluster: ClusterRecord): void {
    this.finished = true;
    this.stopDialing();
    this.resolve(cluster);
  }

  private closeDialed(): void {
    for (const sessions of this.sessions.values()) {
      for (const { session } of sessions) {
        if (session.dialed !== null) session.socket.close(CLOSE_NORMAL, 'founded');
      }
    }
  }

  private dropSilent(): void {
    const nowMs = this.env.clock.monotonicMs();
    for (const sessions of this.sessions.values()) {
      for (const { session, lastHeardMs } of sessions) {
        if (session.dialed !== null && nowMs - lastHeardMs > SILENCE_LIMIT_MS) session.socket.terminate();
      }
    }
  }

  private refuse(error: StartupError): void {
    const wasFounded = this.finished;
    this.stop(error);
    if (wasFounded) this.options.onRefused(error);
  }

  private stop(error: Error): void {
    this.close();
    this.reject(error);
  }

  private reportWaiting(): void {
    const waiting = this.machine.waiting();
    const nowMs = this.env.clock.monotonicMs();
    if (waiting === '' || (waiting === this.lastWaiting && nowMs - this.lastWaitingMs < REPEAT_WAITING_MS))
      return;
    this.lastWaiting = waiting;
    this.lastWaitingMs = nowMs;
    this.options.onWaiting(waiting);
    this.options.log.info('founding-waits', { why: waiting });
  }

  private sayOnce(line: string): void {
    if (this.said.has(line)) return;
    this.said.add(line);
    this.options.log.warn('founding-disagrees', { reason: line });
  }
}

/** Why the directory cannot be that of these seeds; null when it may be. */
function seedsProblem(
  self: SeedAddress,
  seeds: readonly SeedAddress[],
  state: FoundingState,
): StartupError | null {
  return state.phase === 'founded' ? otherCluster(self, seeds, state.cluster) : null;
}

/**
 * Once founded, a node goes by its cluster id; but one that has been alone ever since, and is given others now, would never meet them. Where others have
 * come or gone, the record is out of date, and seeds may be called by other names than nodes announce: what they answer tells.
 */
function otherCluster(
  self: SeedAddress,
  seeds: readonly SeedAddress[],
  { id, nodes }: ClusterRecord,
): StartupError | null {
  const others = seeds.filter((seed) => seed !== self);
  const known = nodes.map((entry) => seedAddress(entry));
  if (others.length === 0 || others.some((seed) => known.includes(seed))) return null;
  return new StartupError(
    'TORC_OTHER_CLUSTER',
    `the data directory is of another cluster: ${id} of ${known.join(',')}; the seeds are ${seeds.join(',')}: give it the seeds of its own cluster, or an empty directory to be of this one`,
  );
}
