/**
 * What each client does all the time: writes unique values, increments a counter of its own, appends to a trail of its own, and reads and writes keys
 * shared with the others. Keys change with the time, so that the history of each is short enough to be checked.
 */
import { pause } from '../cluster/torc-cluster.ts';
import type { TestClient } from './client.ts';
import type { Recorder } from './recorder.ts';

const SHARED_KEYS = 6;
const SHARED_WINDOW_MS = 400;
const LATE_READER_PAUSE_MS = 1500;

export interface Tally {
  acknowledged: number;
  unknown: number;
}

/** What a client has appended to a trail, in the order sent, and what became of it. */
export interface Step {
  token: string;
  outcome: 'answered' | 'unknown' | 'not-run';
}

export class Worker {
  readonly client: TestClient;
  /** By the number of the round. */
  readonly counters = new Map<number, Tally>();
  /** By the number of the round. */
  readonly trails = new Map<number, Step[]>();
  /** Unique values that were acknowledged, by key. */
  readonly written = new Map<string, string>();
  private readonly recorder: Recorder;
  private readonly pauseMs: number;
  private readonly maxPaddingBytes: number;
  private wantedRound = 0;
  private round = 0;
  private count = 0;
  private isStopped = false;
  private readonly done: Promise<void>;

  /** Unique values are longer by a random number of bytes, up to `maxPaddingBytes`. */
  constructor(client: TestClient, recorder: Recorder, pauseMs: number, maxPaddingBytes = 0) {
    this.client = client;
    this.recorder = recorder;
    this.pauseMs = pauseMs;
    this.maxPaddingBytes = maxPaddingBytes;
    this.done = this.work();
  }

  counterKey(round: number): string {
    return `counter:${this.client.name}:${round}`;
  }

  trailKey(round: number): string {
    return `trail:${this.client.name}:${round}`;
  }

  /** From now on another counter; resolves when nothing is under way on the one before. */
  async beginRound(round: number): Promise<void> {
    this.wantedRound = round;
    while (this.round !== round && !this.isStopped) await pause(1);
  }

  async stop(): Promise<void> {
    this.isStopped = true;
    await this.done;
    this.client.close();
  }

  private async work(): Promise<void> {
    while (!this.isStopped) {
      this.count += 1;
      this.round = this.wantedRound;
      await this.act(this.count % 4);
      await pause(this.pauseMs);
    }
  }

  private act(turn: number): Promise<void> {
    if (turn === 0) return this.increment();
    if (turn === 1) return this.writeUnique();
    return turn === 2 ? this.useShared() : this.extendTrail();
  }

  private async increment(): Promise<void> {
    const { round } = this;
    const { kind } = await this.recorder.perform(this.client, 'INCR', this.counterKey(round));
    const tally = this.counters.get(round) ?? { acknowledged: 0, unknown: 0 };
    this.counters.set(round, tally);
    if (kind === 'answered') tally.acknowledged += 1;
    else if (kind === 'unknown') tally.unknown += 1;
  }

  private async extendTrail(): Promise<void> {
    const { round } = this;
    const token = `${this.count},`;
    const { kind } = await this.recorder.perform(this.client, 'APPEND', this.trailKey(round), token);
    const steps = this.trails.get(round) ?? [];
    this.trails.set(round, steps);
    steps.push({ token, outcome: kind === 'error' ? 'not-run' : kind });
  }

  private async writeUnique(): Promise<void> {
    const key = `unique:${this.client.name}:${this.count}`;
    const padding = '.'.repeat(Math.floor(Math.random() * (this.maxPaddingBytes + 1)));
    const value = `${this.client.name} ${this.count} ${Math.random()}${padding}`;
    const { kind } = await this.recorder.perform(this.client, 'SET', key, value);
    if (kind === 'answered') this.written.set(key, value);
  }

  private async useShared(): Promise<void> {
    const { client, recorder } = this;
    const key = sharedKey();
    const number = `${key}:number`;
    switch (Math.floor(Math.random() * 6)) {
      case 0:
        await recorder.perform(client, 'SET', key, `${client.name} ${this.count}`);
        break;
      case 1:
        await recorder.perform(client, 'APPEND', key, `+${client.name} ${this.count}`);
        break;
      case 2:
        await recorder.perform(client, 'DEL', key);
        break;
      case 3:
        await recorder.perform(client, 'INCR', number);
        break;
      case 4:
        await recorder.perform(client, 'GET', number);
        break;
      default:
        await recorder.perform(client, 'GET', key);
    }
  }
}

function sharedKey(): string {
  const window = Math.floor(performance.now() / SHARED_WINDOW_MS);
  return `shared:${window}:${Math.floor(Math.random() * SHARED_KEYS)}`;
}

/**
 * Reads what the others share, now and then. Who has a command under way when its node stands still has asked before all that it misses: only one
 * who asks meanwhile sees whether the node, when it goes on, tells of a past that is over.
 */
export class LateReader {
  readonly client: TestClient;
  private readonly recorder: Recorder;
  private isStopped = false;
  private readonly done: Promise<void>;

  constructor(client: TestClient, recorder: Recorder) {
    this.client = client;
    this.recorder = recorder;
    this.done = this.work();
  }

  async stop(): Promise<void> {
    this.isStopped = true;
    await this.done;
    this.client.close();
  }

  private async work(): Promise<void> {
    while (!this.isStopped) {
      await this.recorder.perform(this.client, 'GET', sharedKey());
      await pause(Math.random() * LATE_READER_PAUSE_MS);
    }
  }
}
