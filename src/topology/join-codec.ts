/** What a node that asks to be taken in and one of a cluster say to each other, as JSON. */
import { z } from 'zod';

import { jsonOf, topologySchema } from './topology-codec.ts';
import type { Topology } from './types.ts';

export interface JoinRequest {
  /** The dead node whose place is to be taken: its id, or `host:port` as it announced a port of its; null: a place of its own. */
  replaces: string | null;
}

export type JoinAnswer =
  /** The newest topology. Where it names the node that asked, that one is of the cluster; one that was of it before, and is not named, is removed. */
  | { kind: 'told'; topology: Topology }
  /** It is to ask again. */
  | { kind: 'wait'; reason: string }
  /** It can never be taken in as it is. */
  | { kind: 'refused'; reason: string };

/** What is longer, as the names of many nodes, is cut: an answer that cannot be read would be asked for again and again. */
const REASON_MOST_CHARACTERS = 2_000;

const reason = z.string().max(REASON_MOST_CHARACTERS);
const requestSchema = z.object({ type: z.literal('join'), replaces: z.string().max(300).nullable() });
const answerSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('told'), topology: topologySchema }),
  z.object({ kind: z.literal('wait'), reason }),
  z.object({ kind: z.literal('refused'), reason }),
]);

export function encodeJoinRequest({ replaces }: JoinRequest): Buffer {
  return Buffer.from(JSON.stringify({ type: 'join', replaces }));
}

/** Null when it is not one that this version understands. */
export function decodeJoinRequest(bytes: Uint8Array): JoinRequest | null {
  const parsed = requestSchema.safeParse(jsonOf(bytes));
  return parsed.success ? { replaces: parsed.data.replaces } : null;
}

export function encodeJoinAnswer(answer: JoinAnswer): Buffer {
  if (answer.kind === 'told') return Buffer.from(JSON.stringify(answer));
  return Buffer.from(JSON.stringify({ ...answer, reason: cut(answer.reason) }));
}

/** Null when it is not one that this version understands. */
export function decodeJoinAnswer(bytes: Uint8Array): JoinAnswer | null {
  const parsed = answerSchema.safeParse(jsonOf(bytes));
  return parsed.success ? parsed.data : null;
}

function cut(text: string): string {
  return text.length <= REASON_MOST_CHARACTERS ? text : `${text.slice(0, REASON_MOST_CHARACTERS - 1)}…`;
}
