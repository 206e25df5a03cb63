import { z } from 'zod';

import { DamagedError } from '../wal/errors.ts';
import { announcementSchema } from './announcement-schema.ts';
import type { ChangeRequest, RecoveryRequest } from './change.ts';
import { compactTopology, expandTopology } from './compact-topology.ts';
import { DEPARTED_REMEMBERED } from './departed.ts';
import { planSteps, rebalance, rebalanceBy } from './rebalance-schema.ts';
import { sealJson, unsealJson } from './sealed-json.ts';
import { SLOT_COUNT, type Topology } from './types.ts';

/** Of the file, and of what nodes send each other. */
const FORMAT = 1;

const id = z.string().regex(/^[0-9a-f]{40}$/);
const count = z.number().int().min(1);
const slot = z
  .number()
  .int()
  .min(0)
  .max(SLOT_COUNT - 1);

export const nodeEntrySchema = announcementSchema.extend({
  id,
  ordinal: count,
  leaving: z.boolean().optional(),
});

export const instanceSchema = z.object({ generation: count, epoch: count });

const logEnd = {
  member: count,
  term: z.number().int().min(0),
  index: z.number().int().min(0),
};

const shard = z.object({
  id: z.number().int().min(1).max(65_535),
  group: count,
  home: id,
  replicas: z.array(z.object({ member: count, node: id, leaving: z.boolean().optional() })),
  first: z.array(count),
  nextMember: count,
  closing: instanceSchema.optional(),
  givenUp: instanceSchema
    .extend({ destroyed: z.array(count), kept: z.array(z.object(logEnd)).optional() })
    .optional(),
  confirmed: count.optional(),
  rewound: z.object({ ...logEnd, group: count }).optional(),
});

const slots = z.array(z.object({ from: slot, to: slot }));

const move = z.object({
  id: count,
  source: count,
  target: count,
  slots,
  aborting: z.boolean().optional(),
});

export const topologySchema = z.object({
  clusterId: id,
  generation: count,
  epoch: count,
  version: count,
  nodes: z.array(nodeEntrySchema).min(1),
  departed: z.array(id).max(DEPARTED_REMEMBERED).optional(),
  nextOrdinal: count,
  nextGroup: count,
  voters: z.array(id).min(1),
  shards: z.array(shard).min(1),
  slots: z.array(z.object({ from: slot, to: slot, shard: count })).min(1),
  moves: z.array(move),
  succeeded: count.optional(),
  rebalance: rebalance.optional(),
});

const topologyFile = topologySchema.extend({ format: z.literal(FORMAT) });

/** As the file of the register. */
export function encodeTopologyFile(content: Topology): Buffer {
  return sealJson({ format: FORMAT, ...compactTopology(content) });
}

/** Null when it is not one that this version understands. Throws when it is damaged. */
export function decodeTopologyFile(path: string, bytes: Uint8Array): Topology | null {
  const content = unsealJson(path, bytes);
  if (content === undefined) throw new DamagedError(path, 0, 'it does not begin as a topology file');
  return topologyOf(content);
}

export function encodeTopology(content: Topology): Buffer {
  return Buffer.from(`${JSON.stringify({ format: FORMAT, ...compactTopology(content) })}\n`);
}

/** Null when it is not one that this version understands. */
export function decodeTopology(bytes: Uint8Array): Topology | null {
  return topologyOf(jsonOf(bytes));
}

/** In the form in which others have it, fields in one order: two that are the same are the same bytes. Null when none can be told. */
export function canonicalTopology(content: Topology): Topology | null {
  return decodeTopology(encodeTopology(content));
}

function topologyOf(value: unknown): Topology | null {
  const parsed = topologyFile.safeParse(expanded(value));
  if (!parsed.success) return null;
  const { format: _, ...content } = parsed.data;
  return content;
}

function expanded(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return null;
  try {
    return expandTopology({ ...value });
  } catch (error) {
    if (error instanceof TypeError) return null;
    throw error;
  }
}

const atMs = z.number().min(0);

const change = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('replace-node'),
    node: id,
    by: z.object({ id, announced: announcementSchema }),
  }),
  z.object({ kind: z.literal('place-shard'), shard: count, nodes: z.array(id) }),
  z.object({ kind: z.literal('drop-members'), shard: count, members: z.array(count) }),
  z.object({ kind: z.literal('keep-member'), shard: count, member: count, instead: count }),
  z.object({ kind: z.literal('raise-version'), version: count }),
  z.object({ kind: z.literal('set-voters'), voters: z.array(id).min(1) }),
  z.object({ kind: z.literal('begin-move'), source: count, target: count, slots }),
  z.object({ kind: z.literal('abort-move'), move: count }),
  z.object({ kind: z.literal('end-move'), move: count, moved: slots }),
  z.object({ kind: z.literal('claim-slots'), shard: count, slots }),
  z.object({ kind: z.literal('confirm-slots'), shard: count }),
  z.object({ kind: z.literal('resume-move'), move: count, source: count, target: count, slots }),
  z.object({ kind: z.literal('add-node'), id, announced: announcementSchema, beside: z.array(id) }),
  z.object({ kind: z.literal('announce'), node: id, announced: announcementSchema }),
  z.object({ kind: z.literal('begin-leave'), node: id }),
  z.object({ kind: z.literal('cancel-leave'), node: id }),
  z.object({ kind: z.literal('close-shard'), shard: count }),
  z.object({ kind: z.literal('remove-shard'), shard: count }),
  z.object({ kind: z.literal('remove-node'), node: id }),
  z.object({
    kind: z.literal('give-up-shard'),
    shard: count,
    destroyed: z.array(count),
    rewind: z.boolean().optional(),
  }),
  z.object({ kind: z.literal('keep-log'), shard: count, ...logEnd }),
  z.object({ kind: z.literal('succeed-shard'), shard: count, home: id, voters: z.array(id) }),
  z.object({ kind: z.literal('set-weight'), node: id, weight: announcementSchema.shape.weight }),
  z.object({
    kind: z.literal('begin-plan'),
    by: rebalanceBy,
    isAutomatic: z.boolean(),
    atMs,
    steps: planSteps,
  }),
  z.object({ kind: z.literal('begin-planned-move'), plan: count, left: count }),
  z.object({ kind: z.literal('end-plan'), plan: count, atMs }),
  z.object({ kind: z.literal('pause-rebalance'), atMs: z.number().min(0).optional() }),
  z.object({ kind: z.literal('resume-rebalance'), atMs: z.number().min(0).optional() }),
  z.object({ kind: z.literal('abort-plan'), plan: count }),
]);

const request = z.object({ id, node: id, start: z.number().int().min(0) });

const changeRequest = z.object({
  clusterId: id,
  on: instanceSchema,
  change,
  request,
});

const recoveryRequest = z.object({
  clusterId: id,
  on: instanceSchema,
  survivors: z.array(id).min(1),
  bound: z.array(id),
  request,
});

export function encodeChange(asked: ChangeRequest): Buffer {
  return Buffer.from(JSON.stringify(asked));
}

/** Null when it is not one that this version understands. */
export function decodeChange(bytes: Uint8Array): ChangeRequest | null {
  const parsed = changeRequest.safeParse(jsonOf(bytes));
  return parsed.success ? parsed.data : null;
}

export function encodeRecovery(asked: RecoveryRequest): Buffer {
  return Buffer.from(JSON.stringify(asked));
}

/** Null when it is not one that this version understands. */
export function decodeRecovery(bytes: Uint8Array): RecoveryRequest | null {
  const parsed = recoveryRequest.safeParse(jsonOf(bytes));
  return parsed.success ? parsed.data : null;
}

/** Undefined when it is none. */
export function jsonOf(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8'));
  } catch {
    return undefined;
  }
}
