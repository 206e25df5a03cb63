/** A process of a campaign: runs the seeds that it is sent, one after the other, and tells what each was like. */
import type { Fault, Situation } from './counters.ts';
import { runSeed } from './run.ts';

/** What is told of a seed. */
export interface Told {
  seed: number;
  nodes: number;
  /** Null: all held. */
  failure: string | null;
  virtualMs: number;
  commands: number;
  answered: number;
  lines: number;
  digest: string;
  faults: [Fault, number][];
  situations: [Situation, number][];
  /** Of this process so far, all its threads: from its start on. */
  cpuMs: number;
  residentBytes: number;
}

async function told(seed: number): Promise<Told> {
  const { failure, plan, virtualMs, commands, answered, lines, digest, counters } = await runSeed(seed);
  const { user, system } = process.cpuUsage();
  return {
    seed,
    nodes: plan.nodes,
    failure,
    virtualMs,
    commands,
    answered,
    lines,
    digest,
    faults: [...counters.faults],
    situations: [...counters.situations],
    cpuMs: (user + system) / 1000,
    residentBytes: process.memoryUsage.rss(),
  };
}

process.on('message', (seed: number) => {
  told(seed).then(
    (result) => process.send?.(result),
    (error: unknown) => {
      console.error(error);
      process.exit(1);
    },
  );
});
process.on('disconnect', () => process.exit());
