/** Sends commands through a client, and keeps what became of each: the history, and how long the client had to wait. */
import type { Operation, Reply } from '../../linearizability/history.ts';
import { failureOf, type Failure, type TestClient } from './client.ts';

/** Longer than any answer takes: a library that never settles a promise must not stop the test. */
const LOST_AFTER_MS = 15_000;
const READS = new Set(['GET', 'EXISTS', 'STRLEN']);

export type Outcome = { kind: 'answered'; reply: Reply } | Failure;

export interface Failed {
  client: string;
  atMs: number;
  command: string;
  failure: Failure;
}

export class Recorder {
  readonly operations: Operation[] = [];
  readonly failures: Failed[] = [];
  private readonly acknowledgedMs = new Map<string, number[]>();
  private readonly numbers = new Map<string, number>();
  private readonly keep: (operation: Operation) => void;

  /** `keep` is handed each operation when it is over. */
  constructor(keep: (operation: Operation) => void = () => undefined) {
    this.keep = keep;
  }

  async perform(
    client: TestClient,
    command: string,
    key: string,
    ...args: readonly string[]
  ): Promise<Outcome> {
    const callMs = performance.now();
    const outcome = await outcomeOf(client, command, [key, ...args]);
    const returnMs = performance.now();
    const operation = { client: this.numberOf(client), key, command, args, callMs };
    if (outcome.kind === 'answered') {
      this.acknowledgements(client.name).push(returnMs);
      const { reply } = outcome;
      this.note({ ...operation, outcome: { kind: 'answered', returnMs, reply } });
      return outcome;
    }
    this.failures.push({
      client: client.name,
      atMs: returnMs,
      command: `${command} ${key}`,
      failure: outcome,
    });
    // A read that was not answered tells nothing.
    const kind = outcome.kind === 'unknown' && !READS.has(command) ? 'unknown' : 'not-run';
    this.note({ ...operation, outcome: { kind } });
    return outcome;
  }

  private note(operation: Operation): void {
    this.operations.push(operation);
    this.keep(operation);
  }

  /** The longest time without an acknowledgement between two moments. */
  longestGapMs(client: string, fromMs: number, toMs: number): number {
    let longest = 0;
    let lastMs = fromMs;
    for (const atMs of this.acknowledgements(client)) {
      if (atMs < fromMs) continue;
      if (atMs > toMs) break;
      longest = Math.max(longest, atMs - lastMs);
      lastMs = atMs;
    }
    return Math.max(longest, toMs - lastMs);
  }

  isAcknowledgedSince(client: string, sinceMs: number): boolean {
    return (this.acknowledgements(client).at(-1) ?? -Infinity) >= sinceMs;
  }

  isAcknowledgedBetween(client: string, fromMs: number, toMs: number): boolean {
    return this.acknowledgements(client).some((atMs) => atMs >= fromMs && atMs <= toMs);
  }

  private acknowledgements(client: string): number[] {
    let times = this.acknowledgedMs.get(client);
    if (times === undefined) this.acknowledgedMs.set(client, (times = []));
    return times;
  }

  private numberOf({ name }: TestClient): number {
    const number = this.numbers.get(name) ?? this.numbers.size;
    this.numbers.set(name, number);
    return number;
  }
}

async function outcomeOf(client: TestClient, command: string, words: readonly string[]): Promise<Outcome> {
  let timer: NodeJS.Timeout | undefined;
  const lost = new Promise<Outcome>((resolve) => {
    const text = `no answer in ${LOST_AFTER_MS} ms`;
    timer = setTimeout(() => resolve({ kind: 'unknown', text, isIndeterminate: false }), LOST_AFTER_MS);
  });
  const answer = client.send(command, words).then(
    (reply): Outcome => ({ kind: 'answered', reply }),
    (error: unknown) => failureOf(error),
  );
  const outcome = await Promise.race([answer, lost]);
  clearTimeout(timer);
  return outcome;
}

export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? 0;
}
