/**
 * Is a history linearizable? The algorithm of Wing and Gong with Lowe's cache of states already seen, key by key: operations on
 * different keys are independent, so a history is linearizable exactly when each key's part is.
 *
 * The search walks the calls and returns in time. A call may take effect now if the model gives the reply that the client saw;
 * then it is lifted out of the list with its return, and the walk starts again. At the return of an operation that has not taken
 * effect, the last choice was wrong and is undone.
 */
import type { Operation } from './history.ts';
import { checkTimes } from './history.ts';
import type { Model, State } from './model.ts';
import { KeySearch } from './search.ts';

export interface Limits {
  /** For all keys together. */
  timeoutMs: number;
  /** Configurations that the cache may hold for one key: some 100 bytes each. */
  maxConfigurations: number;
}

export interface Violation {
  verdict: 'violation';
  key: string;
  /** The longest order found that explains a beginning of the history... */
  explained: Operation[];
  /** ...what the key held then... */
  state: State;
  /** ...and an operation that was answered, but fits nowhere after it. */
  unexplained: Operation;
}

export type Verdict =
  | { verdict: 'ok'; keys: number; answered: number; unknown: number }
  | Violation
  /** Out of time or memory on these keys, with no violation found on the others. Never to be taken for ok. */
  | { verdict: 'unknown'; keys: string[] };

const DEFAULT_LIMITS: Limits = { timeoutMs: 30_000, maxConfigurations: 3_000_000 };

/**
 * Checks a whole history; every key starts absent. Operations must each touch one key alone. An operation of unknown outcome may
 * take effect at any time after its call, or never; one that was not run is left out.
 */
export function checkLinearizable(
  history: readonly Operation[],
  model: Model,
  limits: Partial<Limits> = {},
): Verdict {
  const { timeoutMs, maxConfigurations } = { ...DEFAULT_LIMITS, ...limits };
  const deadlineMs = performance.now() + timeoutMs;
  const expired = (): boolean => performance.now() >= deadlineMs;
  for (const operation of history) checkTimes(operation);

  const parts = partitionByKey(history.filter((operation) => operation.outcome.kind !== 'not-run'));
  const unknownKeys: string[] = [];
  // Short ones first: a violation there is found before a hard key eats the time.
  for (const [key, operations] of parts.toSorted((a, b) => a[1].length - b[1].length)) {
    const result = new KeySearch(operations, model).run(expired, maxConfigurations);
    if (result === 'unknown') unknownKeys.push(key);
    else if (result !== 'ok') return { verdict: 'violation', key, ...result };
  }
  if (unknownKeys.length > 0) return { verdict: 'unknown', keys: unknownKeys };
  const count = (kind: string): number => history.filter(({ outcome }) => outcome.kind === kind).length;
  return { verdict: 'ok', keys: parts.length, answered: count('answered'), unknown: count('unknown') };
}

/** A violation as a person reads it: the end of what could be explained, and what could not. */
export function describeViolation({ key, explained, state, unexplained }: Violation, tail = 12): string {
  const lines = [`key ${JSON.stringify(key)}: no order explains more than ${explained.length} operations`];
  const shown = explained.slice(-tail);
  if (shown.length < explained.length) lines.push(`  ... ${explained.length - shown.length} before`);
  lines.push(...shown.map((operation) => `  ${describe(operation)}`));
  lines.push(
    `then the key holds ${JSON.stringify(state)}, and this fits nowhere:`,
    `  ${describe(unexplained)}`,
  );
  return lines.join('\n');
}

function describe({ client, key, command, args, callMs, outcome }: Operation): string {
  const call = [command, key, ...args].join(' ');
  const result =
    outcome.kind === 'answered'
      ? `${JSON.stringify(outcome.reply)} at ${outcome.returnMs}`
      : 'outcome unknown';
  return `client ${client}, at ${callMs}: ${call} -> ${result}`;
}

function partitionByKey(operations: readonly Operation[]): [string, Operation[]][] {
  const parts = new Map<string, Operation[]>();
  for (const operation of operations) {
    const part = parts.get(operation.key);
    if (part === undefined) parts.set(operation.key, [operation]);
    else part.push(operation);
  }
  return [...parts];
}
