import { z } from 'zod';

import type { PaxosMessage } from '../paxos/types.ts';
import { instanceSchema, jsonOf, topologySchema } from './topology-codec.ts';
import type { Topology } from './types.ts';

const number = z.number().int().min(0);

export const ballotSchema = z.object({ round: number, start: number, node: z.string().min(1).max(64) });

const accepted = z.object({ ballot: ballotSchema, value: topologySchema });
const inInstance = { instance: instanceSchema, ballot: ballotSchema };
const recovers = z.boolean().optional();

const message = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('prepare'), ...inInstance, recovers }),
  z.object({ kind: z.literal('promise'), ...inInstance, accepted: accepted.nullable() }),
  z.object({ kind: z.literal('accept'), ...inInstance, value: topologySchema, recovers }),
  z.object({ kind: z.literal('accepted'), ...inInstance }),
  z.object({ kind: z.literal('refused'), ...inInstance, promised: ballotSchema }),
  z.object({ kind: z.literal('behind'), newest: instanceSchema }),
  z.object({
    kind: z.literal('bound'),
    instance: instanceSchema,
    generation: number,
    never: z.boolean(),
  }),
  z.object({ kind: z.literal('decided'), instance: instanceSchema, value: topologySchema }),
]);

export function encodePaxosMessage(content: PaxosMessage<Topology>): Buffer {
  return Buffer.from(JSON.stringify(content));
}

/** Null when it is not one that this version understands. */
export function decodePaxosMessage(bytes: Uint8Array): PaxosMessage<Topology> | null {
  const parsed = message.safeParse(jsonOf(bytes));
  return parsed.success ? parsed.data : null;
}
