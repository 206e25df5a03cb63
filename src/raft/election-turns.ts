import type { MemberId } from './types.ts';

/** In which order members stand for election: the preferred leader, then the others, another first in each term. */
export function electionTurns(
  members: readonly MemberId[],
  term: number,
  preferredLeader: MemberId,
): MemberId[] {
  const sorted = [...members].sort((a, b) => a - b);
  const first = term % sorted.length;
  const rotated = [...sorted.slice(first), ...sorted.slice(0, first)];
  return rotated.sort((a, b) => Number(b === preferredLeader) - Number(a === preferredLeader));
}
