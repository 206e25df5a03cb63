/**
 * What is known about a write when an error is reported.
 * - `not-run`: it was never proposed, or refused: safe to send again.
 * - `unknown`: it may have run. Never reported with an error that clients retry.
 */
export type Outcome = 'not-run' | 'unknown';

/** The base of every error of Torc. `code` is stable and documented in the README. */
export class TorcError extends Error {
  readonly code: string;
  readonly outcome: Outcome;

  constructor(code: string, message: string, outcome: Outcome = 'not-run', options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
    this.outcome = outcome;
  }
}

/** A broken invariant: a bug in Torc or corrupted memory. The node stops. */
export class InvariantError extends TorcError {
  constructor(message: string) {
    super('TORC_INVARIANT', message, 'unknown');
  }
}

/** What to do about a node whose directory cannot be believed any more. */
export const HOW_TO_REBUILD =
  "rebuild this node from the others with torc repair --discard-replica and this node's settings; the other nodes serve on";

/** A refusal to start that a person can act on: printed as one line, exit code 1. */
export class StartupError extends TorcError {
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(code, message, 'not-run', options);
  }
}

/** The code of a refusal after which the same directory may be started from at once: its node then enters its cluster empty. */
export const REPLACED = 'TORC_REPLACED';

/** What a newer version made, and this build must not take for something else: the cluster version was raised above what it runs. */
export class NewerVersionError extends StartupError {
  constructor(what: string, version: number, newest: number) {
    super(
      'TORC_CLUSTER_VERSION',
      `${what} is of cluster version ${version}, and this build runs up to cluster version ${newest}: ` +
        'the cluster version was raised; start the newer build',
    );
  }
}

/** A write or sync that failed. The node stops, since it cannot know what reached the disk. */
export class DiskError extends TorcError {
  constructor(message: string, options?: ErrorOptions) {
    super('TORC_DISK', message, 'unknown', options);
  }
}
