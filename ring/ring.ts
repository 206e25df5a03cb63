import { RingError } from './errors.ts';
import { checkShardId } from './shards.ts';
import { SLOT_COUNT } from './slot.ts';
import type { ShardId, SlotTable } from './table.ts';
import { NO_SHARD } from './table.ts';
import type { TokenHash } from './token-hash.ts';
import { CIRCLE } from './token-hash.ts';

/** Quotas do the balancing; more virtual nodes only fragment the table. */
export const DEFAULT_VNODES = 8;

const SLOT_DISTANCE = CIRCLE / SLOT_COUNT;

/** A virtual node: one of the points at which a shard stands on the circle. */
interface Token {
  point: number;
  shard: ShardId;
}

/**
 * For each slot the shard that it prefers: the one of the next token clockwise. Slots lie evenly on the circle, slot 0 at point 0.
 * A shard that comes draws slots to itself alone, one that goes leaves the others' preferences as they were.
 */
export function slotPreferences(
  shards: readonly ShardId[],
  hash: TokenHash,
  vnodes = DEFAULT_VNODES,
): SlotTable {
  if (!Number.isInteger(vnodes) || vnodes < 1)
    throw new RingError(`${vnodes} vnodes: must be a whole number from 1`);
  const tokens = sortedTokens(shards, hash, vnodes);
  const preferences = new Int32Array(SLOT_COUNT).fill(tokens[0]?.shard ?? NO_SHARD);
  let slot = 0;
  for (const { point, shard } of tokens) {
    while (slot < SLOT_COUNT && slot * SLOT_DISTANCE <= point) preferences[slot++] = shard;
  }
  return preferences;
}

/** The shards clockwise by their first token: one point each, so that each has one successor and one predecessor. */
export function shardsClockwise(shards: readonly ShardId[], hash: TokenHash): ShardId[] {
  return sortedTokens(shards, hash, 1).map((token) => token.shard);
}

function sortedTokens(shards: readonly ShardId[], hash: TokenHash, vnodes: number): Token[] {
  const tokens: Token[] = [];
  for (const shard of shards) {
    checkShardId(shard);
    for (let i = 0; i < vnodes; i++) tokens.push({ point: hash(`${shard}#${i}`), shard });
  }
  // Two tokens on one point are next to impossible, but all nodes must order them alike.
  return tokens.sort((a, b) => a.point - b.point || a.shard - b.shard);
}
