export interface Patch {
  file: string;
  /** Stands in the file exactly once. */
  find: string;
  put: string;
}

/** A rule taken away from the sources on purpose, and what has to notice it. */
export interface Mutant extends Patch {
  /** The rule that is broken, and where it comes from: correctness.md 1.2 as #n, histories.md as history n. */
  rule: string;
  /** Where the rule stands twice, so that each does without the other, it is taken away in both places. */
  more?: readonly Patch[];
  /** The simulation of members finds it within so many seeds from 1 on. */
  seeds?: number;
  /** Test files of which one fails. */
  tests?: readonly string[];
  /** Which simulation finds it, from whatever seed on (`npm run sim:mutants`): of members of a group alone where whole nodes need too many seeds. */
  simulated?: Simulator;
}

/** `upgrade`: whole nodes of two builds. `moves`: slots that move between the logs of groups. `paxos`: the register. */
export const SIMULATORS = ['nodes', 'raft', 'upgrade', 'moves', 'paxos'] as const;
export type Simulator = (typeof SIMULATORS)[number];
