/** What the parts of the register say to each other. The value is opaque: only whoever runs it knows what is decided. */

/** A node that may vote. */
export type AcceptorId = string;

/** Which decision: one instance for each epoch. A higher generation is newer, whatever the numbers. */
export interface InstanceId {
  generation: number;
  epoch: number;
}

/** Ordered by round, then start, then node. The start number is synced before anything is proposed under it: so no ballot is used twice. */
export interface Ballot {
  round: number;
  start: number;
  node: AcceptorId;
}

export interface Accepted<V> {
  ballot: Ballot;
  value: V;
}

export interface Decided<V> {
  instance: InstanceId;
  value: V;
}

/** What was promised and accepted in one instance. */
export interface Vote<V> {
  instance: InstanceId;
  promised: Ballot;
  accepted: Accepted<V> | null;
}

/** What an acceptor must not forget. */
export interface AcceptorState<V> {
  /** As a voter, in the newest instance that it was asked about. Older ones are decided. */
  vote: Vote<V> | null;
  /** As a survivor, apart from that: should the recovery come to nothing, what it had voted before counts again. */
  recovery: Vote<V> | null;
  /** The generation of the newest recovery that it has accepted; 0: of none. */
  boundTo: number;
  /** It never votes for a recovery of this generation, or a lower one; 0: of none. */
  barred: number;
}

/** Phase 1 and 2 of the Synod, and what helps whoever is behind. */
export type PaxosMessage<V> =
  /** `recovers`: an operator has given the majority of the voters up; those that are asked are all that is left. */
  | { kind: 'prepare'; instance: InstanceId; ballot: Ballot; recovers?: boolean | undefined }
  | { kind: 'promise'; instance: InstanceId; ballot: Ballot; accepted: Accepted<V> | null }
  | { kind: 'accept'; instance: InstanceId; ballot: Ballot; value: V; recovers?: boolean | undefined }
  | { kind: 'accepted'; instance: InstanceId; ballot: Ballot }
  /** A higher ballot was promised. */
  | { kind: 'refused'; instance: InstanceId; ballot: Ballot; promised: Ballot }
  /** The sender does not know yet what came before that instance. */
  | { kind: 'behind'; newest: InstanceId }
  /**
   * The sender has voted for a recovery under this generation, and votes for nothing older. Never: nor has it accepted one under that of the
   * instance, nor will it.
   */
  | { kind: 'bound'; instance: InstanceId; generation: number; never: boolean }
  /** The newest that the sender knows decided. */
  | { kind: 'decided'; instance: InstanceId; value: V };

export interface Envelope<V> {
  to: AcceptorId;
  message: PaxosMessage<V>;
}

export type PaxosEffect<V> =
  | ({ kind: 'send' } & Envelope<V>)
  /** Sync this, then call `written`. None else is asked for meanwhile. */
  | { kind: 'write'; state: AcceptorState<V> }
  /** Sync this, then call `learned`. */
  | { kind: 'learn'; decided: Decided<V> }
  /** What was proposed has come to its end. */
  | { kind: 'settled'; outcome: ProposalOutcome };

/** Passed: newer epochs are known, but not what this one's was. Outbid: a survivor is bound to a higher generation than that of the recovery. */
export type ProposalOutcome = 'won' | 'lost' | 'passed' | 'outbid';

export interface PaxosCounts {
  /** Ballots begun. */
  rounds: number;
  /** Ballots given up, since another proposer had a higher one. */
  conflicts: number;
}
