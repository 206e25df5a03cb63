/**
 * Histories: what clients did and were told, and when. One JSON object a line, so that a run can append to a file, and a bad
 * history can be kept and checked again.
 */
import { z } from 'zod';

/** A reply of Redis in plain JSON: a status or bulk string, an integer, nil, or an error. */
export type Reply = string | number | null | { error: string };

interface Answered {
  kind: 'answered';
  returnMs: number;
  reply: Reply;
}

/** Never answered, or `-INDETERMINATE`, or the connection broke: it may have run, may yet run, or never will. */
interface Unknown {
  kind: 'unknown';
}

/** Refused before it was proposed: it did not run and never will. */
interface NotRun {
  kind: 'not-run';
}

export interface Operation {
  client: number;
  key: string;
  /** In capital letters. */
  command: string;
  /** What follows the key. */
  args: readonly string[];
  /** When it was sent, by one clock for all clients; never later than it could first take effect. */
  callMs: number;
  outcome: Answered | Unknown | NotRun;
  /** Of the same key: once that is answered, it took effect before this one. Its client sent both on one connection, in this order. */
  after?: Operation;
}

const outcomeSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('answered'),
    returnMs: z.number(),
    reply: z.union([z.string(), z.number(), z.null(), z.strictObject({ error: z.string() })]),
  }),
  z.strictObject({ kind: z.literal('unknown') }),
  z.strictObject({ kind: z.literal('not-run') }),
]);

const operationSchema = z.strictObject({
  client: z.number(),
  key: z.string(),
  command: z.string().regex(/^[A-Z]+$/),
  args: z.array(z.string()),
  callMs: z.number(),
  outcome: outcomeSchema,
});

/** Ends each operation with a line feed, the last too. */
export function writeHistory(operations: readonly Operation[]): string {
  return operations.map((operation) => `${JSON.stringify(operation)}\n`).join('');
}

/** Throws, naming the line, when one is not an operation: half a history must not pass for a whole one. */
export function readHistory(text: string): Operation[] {
  const operations: Operation[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    if (line !== '') operations.push(readOperation(line, index + 1));
  }
  return operations;
}

function readOperation(line: string, lineNumber: number): Operation {
  try {
    const operation = operationSchema.parse(JSON.parse(line));
    checkTimes(operation);
    return operation;
  } catch (cause) {
    throw new Error(`line ${lineNumber} is no operation: ${line.slice(0, 200)}`, { cause });
  }
}

/** An answer before its call would let the checker accept or refuse anything. */
export function checkTimes({ callMs, outcome }: Operation): void {
  if (outcome.kind === 'answered' && !(outcome.returnMs >= callMs)) {
    throw new Error(`answered at ${outcome.returnMs}, before it was called at ${callMs}`);
  }
}
