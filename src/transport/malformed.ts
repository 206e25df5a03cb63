import { TorcError } from '../errors.ts';

/** Thrown by whoever reads a section that does not hold what its kind says. The connection that brought it is closed. */
export class MalformedSectionError extends TorcError {
  constructor(problem: string) {
    super('TORC_MALFORMED_SECTION', problem);
  }
}
