import type { Mutant, Patch } from './mutant.ts';
import { MOVE_MUTANTS } from './moves.ts';
import { NODE_MUTANTS } from './nodes.ts';
import { OPERATOR_MUTANTS } from './operators.ts';
import { PAXOS_MUTANTS } from './paxos.ts';
import { RAFT_MEMBERSHIP_MUTANTS } from './raft-membership.ts';
import { RAFT_MUTANTS } from './raft.ts';
import { SHARD_MUTANTS } from './shard.ts';
import { VERSION_MUTANTS } from './versions.ts';
import { WAL_MUTANTS } from './wal.ts';

export const MUTANTS: readonly Mutant[] = [
  ...RAFT_MUTANTS,
  ...RAFT_MEMBERSHIP_MUTANTS,
  ...WAL_MUTANTS,
  ...VERSION_MUTANTS,
  ...MOVE_MUTANTS,
  ...SHARD_MUTANTS,
  ...PAXOS_MUTANTS,
  ...NODE_MUTANTS,
  ...OPERATOR_MUTANTS,
];

/** Those whose rule or file contains one of the parts; all, without parts. */
export function chosenBy<T extends Mutant>(mutants: readonly T[], parts: readonly string[]): T[] {
  return mutants.filter(
    ({ rule, file }) =>
      parts.length === 0 || parts.some((part) => rule.includes(part) || file.includes(part)),
  );
}

export function patchesOf({ file, find, put, more }: Mutant): readonly Patch[] {
  return [{ file, find, put }, ...(more ?? [])];
}
