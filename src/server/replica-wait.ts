/**
 * WAIT: until so many other replicas hold the connection's writes. An acknowledged write is on a majority of its shard already; that more hold
 * it the shard's leader alone knows, so a node that does not lead answers at once with what is certain, rather than wait for what it cannot learn.
 */
import type { Timer, Timers } from '../env/contracts.ts';
import type { BlockedCommand, Connection } from './connection.ts';

/** How often a shard's progress is looked at while more than a majority is waited for. */
const POLL_INTERVAL_MS = 10;

export class ReplicaWait implements BlockedCommand {
  private readonly connection: Connection;
  private readonly timers: Timers;
  private readonly held: () => number;
  private readonly mayRise: () => boolean;
  private readonly wanted: number;
  private readonly done: (held: number | 'unblocked') => void;
  private poll: Timer | null = null;
  private timeout: Timer | null = null;
  private isOver = false;

  constructor(
    connection: Connection,
    timers: Timers,
    held: () => number,
    mayRise: () => boolean,
    wanted: number,
    done: (held: number | 'unblocked') => void,
  ) {
    this.connection = connection;
    this.timers = timers;
    this.held = held;
    this.mayRise = mayRise;
    this.wanted = wanted;
    this.done = done;
  }

  /** `timeoutMs` 0: for ever. */
  start(timeoutMs: number): void {
    this.connection.setBlocked(this);
    if (timeoutMs > 0) this.timeout = this.timers.after(timeoutMs, () => this.end('timeout'));
    this.check();
  }

  check(): void {
    if (this.isOver || this.connection.hasWrites) return;
    if (this.held() >= this.wanted || !this.mayRise()) {
      this.end('timeout');
      return;
    }
    this.poll ??= this.timers.after(POLL_INTERVAL_MS, () => {
      this.poll = null;
      this.check();
    });
  }

  end(reason: 'timeout' | 'error'): void {
    if (this.isOver) return;
    this.isOver = true;
    this.poll?.cancel();
    this.timeout?.cancel();
    this.connection.setBlocked(null);
    this.done(reason === 'error' ? 'unblocked' : this.connection.hasWrites ? 0 : this.held());
  }
}
