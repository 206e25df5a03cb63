/** How much of its log a replica keeps in memory, for members that are behind. */
import type { ProgressStatus, RaftCore } from '../raft/types.ts';

export interface LogRetention {
  keptBytes: number;
  /** For members that are on their way: without it, a steady stream of writes would outrun every snapshot that they are sent. */
  keptForPeersBytes: number;
}

export const LOG_RETENTION: LogRetention = {
  keptBytes: 32 * 1024 * 1024,
  keptForPeersBytes: 256 * 1024 * 1024,
};

const PEER_LOST_MS = 5000;
/** Fewer entries are kept whatever their size. */
const KEPT_ENTRIES = 10;

type LogInMemory = Pick<RaftCore, 'firstIndex' | 'lastIndex' | 'logBytes' | 'progress'>;

/** The index up to which the log may be forgotten; 0 when there is nothing to forget. */
export function forgettableIndex(
  log: LogInMemory,
  appliedIndex: number,
  nowMs: number,
  { keptBytes, keptForPeersBytes }: LogRetention = LOG_RETENTION,
): number {
  const { firstIndex, lastIndex, logBytes } = log;
  const entries = lastIndex - firstIndex + 1;
  if (logBytes <= keptBytes || entries <= KEPT_ENTRIES) return 0;
  const excess = Math.ceil(entries * (1 - keptBytes / 2 / logBytes));
  const needed = logBytes <= keptForPeersBytes ? neededAbove(log.progress(), nowMs) : Infinity;
  const index = Math.min(appliedIndex, firstIndex + excess, lastIndex - 1, needed);
  return index >= firstIndex ? index : 0;
}

/** The last index that every peer which is alive has, or will have by the snapshot that it is being sent. */
function neededAbove(peers: readonly ProgressStatus[], nowMs: number): number {
  let index = Infinity;
  for (const { lastHeardMs, match, snapshotIndex, state } of peers) {
    if (nowMs - lastHeardMs > PEER_LOST_MS) continue;
    if (state !== 'snapshot') index = Math.min(index, match);
    else if (snapshotIndex > 0) index = Math.min(index, snapshotIndex);
  }
  return index;
}
