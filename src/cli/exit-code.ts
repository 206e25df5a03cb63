/** How processes of Torc end. A second signal ends them with 128 and its number, as shells have it. */
import { constants } from 'node:os';

export const ExitCode = {
  OK: 0,
  /** A refusal that a person can act on: one line was printed, nothing was changed. */
  REFUSED: 1,
  /** The node could not go on: a failing disk, a broken invariant. */
  FAILED: 2,
  /** `torc verify`: the replicas differ. */
  DIFFERENT: 1,
  /** `torc verify`: what was compared is equal, and something could not be. */
  NOT_COMPARED: 3,
} as const;

export function exitCodeOf(signal: NodeJS.Signals): number {
  return 128 + constants.signals[signal];
}
