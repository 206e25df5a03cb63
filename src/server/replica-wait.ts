/**
 * WAIT: until so many other replicas hold the connection's writes, or the time is over. An acknowledged write is on a majority of its shard
 * already; that more hold it the shard's leader knows, here or on another node.
 */
import type { Timer, Timers } from '../env/contracts.ts';
import type { BlockedCommand } from './blocked-command.ts';
import type { Connection } from './connection.ts';

/** How often a shard's progress is looked at while more than a majority is waited for. */
const POLL_INTERVAL_MS = 10;

/** What a WAIT goes by. */
export interface WriteProgress {
  /** The least number of other replicas that hold the writes, over their shards, as far as known. */
  held(): number;
  /** Looks again; `changed` is called if that takes a while. */
  refresh(changed: () => void): void;
  end(): void;
}

/** Whose WAIT it is. */
type WaitingConnection = Pick<Connection, 'setBlocked' | 'hasWrites' | 'hasEnded'>;

export class ReplicaWait implements BlockedCommand {
  private readonly connection: WaitingConnection;
  private readonly timers: Timers;
  private readonly progress: WriteProgress;
  private readonly wanted: number;
  private readonly done: (held: number | 'unblocked') => void;
  private poll: Timer | null = null;
  private timeout: Timer | null = null;
  private isOver = false;

  constructor(
    connection: WaitingConnection,
    timers: Timers,
    progress: WriteProgress,
    wanted: number,
    done: (held: number | 'unblocked') => void,
  ) {
    this.connection = connection;
    this.timers = timers;
    this.progress = progress;
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
    this.progress.refresh(() => this.finishIfHeld());
    if (this.finishIfHeld()) return;
    // Who sends no more may be gone altogether: nobody would ever tell.
    if (this.connection.hasEnded) {
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
    this.progress.end();
    this.connection.setBlocked(null);
    this.done(reason === 'error' ? 'unblocked' : this.connection.hasWrites ? 0 : this.progress.held());
  }

  private finishIfHeld(): boolean {
    if (!this.isOver && this.progress.held() >= this.wanted) this.end('timeout');
    return this.isOver;
  }
}
