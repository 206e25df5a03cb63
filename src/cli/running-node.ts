/** What the command line knows of a node. */
import type { Log } from '../log.ts';
import type { Settings } from '../settings/rows.ts';

export interface RunningNode {
  /** Its cluster is founded, and every shard has a leader that it reaches. */
  readonly ready: boolean;
  /** Hands leadership over, finishes what is under way, syncs, lets go of everything. */
  stop(): Promise<void>;
  /** `run` is called, once, when the node cannot go on: it has stopped serving, and its process must end. */
  onFatal(run: (error: Error) => void): void;
}

/**
 * Resolves once the node listens, before it is ready. Rejects with StartupError for what a person can act on. `onClaimed` is called once ports
 * and data are this process's alone: what is refused before is told by that refusal, and by no line of the log.
 */
export type LaunchNode = (settings: Settings, log: Log, onClaimed: () => void) => Promise<RunningNode>;
