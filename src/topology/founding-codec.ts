import { z } from 'zod';

import type { FoundingMessage, FoundingState } from './founding.ts';
import { sealJson, unsealJson } from './sealed-json.ts';
import { jsonOf, nodeEntrySchema, topologySchema } from './topology-codec.ts';

/** Of the file and of the message. */
const FORMAT = 1;

const id = z.string().regex(/^[0-9a-f]{40}$/);
const label = z.string().max(255);

const cluster = z.object({ id, nodes: z.array(nodeEntrySchema).min(1), first: topologySchema.optional() });

const foundingState = z.discriminatedUnion('phase', [
  z.object({ phase: z.literal('unfounded'), node: id }),
  z.object({ phase: z.literal('prepared'), node: id, cluster }),
  z.object({
    phase: z.literal('founded'),
    node: id,
    cluster,
    isReturning: z.boolean().optional(),
    hasTopology: z.boolean().optional(),
    wasReplaced: z.boolean().optional(),
  }),
]);

const fileSchema = z.object({ format: z.literal(FORMAT), state: foundingState });
const messageSchema = z.object({
  format: z.literal(FORMAT),
  seeds: z.array(label.min(1)).min(1),
  state: foundingState,
});

export function encodeFoundingFile(state: FoundingState): Buffer {
  return sealJson({ format: FORMAT, state });
}

/** Null when it is not such a file, or of another format. Throws when it is damaged. */
export function decodeFoundingFile(path: string, bytes: Uint8Array): FoundingState | null {
  // Earlier builds wrote it without a checksum.
  const parsed = fileSchema.safeParse(unsealJson(path, bytes) ?? jsonOf(bytes));
  return parsed.success ? parsed.data.state : null;
}

export function encodeFoundingMessage(message: FoundingMessage): Buffer {
  return Buffer.from(JSON.stringify({ format: FORMAT, ...message }));
}

/** Null when it is not one that this version understands. */
export function decodeFoundingMessage(bytes: Uint8Array): FoundingMessage | null {
  return parseWith(messageSchema, bytes);
}

function parseWith<T>(schema: z.ZodType<T>, bytes: Uint8Array): T | null {
  const parsed = schema.safeParse(jsonOf(bytes));
  return parsed.success ? parsed.data : null;
}
