import type {
  AppendRequest,
  AppendResponse,
  Heartbeat,
  HeartbeatResponse,
  Message,
  VoteRequest,
  VoteResponse,
} from '../../src/raft/types.ts';
import type { Rig } from './rig.ts';

/** Messages by hand: what a test does not name is harmless. */
const ENVELOPE = { group: 1, from: 2, to: 1, term: 1 };

export function append(fields: Partial<AppendRequest>): AppendRequest {
  return {
    kind: 'append',
    ...ENVELOPE,
    session: 9,
    round: 1,
    timeMs: 0,
    prevIndex: 0,
    prevTerm: 0,
    commit: 0,
    entries: [],
    ...fields,
  };
}

export function heartbeat(fields: Partial<Heartbeat>): Heartbeat {
  return { kind: 'heartbeat', ...ENVELOPE, session: 9, round: 1, timeMs: 0, commit: 0, ...fields };
}

export function vote(fields: Partial<VoteRequest>): VoteRequest {
  return {
    kind: 'vote',
    ...ENVELOPE,
    pre: false,
    lastIndex: 0,
    lastTerm: 0,
    transfer: false,
    ...fields,
  };
}

export function voteResponse(fields: Partial<VoteResponse>): VoteResponse {
  return {
    kind: 'vote-response',
    ...ENVELOPE,
    pre: false,
    granted: true,
    timeSeenMs: 0,
    wallMs: 0,
    ...fields,
  };
}

/** The answers of a follower that agrees with all that it was sent. */
export function agree(rig: Rig, from: number, sent: readonly Message[]): void {
  for (const message of sent) if (message.to === from) answer(rig, message);
}

function answer(rig: Rig, message: Message): void {
  const envelope = { group: 1, from: message.to, to: message.from, term: message.term };
  if (message.kind === 'vote') {
    rig.step({
      kind: 'vote-response',
      ...envelope,
      pre: message.pre,
      granted: true,
      timeSeenMs: 0,
      wallMs: 0,
    });
  } else if (message.kind === 'append') {
    rig.step(accepted(message));
  } else if (message.kind === 'heartbeat') {
    const { session, round } = message;
    rig.step({ kind: 'heartbeat-response', ...envelope, session, round, promiseMs: 400 });
  }
}

export function accepted(request: AppendRequest): AppendResponse {
  return {
    kind: 'append-response',
    group: 1,
    from: request.to,
    to: request.from,
    term: request.term,
    session: request.session,
    round: request.round,
    promiseMs: 400,
    accepted: true,
    index: request.prevIndex + request.entries.length,
    hintIndex: 0,
    hintTerm: 0,
  };
}

export function heard(request: Heartbeat, fields: Partial<HeartbeatResponse> = {}): HeartbeatResponse {
  const { session, round, term, to, from } = request;
  return {
    kind: 'heartbeat-response',
    group: 1,
    from: to,
    to: from,
    term,
    session,
    round,
    promiseMs: 400,
    ...fields,
  };
}

export function ofKind<K extends Message['kind']>(
  sent: readonly Message[],
  kind: K,
): Extract<Message, { kind: K }>[] {
  return sent.filter((message): message is Extract<Message, { kind: K }> => message.kind === kind);
}
