/** What the simulators said of mutants: a line of JSON for each run, so that a table can be put together from several. */
import { appendFileSync, existsSync, readFileSync } from 'node:fs';

import type { Simulator } from './mutant.ts';

export interface SimResult {
  /** Its rule. */
  mutant: string;
  simulator: Simulator;
  /** The first seed. */
  from: number;
  /** That were run: the last of them failed, if any did. */
  seeds: number;
  /** What was found not to hold; null: nothing. */
  caughtBy: string | null;
}

export function appendResult(path: string, result: SimResult): void {
  appendFileSync(path, `${JSON.stringify(result)}\n`);
}

/** Of each mutant, simulator and first seed the last one. */
export class Results {
  private readonly all = new Map<string, SimResult>();

  constructor(path: string) {
    if (!existsSync(path)) return;
    for (const line of readFileSync(path, 'utf8').split('\n')) {
      if (line === '') continue;
      const result = JSON.parse(line) as SimResult;
      this.all.set(keyOf(result), result);
    }
  }

  /** Nothing new would come of another run. */
  has(result: Pick<SimResult, 'mutant' | 'simulator' | 'from' | 'seeds'>): boolean {
    const known = this.all.get(keyOf(result));
    return known !== undefined && (known.caughtBy !== null || known.seeds >= result.seeds);
  }

  of(mutant: string, simulator: Simulator): SimResult[] {
    return [...this.all.values()].filter(
      (result) => result.mutant === mutant && result.simulator === simulator,
    );
  }
}

function keyOf({ mutant, simulator, from }: Pick<SimResult, 'mutant' | 'simulator' | 'from'>): string {
  return `${simulator} ${from} ${mutant}`;
}
