import { z } from 'zod';

import type { FoundingMessage, FoundingState } from './founding.ts';
import { nodeEntrySchema } from './topology-codec.ts';

/** Of the file and of the message. */
const FORMAT = 1;

const id = z.string().regex(/^[0-9a-f]{40}$/);
const label = z.string().max(255);

const cluster = z.object({ id, nodes: z.array(nodeEntrySchema).min(1) });

const foundingState = z.discriminatedUnion('phase', [
  z.object({ phase: z.literal('unfounded'), node: id }),
  z.object({ phase: z.literal('prepared'), node: id, cluster }),
  z.object({ phase: z.literal('founded'), node: id, cluster, isReturning: z.boolean().optional() }),
]);

const fileSchema = z.object({ format: z.literal(FORMAT), state: foundingState });
const messageSchema = z.object({
  format: z.literal(FORMAT),
  seeds: z.array(label.min(1)).min(1),
  state: foundingState,
});

export function encodeFoundingFile(state: FoundingState): Buffer {
  return Buffer.from(`${JSON.stringify({ format: FORMAT, state }, null, 2)}\n`);
}

/** Null when it is not such a file, or of another format. */
export function decodeFoundingFile(bytes: Uint8Array): FoundingState | null {
  return parseWith(fileSchema, bytes)?.state ?? null;
}

export function encodeFoundingMessage(message: FoundingMessage): Buffer {
  return Buffer.from(JSON.stringify({ format: FORMAT, ...message }));
}

/** Null when it is not one that this version understands. */
export function decodeFoundingMessage(bytes: Uint8Array): FoundingMessage | null {
  return parseWith(messageSchema, bytes);
}

function parseWith<T>(schema: z.ZodType<T>, bytes: Uint8Array): T | null {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8'));
  } catch {
    return null;
  }
  const parsed = schema.safeParse(value);
  return parsed.success ? parsed.data : null;
}
