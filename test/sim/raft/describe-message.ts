import type { Message } from '../../../src/raft/types.ts';

/** A message as a line of a trace. */
export function describeMessage(message: Message): string {
  const { kind, from, term } = message;
  const head = `${kind} of ${from} in term ${term}`;
  switch (message.kind) {
    case 'append':
      return `${head}, ${message.entries.length} entries after ${message.prevIndex}/${message.prevTerm}, commit ${message.commit}, round ${message.round}`;
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
