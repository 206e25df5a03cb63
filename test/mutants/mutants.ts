import type { Mutant } from './mutant.ts';
import { MOVE_MUTANTS } from './moves.ts';
import { PAXOS_MUTANTS } from './paxos.ts';
import { RAFT_MEMBERSHIP_MUTANTS } from './raft-membership.ts';
import { RAFT_MUTANTS } from './raft.ts';
import { VERSION_MUTANTS } from './versions.ts';
import { WAL_MUTANTS } from './wal.ts';

export const MUTANTS: readonly Mutant[] = [
  ...RAFT_MUTANTS,
  ...RAFT_MEMBERSHIP_MUTANTS,
  ...WAL_MUTANTS,
  ...VERSION_MUTANTS,
  ...MOVE_MUTANTS,
  ...PAXOS_MUTANTS,
];
