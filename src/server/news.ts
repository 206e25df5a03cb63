/** What a node tells the others now and then (peers.ts), and what it makes of what they tell: leaders, budgets, who is ready. */
import type { PubSubRegistry } from '../commands/pubsub-registry.ts';
import { announceNotReady } from '../commands/sentinel.ts';
import type { Log } from '../log.ts';
import type { Instant } from '../raft/types.ts';
import type { Replica } from '../shard/replica.ts';
import { DATABASE_COUNT, type EvictionPolicy } from '../store/types.ts';
import type { ClusterNode } from '../commands/cluster-view.ts';
import type { NodeId, Topology } from '../topology/types.ts';
import type { PeerLink } from '../transport/types.ts';
import type { ComposedNodeView } from './node-view.ts';
import { sendNews, type KeyCount, type PeerNews, type Peers } from './peers.ts';
import type { Wal } from '../wal/types.ts';
import type { Room } from './room.ts';
import type { Router } from './router.ts';

const NEWS_INTERVAL_MS = 500;
/** Each interval so many are told, in turn, so that what a node says does not grow with the cluster; of what is new all are told at once. */
export const TOLD_IN_TURN = 16;

export interface NewsSettings {
  id: string;
  maxmemoryBytes: number;
  maxmemoryPolicy: EvictionPolicy;
  hashMaxListpackEntries: number;
  hashMaxListpackValueBytes: number;
}

export interface NewsDeps {
  self: NodeId;
  topology: Topology;
  replicas: readonly Replica[];
  router: Router;
  peers: Peers;
  links: ReadonlyMap<NodeId, PeerLink>;
  view: ComposedNodeView;
  pubsub: PubSubRegistry;
  settings: NewsSettings;
  log: Log;
  room: Room;
  wal: Pick<Wal, 'stats'>;
  isReady(): boolean;
}

export class News {
  private readonly deps: NewsDeps;
  private readonly wasReady = new Map<NodeId, boolean>();
  private nextMs = 0;
  private isNew = true;
  private nextLink = 0;
  private ledTerms = 0;

  constructor(deps: NewsDeps) {
    this.deps = deps;
  }

  /** Something changed that others should know now. */
  soon(): void {
    this.isNew = true;
  }

  /** A connection is new: its other end has heard nothing yet. */
  greet(link: PeerLink): void {
    sendNews(link, this.news());
  }

  /** Called each turn: leadership that came or went is told at once. */
  tell(now: Instant): void {
    const { replicas } = this.deps;
    // Cheap, since it is asked each turn: terms of what is led, which only grow while it is led.
    let ledTerms = 0;
    for (const replica of replicas) if (replica.isReadable) ledTerms += replica.raft.term * replica.shard;
    if (ledTerms !== this.ledTerms) {
      this.ledTerms = ledTerms;
      this.isNew = true;
    }
    if (now.monotonicMs < this.nextMs && !this.isNew) return;
    this.nextMs = now.monotonicMs + NEWS_INTERVAL_MS;
    this.deps.room.tend(now.monotonicMs);
    const news = this.news();
    for (const link of this.isNew ? this.deps.links.values() : this.inTurn()) {
      if (link.connected) sendNews(link, news);
    }
    this.isNew = false;
  }

  private inTurn(): PeerLink[] {
    const links = [...this.deps.links.values()];
    const intervals = Math.ceil(links.length / TOLD_IN_TURN);
    this.deps.peers.expectEach(intervals * NEWS_INTERVAL_MS);
    if (intervals <= 1) return links;
    const from = this.nextLink % links.length;
    this.nextLink = from + TOLD_IN_TURN;
    return [...links, ...links].slice(from, from + TOLD_IN_TURN);
  }

  /** False when the section is malformed. */
  hear(peer: PeerLink, bytes: Buffer, start: number, end: number): boolean {
    const news = this.deps.peers.hear(peer.node, bytes, start, end);
    if (news === null) return false;
    peer.heardSyncedEnd(news.syncedEnd);
    for (const [shard, term] of news.leads) this.deps.router.hint(shard, peer.node, term);
    this.watchReadiness();
    return true;
  }

  /** Tells those who listen when a node stops being ready. */
  watchReadiness(): void {
    const { view, peers, pubsub, self } = this.deps;
    if (!peers.look()) return;
    for (const node of view.cluster().nodes) {
      const wasReady = this.wasReady.get(node.id);
      this.wasReady.set(node.id, node.ready);
      if (wasReady === undefined || wasReady === node.ready) continue;
      // Of itself it says more, and elsewhere (observe/watch.ts).
      if (node.id !== self) this.logReadiness(node);
      if (!node.ready) announceNotReady(pubsub, view, node);
    }
  }

  private logReadiness({ id, host, clientPort, ready, connected }: ClusterNode): void {
    const fields = { peer: id, address: `${host}:${clientPort}` };
    if (ready) this.deps.log.info('peer-ready', fields);
    else this.deps.log.warn('peer-not-ready', { ...fields, connected });
  }

  /** A shard's budget is the smallest that its replicas' nodes give it; its leader writes it into the log. */
  setPolicies(): void {
    const { settings, replicas, topology, self, peers } = this.deps;
    for (const replica of replicas) {
      const shard = topology.shards.find((row) => row.id === replica.shard);
      const limited = (shard?.replicas ?? [])
        .filter(({ leaving }) => leaving !== true)
        .map(({ node }) =>
          node === self ? this.ownBudgetBytes() : (peers.get(node)?.replicaBudgetBytes ?? 0),
        )
        .filter((bytes) => bytes > 0);
      replica.wantedPolicy = {
        budgetBytes: limited.length === 0 ? 0 : Math.min(...limited),
        eviction: settings.maxmemoryPolicy,
        limits: {
          hashMaxListpackEntries: settings.hashMaxListpackEntries,
          hashMaxListpackValueBytes: settings.hashMaxListpackValueBytes,
        },
      };
    }
  }

  private news(): PeerNews {
    const { settings, replicas } = this.deps;
    return {
      name: settings.id,
      ready: this.deps.isReady(),
      leads: replicas
        .filter((replica) => replica.isLeader)
        .map((replica) => [replica.shard, replica.raft.term] as const),
      keys: replicas.filter((replica) => replica.isLeader).flatMap(keyCounts),
      replicaBudgetBytes: this.ownBudgetBytes(),
      roomBytes: this.deps.room.bytes,
      syncedEnd: this.deps.wal.stats.syncedEnd,
    };
  }

  /** A node's `maxmemory` is divided over its replicas; 0: no limit. */
  private ownBudgetBytes(): number {
    return Math.floor(this.deps.settings.maxmemoryBytes / Math.max(1, this.deps.replicas.length));
  }
}

/** Of the replica's own state. */
export function keyCounts({ shard, machine: { keyspace } }: Replica): KeyCount[] {
  const counts: KeyCount[] = [];
  for (let db = 0; db < DATABASE_COUNT; db++) {
    const keys = keyspace.keyCount(db);
    if (keys > 0) counts.push([shard, db, keys, keyspace.volatileKeyCount(db)]);
  }
  return counts;
}
