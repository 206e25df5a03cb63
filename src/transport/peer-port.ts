import { LRUCache } from 'lru-cache';

import type {
  Address,
  Env,
  ListenAddress,
  Listener,
  MessageSocket,
  MessageSocketHandler,
  Timer,
} from '../env/contracts.ts';
import type { Log } from '../log.ts';
import type { NodeId } from '../topology/types.ts';
import {
  AcceptHandshake,
  DialHandshake,
  MAX_HANDSHAKE_BYTES,
  NONCE_BYTES,
  refusalBytes,
} from './handshake.ts';
import type { Admit, Channel, Disown, HandshakeStep, LocalPeer, Refusal, RemotePeer } from './handshake.ts';

const PEER_PATH = '/peer';
/** From the open socket to the last proof. */
const HANDSHAKE_TIMEOUT_MS = 3_000;
/** Connections that have proven nothing yet; more are cut at once. */
const MAX_PENDING_HANDSHAKES = 64;
/** Once its sender is known: the largest log entry, and room for its frame. */
const MAX_FRAME_BYTES = 160 * 1024 * 1024;
/** The same complaint about the same address is reported once in this time. */
const REPEAT_REPORT_MS = 600_000;
/** Complaints remembered so as not to repeat them. */
const MAX_REMEMBERED_REPORTS = 1_000;

export const CLOSE_NORMAL = 1000;
const CLOSE_REFUSED = 4001;
export const CLOSE_MALFORMED = 4002;
export const CLOSE_REPLACED = 4003;

/** A connection whose two ends have proven who they are. */
export interface PeerSession {
  readonly channel: Channel;
  readonly remote: RemotePeer;
  /** What this side dialed; null: the other side did. */
  readonly dialed: Address | null;
  readonly socket: MessageSocket;
}

export interface PeerRoute {
  admit: Admit;
  opened(session: PeerSession): MessageSocketHandler;
}

export type DialFailed = (unreachable: Error | null, refusal: string | null) => void;

export type PeerPortEnv = Pick<Env, 'clock' | 'timers' | 'random' | 'network'>;

export interface PeerPortOptions {
  listen: ListenAddress;
  /** Asked at each handshake: the cluster id comes with the founding. */
  local: () => LocalPeer;
  log: Log;
  /** Another node, which knows the secret, says that this process is not the node that it takes itself for. */
  onDisowned?: (reason: string) => void;
  handshakeTimeoutMs?: number;
}

/** Where other nodes call, and from where they are called: handshakes are done here, and sessions handed to their channel's route. */
export class PeerPort {
  private readonly env: PeerPortEnv;
  private readonly options: PeerPortOptions;
  private readonly routes = new Map<Channel, PeerRoute>();
  private readonly reported: LRUCache<string, true>;
  private readonly pending = new Set<Meeting>();
  private readonly open = new Set<MessageSocket>();
  private listener: Listener | null = null;
  /** Accepted, and not proven yet. */
  private halfOpen = 0;
  private closed = false;
  /** What speaks against who is met. */
  disown: Disown = () => null;

  private constructor(env: PeerPortEnv, options: PeerPortOptions) {
    this.env = env;
    this.options = options;
    this.reported = new LRUCache({
      max: MAX_REMEMBERED_REPORTS,
      ttl: REPEAT_REPORT_MS,
      ttlResolution: 0,
      perf: { now: () => env.clock.monotonicMs() },
    });
  }

  static async open(env: PeerPortEnv, options: PeerPortOptions): Promise<PeerPort> {
    const port = new PeerPort(env, options);
    port.listener = await env.network.listenMessages(options.listen, PEER_PATH, (socket) =>
      port.accept(socket),
    );
    return port;
  }

  /** Where it listens. */
  get address(): Address {
    return this.listener?.address ?? this.options.listen;
  }

  get local(): LocalPeer {
    return this.options.local();
  }

  route(channel: Channel, route: PeerRoute): void {
    this.routes.set(channel, route);
  }

  /**
   * Dials, and hands the session to the channel's route; `failed` is called when that does not come to pass: with the error when nobody answered, and
   * with why the two will not meet when no try can change that. The returned timer gives up.
   */
  dial(address: Address, channel: Channel, expected: NodeId | null, failed: DialFailed): Timer {
    const where = `${address.host}:${address.port}`;
    let meeting: Meeting | null = null;
    const onMet = (problem: Problem): void => {
      this.report(where, problem);
      failed(null, problem.early === true || problem.isLate ? null : problem.reason);
    };
    const dialing = this.env.network.connectMessages(
      address,
      PEER_PATH,
      (socket) => (meeting = this.startDial(socket, address, channel, expected, onMet)),
      (error) => failed(error, null),
    );
    return {
      cancel() {
        dialing.cancel();
        meeting?.giveUp();
      },
    };
  }

  /** Stops listening and cuts every connection. */
  async close(): Promise<void> {
    this.closed = true;
    for (const meeting of this.pending) meeting.giveUp();
    for (const socket of this.open) socket.close(CLOSE_NORMAL, 'the node stops');
    await this.listener?.close();
  }

  private accept(socket: MessageSocket): MessageSocketHandler {
    if (this.closed || this.halfOpen >= MAX_PENDING_HANDSHAKES) {
      if (!this.closed)
        this.report(socket.remoteAddress, {
          by: 'us',
          reason: 'too many connections in handshake: one was cut',
        });
      socket.terminate();
      return { onMessage() {}, onClose() {} };
    }
    const nonce = this.env.random.bytes(NONCE_BYTES);
    const admit: Admit = (remote, channel) => this.admit(remote, channel);
    const handshake = new AcceptHandshake(this.local, nonce, admit, this.disown);
    const who = socket.remoteAddress;
    return this.meet(socket, handshake, null, (problem) => this.report(who, problem));
  }

  private startDial(
    socket: MessageSocket,
    address: Address,
    channel: Channel,
    expected: NodeId | null,
    failed: (problem: Problem) => void,
  ): Meeting {
    const nonce = this.env.random.bytes(NONCE_BYTES);
    const admit: Admit = (remote, channel) => this.admit(remote, channel);
    const handshake = new DialHandshake(this.local, channel, expected, nonce, admit, this.disown);
    const meeting = this.meet(socket, handshake, address, failed);
    socket.send(handshake.first());
    return meeting;
  }

  private meet(
    socket: MessageSocket,
    handshake: DialHandshake | AcceptHandshake,
    dialed: Address | null,
    failed: (problem: Problem) => void,
  ): Meeting {
    socket.limitMessageBytes(MAX_HANDSHAKE_BYTES);
    const timeoutMs = this.options.handshakeTimeoutMs ?? HANDSHAKE_TIMEOUT_MS;
    const meeting: Meeting = new Meeting(socket, {
      step: (bytes) => handshake.onMessage(bytes),
      failed,
      opened: (remote, channel) => this.opened({ socket, remote, channel, dialed }),
      over: () => {
        timer.cancel();
        this.pending.delete(meeting);
        if (dialed === null) this.halfOpen -= 1;
      },
      closed: () => this.open.delete(socket),
    });
    const timer = this.env.timers.after(timeoutMs, () => meeting.fail('the handshake took too long'));
    this.pending.add(meeting);
    if (dialed === null) this.halfOpen += 1;
    this.open.add(socket);
    return meeting;
  }

  private admit(remote: RemotePeer, channel: Channel): Refusal | null {
    const route = this.routes.get(channel);
    return route === undefined
      ? { reason: `node ${this.local.node} is not ready for ${channel} connections`, early: true }
      : route.admit(remote, channel);
  }

  private opened(session: PeerSession): MessageSocketHandler {
    session.socket.limitMessageBytes(MAX_FRAME_BYTES);
    return this.routes.get(session.channel)!.opened(session);
  }

  /** Nodes that wait for each other complain of the same thing with each try. */
  private report(address: string, { by, reason, early, disowned }: Problem): void {
    if (this.closed) return;
    if (disowned === true) this.options.onDisowned?.(reason);
    const fields = { by, address, reason };
    const key = `${by} ${address} ${reason}`;
    if (early === true) this.options.log.debug('peer-refused', fields);
    else if (!this.reported.has(key)) {
      this.reported.set(key, true);
      this.options.log.warn('peer-refused', fields);
    }
  }
}

/** Why a handshake came to nothing, and on whose side. */
interface Problem extends Refusal {
  by: 'us' | 'them';
  isLate?: boolean;
}

interface MeetingEvents {
  step(bytes: Buffer): HandshakeStep;
  opened(remote: RemotePeer, channel: Channel): MessageSocketHandler;
  failed(problem: Problem): void;
  /** The handshake has ended, either way. */
  over(): void;
  closed(): void;
}

/** A socket in handshake; afterwards it passes on to its session's handler. */
class Meeting implements MessageSocketHandler {
  private readonly socket: MessageSocket;
  private readonly events: MeetingEvents;
  private session: MessageSocketHandler | null = null;
  private ended = false;

  constructor(socket: MessageSocket, events: MeetingEvents) {
    this.socket = socket;
    this.events = events;
  }

  onMessage(bytes: Buffer, start: number, end: number): void {
    if (this.session !== null) this.session.onMessage(bytes, start, end);
    // The handshake keeps what was said.
    else if (!this.ended) this.take(this.events.step(Buffer.from(bytes.subarray(start, end))));
  }

  onClose(code: number, reason: string): void {
    this.events.closed();
    if (this.session !== null) this.session.onClose(code, reason);
    else
      this.cutOff(`the connection closed during the handshake (${code}${reason === '' ? '' : ` ${reason}`})`);
  }

  /** Its time is over; without effect once it has ended. */
  fail(reason: string): void {
    if (!this.end()) return;
    this.socket.terminate();
    this.events.failed({ by: 'us', reason, isLate: true });
  }

  giveUp(): void {
    if (this.end()) this.socket.terminate();
  }

  private take(step: HandshakeStep): void {
    switch (step.kind) {
      case 'send':
        this.socket.send(step.bytes);
        return;
      case 'done':
        if (step.bytes !== null) this.socket.send(step.bytes);
        this.end();
        this.session = this.events.opened(step.remote, step.channel);
        return;
      case 'refuse':
        this.end();
        this.socket.send(step.bytes ?? refusalBytes(step));
        this.socket.close(CLOSE_REFUSED, step.reason);
        this.events.failed({ by: 'us', reason: step.reason, early: step.early });
        return;
      case 'refused':
        this.end();
        this.socket.close(CLOSE_REFUSED, 'refused');
        this.events.failed({
          by: 'them',
          reason: step.reason,
          early: step.early,
          disowned: step.disowned,
        });
    }
  }

  private cutOff(reason: string): void {
    if (this.end()) this.events.failed({ by: 'them', reason, early: true });
  }

  private end(): boolean {
    if (this.ended) return false;
    this.ended = true;
    this.events.over();
    return true;
  }
}
