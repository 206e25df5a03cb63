/**
 * What nodes tell each other now and then, besides Raft: which shards they lead, whether they are ready, how much memory they give. Advice only:
 * no decision about data rests on it.
 */
import type { Clock } from '../env/contracts.ts';
import type { NodeId, ShardId } from '../topology/types.ts';
import { SectionKind, type PeerLink } from '../transport/types.ts';

/** A node that has not been heard for so long counts as dead to clients, and never before so many of its news have not come. */
const FAILED_AFTER_MS = 3000;
const FAILED_AFTER_NEWS = 6;
/** A node that has not looked at the others for so long stood still itself: it looks once a second. */
const STOOD_STILL_MS = 2000;

/** Keys of a database of a shard, and how many of them expire. */
export type KeyCount = readonly [shard: ShardId, db: number, keys: number, expires: number];

export interface PeerNews {
  name: string;
  ready: boolean;
  /** Shards that it leads, with the term of each. */
  leads: readonly (readonly [ShardId, number])[];
  /** What the shards that it leads hold; databases without a key are left out. */
  keys: readonly KeyCount[];
  /** What each of its replicas may use; 0: no limit. */
  replicaBudgetBytes: number;
  /** What it may be given more when others are lost (room.ts). */
  roomBytes: number;
  /** So far its log is synced. */
  syncedEnd: number;
}

interface Known extends PeerNews {
  heardMonotonicMs: number;
  heardWallMs: number;
}

export class Peers {
  private readonly known = new Map<NodeId, Known>();
  private readonly clock: Clock;
  private startedMs: number;
  private lookedMs: number;
  private wentOnMs = Number.NEGATIVE_INFINITY;
  private failedAfterMs = FAILED_AFTER_MS;

  constructor(clock: Clock) {
    this.clock = clock;
    this.startedMs = clock.monotonicMs();
    this.lookedMs = this.startedMs;
  }

  /** Each node is heard of so often, as nodes of a cluster of this size tell each other in turn. */
  expectEach(intervalMs: number): void {
    this.failedAfterMs = Math.max(FAILED_AFTER_MS, FAILED_AFTER_NEWS * intervalMs);
  }

  /**
   * Called at least once a second. The time in which this node stood still (a suspended machine, SIGSTOP) is no silence of the others. False
   * for a while after it: the others may have given up their connections to this node, and have to come back first.
   */
  look(): boolean {
    const nowMs = this.clock.monotonicMs();
    const missedMs = nowMs - this.lookedMs;
    this.lookedMs = nowMs;
    if (missedMs >= STOOD_STILL_MS) {
      this.wentOnMs = nowMs;
      this.startedMs += missedMs;
      for (const known of this.known.values())
        known.heardMonotonicMs = Math.min(nowMs, known.heardMonotonicMs + missedMs);
    }
    return nowMs - this.wentOnMs >= FAILED_AFTER_MS;
  }

  /** Takes in a HINTS section, of which the last line counts; null when it is malformed. */
  hear(node: NodeId, bytes: Buffer, start: number, end: number): PeerNews | null {
    const text = bytes.toString('utf8', start, end);
    const news = parseNews(text.slice(text.lastIndexOf('\n') + 1));
    if (news === null) return null;
    this.known.set(node, {
      ...news,
      heardMonotonicMs: this.clock.monotonicMs(),
      heardWallMs: this.clock.wallMs(),
    });
    return news;
  }

  get(node: NodeId): Known | undefined {
    return this.known.get(node);
  }

  /** What the shard held when its leader told last. */
  keysOf(shard: ShardId): readonly KeyCount[] {
    let newest: { term: number; keys: readonly KeyCount[] } = { term: -1, keys: [] };
    for (const { leads, keys } of this.known.values()) {
      const lead = leads.find(([led]) => led === shard);
      if (lead !== undefined && lead[1] > newest.term) newest = { term: lead[1], keys };
    }
    return newest.keys.filter(([of]) => of === shard);
  }

  isReady(node: NodeId, isConnected: boolean): boolean {
    return isConnected && this.known.get(node)?.ready === true && !this.isFailed(node);
  }

  isFailed(node: NodeId): boolean {
    return this.silentMs(node) > this.failedAfterMs;
  }

  /** For how long this node, which may have started later, has not heard the other. */
  silentMs(node: NodeId): number {
    const heardMs = this.known.get(node)?.heardMonotonicMs ?? this.startedMs;
    return this.clock.monotonicMs() - heardMs;
  }
}

/** A line of its own: a frame may carry what a new connection is told, and what has changed in the same turn. */
export function sendNews(link: PeerLink, news: PeerNews): void {
  const bytes = Buffer.from(`\n${JSON.stringify(news)}`);
  link.section(SectionKind.HINTS).bytes(bytes, 0, bytes.length);
}

function parseNews(text: string): PeerNews | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof value !== 'object' || value === null) return null;
  const {
    name,
    ready,
    leads,
    keys = [],
    replicaBudgetBytes,
    roomBytes,
    syncedEnd,
  } = value as Record<string, unknown>;
  if (typeof name !== 'string' || typeof ready !== 'boolean' || typeof replicaBudgetBytes !== 'number')
    return null;
  if (typeof roomBytes !== 'number' || typeof syncedEnd !== 'number') return null;
  if (!Array.isArray(leads) || !leads.every(isLead)) return null;
  if (!Array.isArray(keys) || !keys.every(isKeyCount)) return null;
  return { name, ready, leads, keys, replicaBudgetBytes, roomBytes, syncedEnd };
}

function isKeyCount(value: unknown): value is KeyCount {
  return Array.isArray(value) && value.length === 4 && value.every((count) => Number.isInteger(count));
}

function isLead(value: unknown): value is [ShardId, number] {
  return (
    Array.isArray(value) && value.length === 2 && Number.isInteger(value[0]) && Number.isInteger(value[1])
  );
}
