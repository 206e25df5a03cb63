/** Looks on at reads where they are answered: under which lease, in which order, at which time. */
import type { Clock } from '../../../../src/env/contracts.ts';
import type { NodeParts } from '../../../../src/observe/parts.ts';
import type { RaftCore } from '../../../../src/raft/types.ts';
import type { Replica } from '../../../../src/shard/replica.ts';
import type { Counters } from './counters.ts';
import type { Broken } from './group-law.ts';
import { holdsLease } from './lease.ts';
import type { ReadLaw } from './read-law.ts';

/** The engine syncs a ceiling so far above any time that it serves. */
const CEILING_AHEAD_MS = 2000;

/** Of the time that a node may serve, as it is on its disk. */
interface Ceiling {
  syncedMs: number;
}

export class ReadWatch {
  private readonly counters: Counters;
  private readonly broken: Broken;
  /** Of the process that a node has now. */
  private readonly ceilings = new Map<number, Ceiling>();

  constructor(counters: Counters, broken: Broken) {
    this.counters = counters;
    this.broken = broken;
  }

  watch(replica: Replica, law: ReadLaw, clock: Clock): void {
    const { raft } = replica;
    const canRead = replica.canReadNow.bind(replica);
    // By ReadIndex, and not answered.
    const waiting = new WaitingReads(raft);
    replica.canReadNow = (now) => {
      const can = canRead(now);
      if (can) {
        law.onLease(raft);
        // Whatever time the node takes it to be.
        if (!holdsLease(raft, { monotonicMs: clock.monotonicMs(), wallMs: clock.wallMs() }))
          this.broken(
            'lease-in-force',
            `group ${raft.group}: member ${raft.self} reads under one that is over`,
          );
        if (!waiting.isEmpty)
          this.broken(
            'reads-in-order',
            `group ${raft.group}: member ${raft.self} reads before one that waits`,
          );
      } else if (replica.isReadable) this.counters.sometimes('lease read refused');
      return can;
    };
    this.watchWaiting(replica, waiting);
  }

  private watchWaiting(replica: Replica, waiting: WaitingReads): void {
    const { raft } = replica;
    const [ask, submit, advance] = [
      raft.requestRead.bind(raft),
      replica.submitRead.bind(replica),
      replica.advance.bind(replica),
    ];
    let isRead = false;
    raft.requestRead = (now) => {
      const id = ask(now);
      if (isRead && id !== 0) waiting.add(id);
      return id;
    };
    replica.submitRead = (...of) => {
      isRead = true;
      submit(...of);
      isRead = false;
    };
    replica.advance = (entries, reads, lost, now) => {
      for (const { id } of reads) waiting.delete(id);
      if (lost) waiting.clear();
      advance(entries, reads, lost, now);
    };
  }

  /** No time is served before the node would know of it after any crash. */
  serving(node: number, { env, replicas, wal }: NodeParts): void {
    const seenMs = Math.max(env.clock.wallMs(), ...replicas.map(({ time }) => time.highestMs()));
    const ceiling: Ceiling = { syncedMs: seenMs + CEILING_AHEAD_MS };
    this.ceilings.set(node, ceiling);
    const stage = wal.stageTimeCeiling.bind(wal);
    wal.stageTimeCeiling = (timeMs, synced) =>
      stage(timeMs, () => {
        ceiling.syncedMs = Math.max(ceiling.syncedMs, timeMs);
        synced?.();
      });
  }

  /** `logMs`: what is applied has it, so whoever leads next does, too. A slot brings its source's time, above the ceiling when the disk is slow. */
  onRead(node: number, timeMs: number, logMs: number): void {
    if (timeMs > logMs && timeMs > (this.ceilings.get(node)?.syncedMs ?? Infinity))
      this.broken('ceiling-synced', `node ${node} answers a read at ${timeMs}, which it would forget`);
  }
}

/** Of one member while it leads. */
class WaitingReads {
  private readonly raft: RaftCore;
  private readonly ids = new Set<number>();
  private term = 0;

  constructor(raft: RaftCore) {
    this.raft = raft;
  }

  get isEmpty(): boolean {
    return this.ids.size === 0 || this.term !== this.raft.term;
  }

  add(id: number): void {
    if (this.term !== this.raft.term) this.ids.clear();
    this.term = this.raft.term;
    this.ids.add(id);
  }

  delete(id: number): void {
    this.ids.delete(id);
  }

  clear(): void {
    this.ids.clear();
  }
}
