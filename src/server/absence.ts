/** Whether a node that was away has been given up meanwhile: others have its replicas then, and it has to enter anew. */
import type { NodeId, ReplicaEntry, ShardId, Topology } from '../topology/types.ts';

/** Less is no absence: connections are made anew. */
const LEAST_MS = 2000;
/** So long after it what became of this node meanwhile has been heard. */
const NEWS_MS = 30_000;

/** A replica that is here. */
export interface Held {
  shard: ShardId;
  member: number;
}

/** For how long no node has run on a log; 0 where none has yet. */
export function downMs(timeCeilingMs: number, wallMs: number): number {
  return timeCeilingMs === 0 ? 0 : Math.max(0, wallMs - timeCeilingMs);
}

export class Absence {
  /** When most of the nodes were connected last. */
  private reachedMs: number;
  /** For how long they had not been, the last time. */
  private missedMs = 0;
  private returnedMs = 0;

  /** `downMs`: for how long no node had run here before. */
  constructor(nowMs: number, downMs: number) {
    this.reachedMs = nowMs - downMs;
  }

  /** Called some times a second. */
  look(nowMs: number, connected: number, nodes: number): void {
    if ((connected + 1) * 2 <= nodes) return;
    if (nowMs - this.reachedMs > LEAST_MS) {
      this.missedMs = nowMs - this.reachedMs;
      this.returnedMs = nowMs;
    }
    this.reachedMs = nowMs;
  }

  /** One that is not over, or has been a moment ago. */
  durationMs(nowMs: number): number {
    const missedMs = nowMs - this.returnedMs < NEWS_MS ? this.missedMs : 0;
    return Math.max(missedMs, nowMs - this.reachedMs);
  }
}

/** Of none of its members it had seen that it was to go, and all are gone, although the node is to stay. */
export function isReplaced(node: NodeId, held: readonly Held[], before: Topology, now: Topology): boolean {
  if (held.length === 0 || now.nodes.find(({ id }) => id === node)?.leaving === true) return false;
  return held.every((one) => {
    const row = rowOf(before, one);
    return row !== undefined && row.leaving !== true && rowOf(now, one) === undefined;
  });
}

function rowOf({ shards }: Topology, { shard, member }: Held): ReplicaEntry | undefined {
  return shards.find(({ id }) => id === shard)?.replicas.find((row) => row.member === member);
}
