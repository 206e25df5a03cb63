import type { Entry } from '../../../src/raft/entry.ts';
import { EntryKind } from '../../../src/raft/entry.ts';
import { decodeMembership } from '../../../src/raft/membership.ts';
import type { Membership, Message } from '../../../src/raft/types.ts';

/** A message as a line of a trace. */
export function describeMessage(message: Message): string {
  const { kind, from, term } = message;
  const head = `${kind} of ${from} in term ${term}`;
  switch (message.kind) {
    case 'append':
      return `${head}, ${message.entries.length} entries after ${message.prevIndex}/${message.prevTerm}, commit ${message.commit}, round ${message.round}${memberships(message.entries)}`;
    case 'append-response':
      return `${head}, ${message.accepted ? 'accepted' : 'refused'} ${message.index}, round ${message.round}`;
    case 'heartbeat':
    case 'heartbeat-response':
      return `${head}, round ${message.round}`;
    case 'vote':
      return `${head}${message.pre ? ', pre' : ''}${message.transfer ? ', transfer' : ''}, last ${message.lastIndex}/${message.lastTerm}`;
    case 'vote-response':
      return `${head}${message.pre ? ', pre' : ''}, ${message.granted ? 'granted' : 'refused'}`;
    case 'snapshot':
      return `${head}, ${message.snapshot.index} from ${message.offset} of ${message.totalBytes}`;
    case 'snapshot-response':
      return `${head}, next ${message.nextOffset}${message.installed ? ', installed' : ''}`;
    case 'timeout-now':
      return `${head}, last ${message.lastIndex}/${message.lastTerm}`;
    default:
      return head;
  }
}

export function describeMembership({ voters, votersOld, learners }: Membership): string {
  if (voters.length === 0) return 'nobody';
  const old = votersOld.length > 0 ? ` jointly with ${votersOld.join(' ')}` : '';
  return `voters ${voters.join(' ')}${old}${learners.length > 0 ? `, learners ${learners.join(' ')}` : ''}`;
}

function memberships(entries: readonly Entry[]): string {
  return entries
    .filter(({ kind }) => kind === EntryKind.MEMBERSHIP)
    .map((entry) => `; ${entry.index}: ${describeMembership(decodeMembership(entry))}`)
    .join('');
}
