import { TorcError } from '../errors.ts';

/** Bytes that are no message of gossip. */
export class MalformedGossipError extends TorcError {
  constructor(problem: string) {
    super('TORC_MALFORMED_GOSSIP', problem);
  }
}
