/**
 * Which replicas of a node keep it from being ready. Until it is ready for the first time: every one that is to take part in a shard that has slots and
 * does not yet, as after a repair. A node that serves goes on while it is given another one: its clients need the leaders, not that.
 */
import type { Replica } from '../shard/replica.ts';
import type { ShardId } from '../topology/types.ts';

/** A replica this far behind its own commit index is still catching up. */
const READY_LAG_ENTRIES = 1000;

export class CatchingUp {
  private hasServed = false;
  private readonly caughtUp = new WeakSet<Replica>();
  /** They had learned before this start: who was no voter then is not missed as one now. */
  private readonly old: WeakSet<Replica>;

  /** `opened`: what the node starts with. */
  constructor(opened: readonly Replica[]) {
    this.old = new WeakSet(opened.filter(({ raft }) => raft.lastIndex > 0));
  }

  /** `hasSlots`: of a shard. */
  of(replicas: readonly Replica[], hasSlots: (shard: ShardId) => boolean): Replica[] {
    return replicas.filter((replica) => {
      const isBehind = lagOf(replica) > READY_LAG_ENTRIES;
      const isOfUse = !isBehind && takesPart(replica, this.old.has(replica));
      if (isOfUse) this.caughtUp.add(replica);
      return this.hasServed ? isBehind && this.caughtUp.has(replica) : !isOfUse && hasSlots(replica.shard);
    });
  }

  /** The node is ready. */
  served(): void {
    this.hasServed = true;
  }
}

export function lagOf({ raft, machine }: Replica): number {
  return Math.max(0, raft.commitIndex - machine.appliedIndex);
}

/** It votes, or learns, for good or since before this start, and has begun to. */
function takesPart({ raft, machine }: Replica, isOld: boolean): boolean {
  const { voters, learners } = raft.committedMembership.membership;
  if (voters.includes(raft.self)) return true;
  if (!learners.includes(raft.self) || machine.appliedIndex === 0) return false;
  return isOld || (voters.length + learners.length) % 2 === 0;
}
