import { DiskError, HOW_TO_REBUILD, StartupError, TorcError } from '../errors.ts';

/** What was synced cannot be read: the node may have promised what it no longer knows. */
export class DamagedError extends StartupError {
  constructor(path: string, offset: number, what: string) {
    super('TORC_DATA_DAMAGED', `${path} is damaged at offset ${offset}: ${what}; ${HOW_TO_REBUILD}`);
  }
}

/** In `buffered`, what was acknowledged may be gone since the system stopped before it was synced. */
export class UncleanStopError extends StartupError {
  constructor(directory: string, cause: string) {
    super(
      'TORC_UNCLEAN_STOP',
      `${directory} was last written with durability=buffered and ${cause}; ${HOW_TO_REBUILD}`,
    );
  }
}

/** What was voted for and acknowledged here is not known any more: its node must not be taken for its old self. */
export class LogLostError extends StartupError {
  constructor(directory: string) {
    super(
      'TORC_LOG_LOST',
      `${directory} has no log, but this node has written one there: bring it back; without it ${HOW_TO_REBUILD}`,
    );
  }
}

export class NewerFormatError extends StartupError {
  constructor(path: string, format: number, known: number) {
    super(
      'TORC_DATA_FORMAT',
      `${path} has format ${format}, and this version of Torc knows up to ${known}: start the version that wrote it`,
    );
  }
}

/** A copy has its lock, too: the process that this names may use the other one. */
export class DirectoryInUseError extends StartupError {
  constructor(directory: string) {
    super(
      'TORC_DATA_IN_USE',
      `${directory} is in use by a process that runs, or a copy of a directory that is: stop that process, or give this one a directory of its own`,
    );
  }
}

export function startupErrorOf(directory: string, error: unknown): TorcError {
  if (error instanceof TorcError) return error;
  return new StartupError('TORC_DISK', `cannot open the log in ${directory}: ${messageOf(error)}`, {
    cause: error,
  });
}

export function diskErrorOf(what: string, error: unknown): DiskError {
  return new DiskError(`${what}: ${messageOf(error)}`, { cause: error });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
