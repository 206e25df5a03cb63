/** Where slots and replicas go. Pure: no clock, no randomness, no I/O, nothing of the rest of Torc. */
export { crc16 } from './crc16.ts';
export { RingError } from './errors.ts';
export type { SlotMove, SlotPlan } from './plan.ts';
export { planSlots } from './plan.ts';
export { slotQuotas } from './quotas.ts';
export type { AdjustedReplicas, Candidate } from './replica-moves.ts';
export { adjustReplicas } from './replica-moves.ts';
export type { Home, ReplicaSet } from './replicas.ts';
export { placeReplicas } from './replicas.ts';
export { DEFAULT_VNODES, slotPreferences } from './ring.ts';
export type { Shard } from './shards.ts';
export { MAX_WEIGHT } from './shards.ts';
export { SLOT_COUNT, slotOf } from './slot.ts';
export type { ShardId, SlotRun, SlotTable } from './table.ts';
export { emptyTable, NO_SHARD, runsOf, tableOf } from './table.ts';
export type { TokenHash } from './token-hash.ts';
export { loadTokenHash } from './token-hash.ts';
