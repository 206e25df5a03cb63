import { Progress } from './progress.ts';
import { peersOf } from './quorum.ts';
import type { MemberState } from './state.ts';

const SESSIONS = 2 ** 32 - 1;

/**
 * Whom a leader replicates to: all members but itself, and those that the membership leaves out until that is committed. What is known of a peer
 * stays with it; whoever comes, be it back, gets a session of its own (correctness.md 1.2, #13).
 */
export function choosePeers(state: MemberState, known: readonly Progress[]): Progress[] {
  const { config, isMembershipCommitted, log, membership, memberships, nowMonotonicMs, self } = state;
  const members = new Set(peersOf(membership, self));
  if (!isMembershipCommitted) {
    for (const member of peersOf(memberships.previous.membership, self)) members.add(member);
  }
  return [...members].map((member) => {
    const peer = known.find((each) => each.member === member);
    if (peer !== undefined) return peer;
    const session = 1 + Math.floor(config.random() * SESSIONS);
    return new Progress(member, session, log.lastIndex + 1, config, nowMonotonicMs);
  });
}

/** Who is to lead after a leader that is left out: the voter that is closest behind, of several the preferred one. */
export function heirOf(peers: readonly Progress[], { config, membership }: MemberState): Progress {
  const rank = ({ match, member }: Progress): number => match + (member === config.preferredLeader ? 0.5 : 0);
  return peers
    .filter(({ member }) => membership.voters.includes(member))
    .reduce((best, peer) => (rank(peer) > rank(best) ? peer : best));
}
