import type { Address, Timer } from '../env/contracts.ts';
import type { Log } from '../log.ts';
import type { NodeId } from '../topology/types.ts';
import type { Connection } from './connection.ts';
import type { Refusal, RemotePeer } from './handshake.ts';
import { Link } from './link.ts';
import type { LinkChannel, LinkHost, LinkLimits } from './link.ts';
import type { PeerPort, PeerPortEnv } from './peer-port.ts';
import type { Mesh, MeshHandler, PeerLink } from './types.ts';

export interface MeshLimits extends LinkLimits {
  /** How often each connection is asked for an echo. */
  echoIntervalMs: number;
}

const DEFAULT_LIMITS: MeshLimits = {
  controlBufferLimitBytes: 256 * 1024 * 1024,
  bulkBufferLimitBytes: 8 * 1024 * 1024,
  silenceLimitMs: 3_000,
  echoIntervalMs: 500,
  redialMinMs: 50,
  redialMaxMs: 1_000,
  reverseDialMs: 2_000,
};
/** A check that comes later than this many intervals shows that this process stood still. */
const STANDSTILL_INTERVALS = 2;
const UINT32_RANGE = 0x1_0000_0000;

/** Another node, and where it is reached. */
interface MeshPeer {
  node: NodeId;
  address: Address;
}

export interface MeshOptions {
  peers: readonly MeshPeer[];
  handler: MeshHandler;
  log: Log;
  /** The topology's epoch, sent with each frame. */
  epoch: () => { generation: number; epoch: number };
  limits?: Partial<MeshLimits>;
}

/** Takes the port's control and bulk channels, and starts to connect. Of each pair, the node with the lower id dials. */
export function startMesh(env: PeerPortEnv, port: PeerPort, options: MeshOptions): Mesh {
  return new NodeMesh(env, port, options);
}

class NodeMesh implements Mesh {
  readonly links: ReadonlyMap<NodeId, PeerLink>;
  private readonly env: PeerPortEnv;
  private readonly port: PeerPort;
  private readonly limits: MeshLimits;
  private readonly byNode = new Map<NodeId, Link>();
  /** The same, for what goes over all of them each turn. */
  private readonly list: readonly Link[];
  private readonly owing = new Set<Connection>();
  private readonly payEchoes = (): void => this.sendOwedEchoes();
  private readonly owingFrames = new Set<Link>();
  private readonly payFrames = (): void => this.sendOwedFrames();
  private checking: Timer;
  private lastCheckMs: number;
  private closed = false;

  constructor(env: PeerPortEnv, port: PeerPort, options: MeshOptions) {
    this.env = env;
    this.port = port;
    this.limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.links = this.byNode;
    const host = this.hostOf(options);
    const self = port.local.node;
    for (const peer of options.peers) {
      if (peer.node !== self)
        this.byNode.set(peer.node, new Link(host, peer.node, peer.address, self < peer.node));
    }
    this.list = [...this.byNode.values()];
    this.routeSessions();
    this.lastCheckMs = env.clock.monotonicMs();
    this.checking = this.planCheck();
    for (const link of this.list) link.start();
  }

  flush(): void {
    for (const link of this.list) link.flush();
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    this.checking.cancel();
    for (const link of this.list) link.close();
    await this.port.close();
  }

  private routeSessions(): void {
    for (const channel of ['control', 'bulk'] as const) {
      this.port.route(channel, {
        admit: (remote) => this.admit(remote),
        opened: (session) => this.byNode.get(session.remote.node)!.attach(session, channel),
      });
    }
  }

  private admit(remote: RemotePeer): Refusal | null {
    if (this.closed) return { reason: `node ${this.port.local.node} is stopping`, early: true };
    if (this.byNode.has(remote.node)) return null;
    return { reason: `node ${remote.node} is not a member of this cluster` };
  }

  private hostOf(options: MeshOptions): LinkHost {
    const { env, port, limits } = this;
    return {
      handler: options.handler,
      limits,
      log: options.log,
      epoch: options.epoch,
      nowMs: () => env.clock.monotonicMs(),
      random: () => env.random.uint32() / UINT32_RANGE,
      after: (delayMs, run) => env.timers.after(delayMs, run),
      dial: (link: Link, channel: LinkChannel, address, failed) =>
        port.dial(address, channel, link.node, failed),
      echoOwed: (connection) => this.oweEcho(connection),
      flushOwed: (link) => this.oweFrame(link),
    };
  }

  private oweEcho(connection: Connection): void {
    if (this.owing.size === 0) this.env.timers.endOfTurn(this.payEchoes);
    this.owing.add(connection);
  }

  private sendOwedEchoes(): void {
    for (const connection of this.owing) connection.sendEchoes();
    this.owing.clear();
  }

  private oweFrame(link: Link): void {
    if (this.owingFrames.size === 0) this.env.timers.endOfTurn(this.payFrames);
    this.owingFrames.add(link);
  }

  private sendOwedFrames(): void {
    for (const link of this.owingFrames) link.flush();
    this.owingFrames.clear();
  }

  private planCheck(): Timer {
    return this.env.timers.after(this.limits.echoIntervalMs, () => this.check());
  }

  private check(): void {
    const nowMs = this.env.clock.monotonicMs();
    const stoodStill = nowMs - this.lastCheckMs > this.limits.echoIntervalMs * STANDSTILL_INTERVALS;
    this.lastCheckMs = nowMs;
    for (const link of this.list) link.check(nowMs, stoodStill);
    this.checking = this.planCheck();
  }
}
