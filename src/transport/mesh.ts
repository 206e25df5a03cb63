import type { MessageSocketHandler, Timer } from '../env/contracts.ts';
import type { Log } from '../log.ts';
import type { NodeId } from '../topology/types.ts';
import type { Connection } from './connection.ts';
import type { Refusal, RemotePeer } from './handshake.ts';
import { Link } from './link.ts';
import type { LinkChannel, LinkHost, LinkLimits } from './link.ts';
import { CLOSE_NORMAL } from './peer-port.ts';
import type { PeerPort, PeerPortEnv, PeerSession } from './peer-port.ts';
import type { Mesh, MeshHandler, MeshPeer, PeerLink } from './types.ts';

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
  private readonly host: LinkHost;
  /** The same, for what goes over all of them each turn. */
  private list: readonly Link[] = [];
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
    this.host = this.hostOf(options);
    port.disown = (node, past, channel) =>
      channel === 'control' || channel === 'bulk'
        ? (this.byNode.get(node)?.past.problemOf(past) ?? null)
        : null;
    this.routeSessions();
    this.lastCheckMs = env.clock.monotonicMs();
    this.checking = this.planCheck();
    this.setPeers(options.peers);
  }

  setPeers(peers: readonly MeshPeer[]): void {
    if (this.closed) return;
    const self = this.port.local.node;
    const wanted = new Set(peers.map(({ node }) => node));
    for (const link of this.list) {
      if (wanted.has(link.node)) continue;
      link.close('the node has left the cluster');
      this.byNode.delete(link.node);
    }
    const added: Link[] = [];
    for (const { node, address } of peers) {
      if (node === self) continue;
      const known = this.byNode.get(node);
      known?.isAt(address);
      if (known !== undefined) continue;
      const link = new Link(this.host, node, address, self < node);
      this.byNode.set(node, link);
      added.push(link);
    }
    this.list = [...this.byNode.values()];
    for (const link of added) link.start();
  }

  met({ node, address }: MeshPeer): void {
    this.byNode.get(node)?.wasMetAt(address);
  }

  flush(): void {
    for (const link of this.list) link.flush();
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    this.checking.cancel();
    for (const link of this.list) link.close('the node stops');
    await this.port.close();
  }

  private routeSessions(): void {
    for (const channel of ['control', 'bulk'] as const) {
      this.port.route(channel, {
        admit: (remote) => this.admit(remote),
        opened: (session) => this.attach(session, channel),
      });
    }
  }

  private attach(session: PeerSession, channel: LinkChannel): MessageSocketHandler {
    const link = this.byNode.get(session.remote.node);
    if (link !== undefined) return link.attach(session, channel);
    // It has left between its last proof and now.
    session.socket.close(CLOSE_NORMAL, 'the node has left the cluster');
    return { onMessage() {}, onClose() {} };
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
