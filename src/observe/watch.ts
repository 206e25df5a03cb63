/** Looks at the node and logs what changed: who leads, whether it is ready, clients that were refused. */
import type { Log } from '../log.ts';
import type { Replica } from '../shard/replica.ts';
import type { NodeId, ShardId, Topology } from '../topology/types.ts';
import type { NodeParts } from './parts.ts';
import { notReadyReason } from './status.ts';

const REFUSED_CLIENTS_INTERVAL_MS = 60_000;
/** After elections and restarts log time may be a little ahead; further off, a clock has jumped. */
const CLOCK_DIFFERS_MS = 5000;

export interface WatchedParts {
  replicas: readonly Replica[];
  topology: Topology;
  log: Log;
  nowMs(): number;
  /** How long a shard may be without a leader before that is told. */
  missingAfterMs(): number;
  refusedClients(): number;
  isStopping(): boolean;
  /** Empty when it is ready. */
  notReadyReason(): string;
}

/** What was seen of a replica last. */
interface Seen {
  readonly replica: Replica;
  term: number;
  leader: number;
  elections: number;
  /** Since when no leader is known; null while one is. */
  leaderlessSinceMs: number | null;
  isMissingTold: boolean;
  isClockTold: boolean;
}

export function watchNode(parts: NodeParts, log: Log): Watch {
  const { env, settings, server, replicas } = parts;
  return new Watch({
    replicas,
    get topology() {
      return parts.topology;
    },
    log,
    nowMs: () => env.clock.monotonicMs(),
    missingAfterMs: () => settings.parkTimeoutMs,
    refusedClients: () => server.statistics.connectionsRejected,
    isStopping: parts.isStopping,
    notReadyReason: () => notReadyReason(parts),
  });
}

export class Watch {
  private readonly parts: WatchedParts;
  private seen: readonly Seen[];
  private wasReady = false;
  private toldRefused = 0;
  private nextRefusedMs = 0;

  constructor(parts: WatchedParts) {
    this.parts = parts;
    this.seen = parts.replicas.map((replica) => this.unseen(replica));
  }

  added(replica: Replica): void {
    this.seen = [...this.seen, this.unseen(replica)];
  }

  removed(replica: Replica): void {
    this.seen = this.seen.filter((seen) => seen.replica !== replica);
  }

  private unseen(replica: Replica): Seen {
    const leaderlessSinceMs = this.parts.nowMs();
    return {
      replica,
      term: 0,
      leader: 0,
      elections: 0,
      leaderlessSinceMs,
      isMissingTold: false,
      isClockTold: false,
    };
  }

  /** Called each turn, hence cheap while nothing changes. */
  lookAtLeaders(): void {
    for (const seen of this.seen) {
      const { raft } = seen.replica;
      if (raft.electionsStarted !== seen.elections) this.electionStarted(seen);
      if (raft.leader !== seen.leader || (raft.term !== seen.term && raft.leader !== 0))
        this.leaderChanged(seen);
    }
  }

  /** Called now and then. */
  look(): void {
    const nowMs = this.parts.nowMs();
    for (const seen of this.seen) {
      this.lookForMissing(seen, nowMs);
      this.lookAtClock(seen);
    }
    this.lookAtReadiness();
    this.lookAtRefused(nowMs);
  }

  private electionStarted(seen: Seen): void {
    const { shard, raft } = seen.replica;
    seen.elections = raft.electionsStarted;
    this.parts.log.info('election-started', { shard, term: raft.term });
  }

  private leaderChanged(seen: Seen): void {
    const { shard, raft } = seen.replica;
    const nowMs = this.parts.nowMs();
    seen.leader = raft.leader;
    seen.term = raft.term;
    if (raft.leader === 0) {
      seen.leaderlessSinceMs ??= nowMs;
      return;
    }
    const leaderlessMs = Math.round(nowMs - (seen.leaderlessSinceMs ?? nowMs));
    seen.leaderlessSinceMs = null;
    seen.isMissingTold = false;
    const { id, address } = this.nodeOf(shard, raft.leader);
    this.parts.log.info('leader-changed', { shard, leader: id, address, term: raft.term, leaderlessMs });
  }

  private lookForMissing(seen: Seen, nowMs: number): void {
    if (seen.leaderlessSinceMs === null || seen.isMissingTold) return;
    if (nowMs - seen.leaderlessSinceMs < this.parts.missingAfterMs()) return;
    seen.isMissingTold = true;
    const { shard, raft } = seen.replica;
    this.parts.log.warn('leader-missing', { shard, term: raft.term });
  }

  /** A wall clock that jumped is not obeyed, hence told. */
  private lookAtClock(seen: Seen): void {
    const { shard, isLeader, time } = seen.replica;
    const differs = isLeader && Math.abs(time.offsetMs) > CLOCK_DIFFERS_MS;
    if (differs && !seen.isClockTold)
      this.parts.log.warn('clock-differs', { shard, offsetMs: Math.round(time.offsetMs) });
    seen.isClockTold = differs;
  }

  /** Before it is ready for the first time it tells nothing, and when it stops there are other lines. */
  private lookAtReadiness(): void {
    if (this.parts.isStopping()) return;
    const reason = this.parts.notReadyReason();
    const isReady = reason === '';
    if (isReady === this.wasReady) return;
    this.wasReady = isReady;
    if (isReady) this.parts.log.info('ready');
    else this.parts.log.warn('not-ready', { reason });
  }

  private lookAtRefused(nowMs: number): void {
    const refused = this.parts.refusedClients();
    // CONFIG RESETSTAT sets it back.
    if (refused < this.toldRefused) this.toldRefused = 0;
    if (refused === this.toldRefused || nowMs < this.nextRefusedMs) return;
    this.parts.log.warn('clients-refused', { count: refused - this.toldRefused });
    this.toldRefused = refused;
    this.nextRefusedMs = nowMs + REFUSED_CLIENTS_INTERVAL_MS;
  }

  /** Its id, and the address that people know it by. */
  private nodeOf(shard: ShardId, member: number): { id: NodeId; address: string } {
    const { shards, nodes } = this.parts.topology;
    const row = shards.find(({ id }) => id === shard)?.replicas.find((replica) => replica.member === member);
    const node = nodes.find(({ id }) => id === row?.node);
    return { id: row?.node ?? '', address: `${node?.host ?? ''}:${node?.peerPort ?? 0}` };
  }
}
