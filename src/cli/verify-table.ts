/** What the hashes of replicas say, and how `torc verify` shows it. */
import type { ShardId } from '../topology/types.ts';
import type { HashFound } from './verify-shard.ts';

/**
 * - `equal`: as most others at this index.
 * - `differs`: from them; or none is in the majority.
 * - `only copy`: the shard has one replica.
 * - `not compared`: it has no hash, or no other has one at its index.
 */
export type Verdict = 'equal' | 'differs' | 'only copy' | 'not compared';

export interface VerifyRow extends HashFound {
  readonly shard: ShardId;
  readonly verdict: Verdict;
}

export const VERIFY_HEAD = ['shard', 'index', 'node', 'hash', 'verdict'];

export function judge(shard: ShardId, found: readonly HashFound[]): VerifyRow[] {
  return found.map((row): VerifyRow => {
    if (row.hash === null) return { ...row, shard, verdict: 'not compared' };
    if (found.length === 1) return { ...row, shard, verdict: 'only copy' };
    const compared = found.filter(({ hash, index }) => hash !== null && index === row.index);
    if (compared.length === 1)
      return { ...row, shard, verdict: 'not compared', reason: 'no other replica has a hash at its index' };
    const same = compared.filter(({ hash }) => hash === row.hash).length;
    return { ...row, shard, verdict: same * 2 > compared.length ? 'equal' : 'differs' };
  });
}

export function verifyCells(rows: readonly VerifyRow[]): (string | number)[][] {
  return rows.map(({ shard, index, node, hash, verdict, reason }) => [
    shard,
    index ?? '-',
    node,
    hash ?? '-',
    verdict === 'not compared' ? `not compared: ${reason}` : verdict,
  ]);
}

/** One line. */
export function conclusion(rows: readonly VerifyRow[]): string {
  const shards = new Set(rows.filter(({ verdict }) => verdict === 'differs').map(({ shard }) => shard));
  if (shards.size > 0)
    return `DIFFERENT: the replicas of ${shards.size === 1 ? 'shard' : 'shards'} ${[...shards].join(', ')} do not hold the same.`;
  const missing = rows.filter(({ verdict }) => verdict === 'not compared').length;
  const equal = rows.length - missing;
  if (missing > 0)
    return `INCOMPLETE: ${missing} of ${rows.length} replicas could not be compared; the other ${equal} are equal.`;
  const alone = rows.filter(({ verdict }) => verdict === 'only copy').length;
  if (alone > 0)
    return `EQUAL: ${equal - alone} of ${rows.length} replicas hold the same as the others of their shard; ${alone} ${alone === 1 ? 'is' : 'are'} the only copy, with nothing to compare.`;
  return `EQUAL: all ${rows.length} replicas hold the same as the others of their shard.`;
}
