/** What a shard stands, as its leader sees its followers. */
import type { MemberId, Membership, ProgressStatus } from '../raft/types.ts';
import type { Replica } from '../shard/replica.ts';
import type { NodeParts } from './parts.ts';

/** Replicas that should be there, as far as there are nodes, less those that follow closely; null unless it leads. */
export function missingReplicas(parts: NodeParts, replica: Replica): number | null {
  if (!replica.isLeader) return null;
  const staying = parts.topology.nodes.filter(({ leaving }) => leaving !== true);
  const wanted = Math.min(parts.settings.replicationFactor, staying.length);
  return Math.max(0, wanted - 1 - followingOf(parts, replica).length);
}

/** Null unless it leads. */
export function failuresTolerated(parts: NodeParts, replica: Replica): number | null {
  const { raft, isLeader } = replica;
  if (!isLeader) return null;
  const following = followingOf(parts, replica).map(({ member }) => member);
  return toleratedLosses(raft.membership, [raft.self, ...following]);
}

/** How many of those that follow may be lost, whichever these are, until those left are no majority: of the old voters neither while they change. */
export function toleratedLosses(
  { voters, votersOld }: Pick<Membership, 'voters' | 'votersOld'>,
  following: readonly MemberId[],
): number {
  const spare = [voters, votersOld]
    .filter((half) => half.length > 0)
    .map((half) => half.filter((member) => following.includes(member)).length - majorityOf(half.length));
  return Math.max(0, Math.min(...spare));
}

function majorityOf(voters: number): number {
  return Math.floor(voters / 2) + 1;
}

function followingOf({ env, settings }: NodeParts, { raft }: Replica): ProgressStatus[] {
  const nowMs = env.clock.monotonicMs();
  return raft
    .progress()
    .filter(
      ({ state, lastHeardMs }) => state === 'replicate' && nowMs - lastHeardMs < settings.electionTimeoutMs,
    );
}
