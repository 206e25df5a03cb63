import type { Instant, RaftCore } from '../../../../src/raft/types.ts';

/** By both clocks (design section 4). */
export function holdsLease(raft: RaftCore, { monotonicMs, wallMs }: Instant): boolean {
  return (
    monotonicMs >= raft.leaseFromMonotonicMs &&
    monotonicMs < raft.leaseUntilMonotonicMs &&
    wallMs >= raft.leaseFromWallMs &&
    wallMs < raft.leaseUntilWallMs
  );
}
