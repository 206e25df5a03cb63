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
import { HeldShard, type Holders } from './holders.ts';
import { ReplicaWait, type WriteProgress } from './replica-wait.ts';
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
  holders: Holders;
  server: ClientServer;
  router: Router;
  peers: Peers;
  links: ReadonlyMap<NodeId, PeerLink>;
  replicas: readonly Replica[];
  slowLog: SlowLog;
  pubsub: PubSub;
  settings: SettingsView;
  isPassword(given: string): boolean;
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
    return this.deps.server.passwordRequired;
  }

  checkPassword(user: string, password: string): boolean {
    return user === 'default' && this.deps.isPassword(password);
  }

  slotOf(bytes: Buffer, start: number, end: number): number {
    return slotOf(bytes, start, end);
  }

  cluster(): ClusterView {
    const { topology, self, router } = this.deps;
    const shards = router.ways.map((way): ClusterShard => ({
      id: way.shard,
      leader: way.leader,
      lastLeader: way.lastLeader,
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
    const { self, peers, links, server } = this.deps;
    const isSelf = entry.id === self;
    const link = links.get(entry.id);
    const connected = isSelf || link?.connected === true;
    const { monotonicMs, wallMs } = server.now;
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
      link:
        link?.connected === true
          ? { sinceWallMs: wallMs - (monotonicMs - link.connectedMs), unsentBytes: link.unsentBytes }
          : null,
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
    const ways = session.waysWritten();
    const progress = ways.length === 0 ? this.nothingWritten() : this.progressOf(ways);
    new ReplicaWait(session, this.deps.timers, progress, replicas, done).start(timeoutMs);
  }

  /** What was never written is held by every replica that is there. */
  private nothingWritten(): WriteProgress {
    const { topology, self, links } = this.deps;
    const isThere = (node: NodeId): boolean => node === self || links.get(node)?.connected === true;
    const others = (shard: ShardEntry): number =>
      Math.max(0, shard.replicas.filter(({ node, leaving }) => leaving !== true && isThere(node)).length - 1);
    return { held: () => Math.min(...topology.shards.map(others)), refresh: () => {}, end: () => {} };
  }

  private progressOf(ways: readonly ShardWay[]): WriteProgress {
    const { holders, topology } = this.deps;
    const all = ways.map((way) => {
      const held = new HeldShard(way.shard);
      const shard = topology.shards.find((row) => row.id === way.shard);
      held.followers = shard === undefined ? 0 : acknowledgers(shard);
      return { way, held };
    });
    return {
      held: () => Math.min(...all.map(({ held }) => held.followers)),
      refresh: (changed) => {
        for (const { way, held } of all) holders.refresh(held, way.leader, changed);
      },
      end: () => {
        for (const { held } of all) holders.forget(held);
      },
    };
  }
}

/** Followers that hold every acknowledged write of the shard: a majority with its leader. While its members change, that is asked. */
function acknowledgers({ first, replicas }: ShardEntry): number {
  const isAsFounded =
    replicas.length === first.length && replicas.every(({ member }) => first.includes(member));
  return isAsFounded ? Math.floor(first.length / 2) : 0;
}
