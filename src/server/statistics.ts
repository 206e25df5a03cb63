/** What the server counts of commands and connections: plain numbers and typed arrays, read when INFO or a scrape asks. */
import type { CommandRow } from '../commands/types.ts';
import { latencyHistogram, type Histogram } from '../metrics/histogram.ts';

const MINUS = 45;
const SPACE = 32;
/** Distinct error codes that are told apart; a code longer or later than this counts as `ERR`. */
const ERROR_CODES_MAX = 64;
const ERROR_CODE_MAX_BYTES = 24;

export class Statistics {
  readonly rows: readonly CommandRow[];
  /** By the command's number: its place in the table. */
  readonly calls: Float64Array;
  readonly failed: Float64Array;
  readonly rejected: Float64Array;
  readonly latency: (Histogram | null)[];
  readonly errorCodes = new Map<string, number>();
  reads = 0;
  writes = 0;
  errorReplies = 0;
  inputBytes = 0;
  outputBytes = 0;
  connectionsReceived = 0;
  connectionsRejected = 0;
  redirected = 0;
  indeterminate = 0;
  clusterDown = 0;

  constructor(rows: readonly CommandRow[]) {
    this.rows = rows;
    this.calls = new Float64Array(rows.length);
    this.failed = new Float64Array(rows.length);
    this.rejected = new Float64Array(rows.length);
    this.latency = rows.map(() => null);
  }

  /** A command took so long. */
  timed(command: number, latencyMs: number): void {
    this.calls[command] += 1;
    let histogram = this.latency[command];
    if (histogram === null) this.latency[command] = histogram = latencyHistogram();
    histogram.record(latencyMs);
  }

  /** A command was answered with the reply that begins at `start`. */
  replied(command: number, bytes: Uint8Array, start: number): void {
    if (bytes[start] !== MINUS) return;
    this.failed[command] += 1;
    this.countError(bytes, start + 1);
  }

  countError(bytes: Uint8Array, start: number): void {
    this.errorReplies += 1;
    let end = start;
    while (end < bytes.length && end - start < ERROR_CODE_MAX_BYTES && bytes[end] !== SPACE) end++;
    let code = String.fromCharCode(...bytes.subarray(start, end));
    if (!this.errorCodes.has(code) && (this.errorCodes.size >= ERROR_CODES_MAX || !/^[A-Z]+$/.test(code)))
      code = 'ERR';
    this.errorCodes.set(code, (this.errorCodes.get(code) ?? 0) + 1);
    if (code === 'CLUSTERDOWN') this.clusterDown += 1;
  }

  get commandsProcessed(): number {
    return this.calls.reduce((sum, calls) => sum + calls, 0);
  }

  reset(): void {
    this.calls.fill(0);
    this.failed.fill(0);
    this.rejected.fill(0);
    for (const histogram of this.latency) histogram?.reset();
    this.errorCodes.clear();
    this.reads = 0;
    this.writes = 0;
    this.errorReplies = 0;
    this.inputBytes = 0;
    this.outputBytes = 0;
    this.connectionsReceived = 0;
    this.connectionsRejected = 0;
    this.redirected = 0;
  }
}
