/**
 * Drives the moves of the register whose source this node leads (source-move.ts), one of a source at a time, and has the register end those that
 * the source's log has ended. Anybody may do the same again.
 */
import type { Log } from '../../log.ts';
import type { Histogram } from '../../metrics/histogram.ts';
import { LatencyWindow } from '../../metrics/latency-window.ts';
import type { Instant } from '../../raft/types.ts';
import type { Replica } from '../../shard/replica.ts';
import { MoveThrottle } from '../../topology/move-throttle.ts';
import { epochOfMove, moveIdOf, moveName } from '../../topology/move-change.ts';
import { rangesOf, slotsOf } from '../../topology/slot-ranges.ts';
import type { MoveEntry, MoveId, ShardId, Topology } from '../../topology/types.ts';
import type { TopologySpread } from '../topology-spread.ts';
import { MoveFigures } from './move-figures.ts';
import type { MoveQuestions } from './move-questions.ts';
import { SourceMove, type SourceMoveHost } from './source-move.ts';

const LOOK_MS = 100;
const RATE_OVER_MS = 1000;
/** What was proposed to the register is proposed again after this, unless it shows. */
const PROPOSE_AGAIN_MS = 500;
/** Nodes that do not know of a move yet take commands over several of its slots for one: they are waited for, for so long. */
const KNOWN_BY_ALL_MS = 1000;
/** A move that has not come on for so long is told of, and again. */
const STUCK_AFTER_MS = 10_000;
const STUCK_AGAIN_MS = 60_000;

export interface MoverHost {
  readonly now: Instant;
  readonly replicas: readonly Replica[];
  readonly questions: MoveQuestions;
  topology(): Topology;
  spread(): TopologySpread;
  /** Of all commands of this node. */
  latencies(): Iterable<Histogram | null>;
  maxBytesPerSecond(): number;
  wake(): void;
  wakeAfter(delayMs: number, fired: () => void): void;
  readonly log: Log;
}

/** A move under way, as the leader of its source has it. */
interface Driven {
  readonly move: SourceMove;
  readonly sinceMs: number;
  isBegun: boolean;
  sentBytes: number;
  seenProgress: number;
  progressMs: number;
  nextStuckMs: number;
  nextProposalMs: number;
}

export class Mover {
  readonly figures = new MoveFigures();
  readonly throttle: MoveThrottle;
  private readonly host: MoverHost;
  private readonly window = new LatencyWindow();
  private readonly driven = new Map<MoveId, Driven>();
  /** Those of the register, and since when this node has known of them. */
  private readonly known = new Map<MoveId, { entry: MoveEntry; sinceMs: number }>();
  private nextLookMs = 0;
  /** At the last look. */
  private seen: Topology | null = null;
  private hasTimer = false;
  /** The latest that an event loop came, here or at a target, since the last look. */
  private latestMs = 0;
  private rate = { atMs: 0, sentBytes: 0, bytesPerSecond: 0 };

  constructor(host: MoverHost) {
    this.host = host;
    this.throttle = new MoveThrottle(() => host.maxBytesPerSecond(), host.now.monotonicMs);
  }

  /** Moves that this node drives now. */
  get running(): readonly SourceMove[] {
    return [...this.driven.values()].map(({ move }) => move);
  }

  /** Sent in about the last second. */
  get bytesPerSecond(): number {
    return this.rate.bytesPerSecond;
  }

  get stuck(): number {
    const nowMs = this.host.now.monotonicMs;
    return [...this.driven.values()].filter((driven) => isStuck(driven, nowMs)).length;
  }

  /** An event loop, this node's or that of a target, came so late. */
  cameLate(lateMs: number): void {
    this.latestMs = Math.max(this.latestMs, lateMs);
  }

  /** Called in each turn: costs nothing while nothing moves. */
  turn(): void {
    const { now } = this.host;
    const topology = this.host.topology();
    if (now.monotonicMs >= this.nextLookMs || topology !== this.seen) this.look(now, topology);
    for (const driven of this.driven.values()) this.drive(driven);
  }

  /** The moves of sources that are led here, as the register has them now. */
  private look(now: Instant, topology: Topology): void {
    const isTimely = now.monotonicMs >= this.nextLookMs;
    this.seen = topology;
    this.host.questions.look();
    const entries = [...topology.moves, ...this.orphans(topology)];
    this.follow(entries);
    for (const [id, driven] of this.driven) {
      const known = this.known.get(id);
      if (known !== undefined && driven.move.replica.isReadable) driven.move.entry = known.entry;
      else this.drop(id, driven);
    }
    for (const entry of entries) this.begin(entry, topology);
    // The throttle's steps are so far apart.
    if (!isTimely) return;
    this.nextLookMs = now.monotonicMs + LOOK_MS;
    const reading = this.window.read(this.host.latencies());
    const isMoving = this.driven.size > 0;
    const pauseMs = this.figures.takeRecentPauseMs();
    this.throttle.look(reading, { isMoving, pauseMs, lateMs: this.latestMs }, now.monotonicMs);
    this.latestMs = 0;
    for (const driven of this.driven.values()) this.watch(driven, now);
    this.measure(now.monotonicMs);
  }

  private measure(nowMs: number): void {
    const { atMs, sentBytes: before } = this.rate;
    if (nowMs - atMs < RATE_OVER_MS) return;
    const { sentBytes } = this.figures;
    this.rate = { atMs: nowMs, sentBytes, bytesPerSecond: ((sentBytes - before) * 1000) / (nowMs - atMs) };
  }

  /**
   * Moves that a source's log is in and the register does not know any more: it was recovered from before them. They are called back, or their slots
   * would stay frozen for ever.
   */
  private orphans(topology: Topology): MoveEntry[] {
    const latest = moveIdOf(topology);
    const found: MoveEntry[] = [];
    for (const { shard, isReadable, machine } of this.host.replicas) {
      if (!isReadable || !machine.moves.exports.isActive) continue;
      for (const { move: id, peer: target, side } of machine.moves.movesUnderWay()) {
        if (side !== 'source' || id > latest || topology.moves.some((row) => row.id === id)) continue;
        const slots = rangesOf(machine.moves.slotsOfMove(id));
        found.push({ id, source: shard, target, slots, aborting: true });
      }
    }
    return found;
  }

  /** What the register has ended is told by the leader of the source, whoever drove it. */
  private follow(moves: readonly MoveEntry[]): void {
    const { known } = this;
    if (known.size === 0 && moves.length === 0) return;
    for (const [id, { entry, sinceMs }] of known) {
      if (moves.some((row) => row.id === id)) continue;
      known.delete(id);
      const replica = this.replicaOf(entry);
      if (replica?.isReadable === true) this.ended(new SourceMove(replica, entry, this.hostOf(id)), sinceMs);
    }
    const nowMs = this.host.now.monotonicMs;
    for (const entry of moves) known.set(entry.id, { entry, sinceMs: known.get(entry.id)?.sinceMs ?? nowMs });
  }

  private replicaOf({ source }: MoveEntry): Replica | undefined {
    return this.host.replicas.find(({ shard }) => shard === source);
  }

  private begin(entry: MoveEntry, topology: Topology): void {
    const { id } = entry;
    const replica = this.replicaOf(entry);
    if (replica?.isReadable !== true || this.driven.has(id) || this.mustWait(entry)) return;
    if (!this.host.spread().isKeptSince(topology, epochOfMove(id))) return;
    const nowMs = this.host.now.monotonicMs;
    this.driven.set(id, {
      move: new SourceMove(replica, entry, this.hostOf(id)),
      sinceMs: nowMs,
      isBegun: false,
      sentBytes: 0,
      seenProgress: 0,
      progressMs: nowMs,
      nextStuckMs: nowMs + STUCK_AFTER_MS,
      nextProposalMs: 0,
    });
  }

  /** One of a source at a time; those that are called back send nothing, and one that does not come on keeps no other from it. */
  private mustWait({ source, aborting }: MoveEntry): boolean {
    if (aborting === true) return false;
    const nowMs = this.host.now.monotonicMs;
    return [...this.driven.values()].some((driven) => {
      const { entry } = driven.move;
      return entry.source === source && entry.aborting !== true && !isStuck(driven, nowMs);
    });
  }

  private drive(driven: Driven): void {
    const { move, sinceMs } = driven;
    const { now, log } = this.host;
    if (!move.replica.isReadable) return;
    if (!driven.isBegun) {
      if (!this.isKnownByAll(move.entry) && now.monotonicMs - sinceMs < KNOWN_BY_ALL_MS) return;
      driven.isBegun = true;
      log.info('move-begun', { ...fieldsOf(move.entry), slots: move.slotsLeft().length });
    }
    move.advance();
    if (move.phase === 'ended') this.propose(driven, move);
  }

  private isKnownByAll(entry: MoveEntry): boolean {
    const epoch = epochOfMove(entry.id);
    return this.host.topology().nodes.every(({ id }) => this.host.spread().has(id, epoch));
  }

  private propose(driven: Driven, move: SourceMove): void {
    const nowMs = this.host.now.monotonicMs;
    if (nowMs < driven.nextProposalMs) return;
    driven.nextProposalMs = nowMs + PROPOSE_AGAIN_MS;
    const { clusterId, generation, epoch, moves } = this.host.topology();
    if (!moves.some(({ id }) => id === move.entry.id)) return;
    const change = { kind: 'end-move', move: move.entry.id, moved: move.slotsGone() } as const;
    this.host.spread().propose({ clusterId, on: { generation, epoch }, change, retry: true });
  }

  /** The register has ended the move, or another leads its source. */
  private drop(id: MoveId, { move }: Driven): void {
    move.stop();
    this.driven.delete(id);
  }

  private ended(move: SourceMove, sinceMs: number): void {
    const { entry } = move;
    const durationMs = this.host.now.monotonicMs - sinceMs;
    const slots = slotsOf(move.slotsGone()).length;
    const end = this.figures.ended(entry, slots, durationMs);
    const sentBytes = this.driven.get(entry.id)?.sentBytes ?? 0;
    const fields = { ...fieldsOf(entry), slots, sentBytes, durationMs: Math.round(durationMs) };
    if (end === 'done') this.host.log.info('move-ended', fields);
    else this.host.log.warn('move-aborted', { ...fields, asked: entry.aborting === true });
  }

  private watch(driven: Driven, now: Instant): void {
    const { move } = driven;
    if (move.progress !== driven.seenProgress || move.phase === 'paused') {
      driven.seenProgress = move.progress;
      driven.progressMs = now.monotonicMs;
      driven.nextStuckMs = now.monotonicMs + STUCK_AFTER_MS;
      return;
    }
    if (now.monotonicMs < driven.nextStuckMs) return;
    driven.nextStuckMs = now.monotonicMs + STUCK_AGAIN_MS;
    const sinceMs = Math.round(now.monotonicMs - driven.progressMs);
    this.host.log.warn('move-stuck', {
      ...fieldsOf(move.entry),
      phase: move.phase,
      reason: move.problem,
      sinceMs,
    });
  }

  private hostOf(id: MoveId): SourceMoveHost {
    const { figures, host } = this;
    return {
      now: host.now,
      questions: host.questions,
      throttle: this.throttle,
      isPaused: () => isPausedMove(host.topology(), id),
      wake: () => host.wake(),
      wakeAfter: (delayMs) => this.wakeAfter(delayMs),
      paused: (slots, pauseMs) => figures.paused(slots, pauseMs),
      sent: (move, bytes) => {
        figures.sent(move, bytes);
        const driven = this.driven.get(id);
        if (driven !== undefined) driven.sentBytes += bytes;
      },
      went: (move, slots, keys) => figures.went(move, slots, keys),
    };
  }

  /** One timer at a time: what is due later is asked for again in that turn. */
  private wakeAfter(delayMs: number): void {
    if (this.hasTimer) return;
    this.hasTimer = true;
    this.host.wakeAfter(delayMs, () => {
      this.hasTimer = false;
    });
  }
}

function isStuck({ progressMs }: Driven, nowMs: number): boolean {
  return nowMs - progressMs >= STUCK_AFTER_MS;
}

/** An operator wants no more of its plan for now. */
function isPausedMove({ rebalance }: Topology, id: MoveId): boolean {
  return rebalance?.paused === true && rebalance.plan?.moves.includes(id) === true;
}

function fieldsOf({ id, source, target }: MoveEntry): { move: string; source: ShardId; target: ShardId } {
  return { move: moveName(id), source, target };
}
