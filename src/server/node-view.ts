/** What local commands see of the node: put together from its parts when asked. */
import { slotOf } from '../../ring/index.ts';
import type { ClusterNode, ClusterShard, ClusterView, SlotKeys } from '../commands/cluster-view.ts';
import type {
  ClientSession,
  NodeView,
  PortKind,
  PubSub,
  SettingsView,
  SlowLog,
} from '../commands/local-context.ts';
import type { NodeFigures } from '../commands/node-figures.ts';
import type { CommandRow } from '../commands/types.ts';
import type { Clock, Timers } from '../env/contracts.ts';
import type { Instant } from '../raft/types.ts';
import type { Replica } from '../shard/replica.ts';
import type { NodeEntry, NodeId, ShardEntry, Topology } from '../topology/types.ts';
import type { PeerLink } from '../transport/types.ts';
import { Connection } from './connection.ts';
import type { Peers } from './peers.ts';
import { ReplicaWait } from './replica-wait.ts';
import type { Router, ShardWay } from './router.ts';
import type { ClientServer } from './server.ts';

/** A scan's cursor is slot * 2^32 and a place in the slot. */
const SLOT_STRIDE = 2 ** 32;

export interface NodeViewDeps {
  self: NodeId;
  runId: string;
  start: number;
  version: string;
  clock: Clock;
  timers: Timers;
  topology: Topology;
  server: ClientServer;
  router: Router;
  peers: Peers;
  links: ReadonlyMap<NodeId, PeerLink>;
  replicas: readonly Replica[];
  slowLog: SlowLog;
  pubsub: PubSub;
  settings: SettingsView;
  /** What clients must give now; empty for none. */
  password(): string;
  samePassword(a: string, b: string): boolean;
  isReady(): boolean;
  figures(port: PortKind): NodeFigures;
  resetStatistics(): void;
}

export class ComposedNodeView implements NodeView {
  readonly masterNames = new Set<string>();
  private readonly deps: NodeViewDeps;

  constructor(deps: NodeViewDeps) {
    this.deps = deps;
  }

  get nodeId(): string {
    return this.deps.self;
  }

  get runId(): string {
    return this.deps.runId;
  }

  get start(): number {
    return this.deps.start;
  }

  get version(): string {
    return this.deps.version;
  }

  get clock(): Clock {
    return this.deps.clock;
  }

  get commands(): readonly CommandRow[] {
    return this.deps.server.table.rows;
  }

  get settings(): SettingsView {
    return this.deps.settings;
  }

  get slowLog(): SlowLog {
    return this.deps.slowLog;
  }

  get pubsub(): PubSub {
    return this.deps.pubsub;
  }

  get passwordRequired(): boolean {
    return this.deps.password() !== '';
  }

  checkPassword(user: string, password: string): boolean {
    return user === 'default' && this.deps.samePassword(password, this.deps.password());
  }

  slotOf(bytes: Buffer, start: number, end: number): number {
    return slotOf(bytes, start, end);
  }

  cluster(): ClusterView {
    const { topology, self, router } = this.deps;
    const shards = router.ways.map((way): ClusterShard => ({
      id: way.shard,
      leader: way.leader,
      term: way.leaderTerm,
      slots: way.runs.map(({ from, to }) => ({ from, to })),
    }));
    return { self, epoch: topology.epoch, nodes: topology.nodes.map((entry) => this.nodeOf(entry)), shards };
  }

  self(): ClusterNode {
    const { topology, self } = this.deps;
    const entry = topology.nodes.find((node) => node.id === self);
    if (entry === undefined) throw new TypeError('a node is in its own topology');
    return this.nodeOf(entry);
  }

  private nodeOf(entry: NodeEntry): ClusterNode {
    const { self, peers, links } = this.deps;
    const isSelf = entry.id === self;
    const connected = isSelf || links.get(entry.id)?.connected === true;
    const { id, host, clientPort, redirectPort, peerPort } = entry;
    return {
      id,
      host,
      clientPort,
      redirectPort,
      peerPort,
      ready: isSelf ? this.deps.isReady() : peers.isReady(id, connected),
      failed: !isSelf && peers.isFailed(id),
      connected,
      heardWallMs: isSelf ? 0 : (peers.get(id)?.heardWallMs ?? 0),
    };
  }

  slotKeys(slot: number): SlotKeys | 'elsewhere' | 'not-ready' {
    const { router, self, server } = this.deps;
    const way = router.wayOfSlot(slot);
    if (way.leader !== self || way.replica === undefined) return 'elsewhere';
    const now: Instant = server.now;
    if (!way.replica.canReadNow(now)) return 'not-ready';
    const { keyspace, timeMs, appliedIndex } = way.replica.machine;
    keyspace.at(Math.floor(timeMs), appliedIndex, false);
    return {
      count: keyspace.keyCountInSlot(slot),
      each: (limit, visit) => {
        let cursor = slot * SLOT_STRIDE;
        const page = { visited: 0 };
        while (cursor >= 0 && page.visited < limit) {
          cursor = keyspace.scan(0, cursor, slot, limit - page.visited, (bytes, start, end) => {
            if (page.visited < limit) visit(bytes, start, end);
            page.visited += 1;
          });
        }
      },
    };
  }

  sessions(): Iterable<ClientSession> {
    return this.deps.server.connections.values();
  }

  session(id: number): ClientSession | undefined {
    return this.deps.server.connections.get(id);
  }

  figures(port: PortKind): NodeFigures {
    return this.deps.figures(port);
  }

  resetStatistics(): void {
    this.deps.resetStatistics();
  }

  waitForReplicas(
    session: ClientSession,
    replicas: number,
    timeoutMs: number,
    done: (held: number | 'unblocked') => void,
  ): void {
    if (!(session instanceof Connection)) throw new TypeError('a session is a connection');
    const ways = [...session.waysWritten].map((index) => this.deps.router.ways[index]);
    /** By shard: what was applied when all was answered. */
    const marks = new Map<ShardWay, number>();
    const held = (): number => {
      if (ways.length === 0) return Math.min(...this.deps.topology.shards.map(acknowledgers));
      return Math.min(...ways.map((way) => this.replicasHolding(way, marks)));
    };
    const mayRise = (): boolean => ways.length > 0 && ways.every((way) => way.replica?.isLeader === true);
    new ReplicaWait(session, this.deps.timers, held, mayRise, replicas, done).start(timeoutMs);
  }

  /** Followers known to hold what the shard has acknowledged: its leader knows exactly, another node that it is a majority. */
  private replicasHolding(way: ShardWay, marks: Map<ShardWay, number>): number {
    const shard = this.deps.topology.shards.find((row) => row.id === way.shard);
    const certain = shard === undefined ? 0 : acknowledgers(shard);
    if (way.replica?.isLeader !== true) return certain;
    const { raft, machine } = way.replica;
    const mark = marks.get(way) ?? machine.appliedIndex;
    marks.set(way, mark);
    return Math.max(certain, raft.progress().filter((peer) => peer.match >= mark).length);
  }
}

/** Followers that hold every acknowledged write of the shard: a majority with its leader. */
function acknowledgers(shard: ShardEntry): number {
  return Math.floor(shard.replicas.length / 2);
}
