import { readFileSync, writeFileSync } from 'node:fs';

import { Command, Option } from 'commander';

import { wholeNumber } from '../../src/cli/command-options.ts';
import { chosenBy, MUTANTS } from './mutants.ts';
import { SIMULATORS, type Mutant, type Simulator } from './mutant.ts';
import { PatchedTree } from './patched-tree.ts';
import { appendResult, Results, type SimResult } from './results.ts';
import { tableOf } from './table.ts';

const RESULTS = 'test/mutants/results.jsonl';
const DOCS = 'docs/mutants.md';
const TABLE_BEGINS = '<!-- table -->';
const TABLE_ENDS = '<!-- /table -->';
const SEEDS: Readonly<Record<Simulator, number>> = {
  nodes: 60,
  raft: 3000,
  upgrade: 20,
  moves: 300,
  paxos: 3000,
};
/** Runs from different starts have no seed in common. */
const START_EVERY = 100_000;
const STARTS_MAX = 100;
/** No seed takes so long, unless it stands still. */
const LIMIT_MS: Readonly<Record<Simulator, number>> = {
  nodes: 100_000,
  raft: 2000,
  upgrade: 200_000,
  moves: 10_000,
  paxos: 2000,
};

type Simulated = Mutant & { simulated: Simulator };

interface Run {
  simulator: Simulator;
  from: number;
  seeds: number;
}

interface Options {
  starts: number;
  seeds?: number;
  results: string;
  on?: Simulator;
  again: boolean;
  docs: boolean;
}

/** What came of a mutant is kept in a file; what is there is not run again. */
function main(): void {
  const program = new Command('npm run sim:mutants --')
    .description('Breaks one rule after the other in a copy of the sources, and runs seeds until one fails.')
    .argument('[part...]', 'only mutants whose rules contain one of these')
    .option('--starts <count>', 'from so many different seeds on', wholeNumber(1, STARTS_MAX), 1)
    .option('--seeds <count>', 'at most so many from each', wholeNumber(1, START_EVERY))
    .option('--results <file>', 'where results are kept', RESULTS)
    .option('--again', 'also those with a result', false)
    .option('--docs', 'writes the table of results into docs/mutants.md, and runs nothing', false)
    .addOption(new Option('--on <simulation>', 'all mutants by this one').choices([...SIMULATORS]))
    .parse();
  const values = program.opts<Options>();
  const { starts, seeds, results: path, on, again } = values;
  const mutants = MUTANTS.flatMap((mutant): Simulated[] => {
    const simulated = on ?? mutant.simulated;
    return simulated === undefined ? [] : [{ ...mutant, simulated }];
  });
  if (values.docs) {
    writeTable(tableOf(mutants, new Results(path)));
    return;
  }
  const chosen = chosenBy(mutants, program.args);
  const before = new Results(path);
  const tree = new PatchedTree();
  try {
    for (let start = 0; start < starts; start++) {
      for (const mutant of chosen) {
        const { rule, simulated } = mutant;
        const run = {
          simulator: simulated,
          from: 1 + start * START_EVERY,
          seeds: seeds ?? SEEDS[simulated],
        };
        if (!again && before.has({ mutant: rule, ...run })) continue;
        const result = tree.with(mutant, () => simulate(tree, rule, run));
        appendResult(path, result);
        console.log(
          `${result.caughtBy ?? 'ALIVE'} after ${result.seeds} from ${run.from} (${simulated}): ${rule}`,
        );
      }
    }
  } finally {
    tree.remove();
  }
  console.log(tableOf(chosen, new Results(path)));
}

function simulate(tree: PatchedTree, mutant: string, { simulator, from, seeds }: Run): SimResult {
  const flags = simulator === 'nodes' ? ['--jobs', '1'] : [`--${simulator}`];
  const { hasFailed, isCutShort, output } = tree.node(
    [
      '--import',
      'tsx',
      'test/sim/main.ts',
      ...flags,
      '--first',
      '--from',
      String(from),
      '--seeds',
      String(seeds),
    ],
    seeds * LIMIT_MS[simulator],
  );
  const told = /^seed (\d+): (.*)$/m.exec(output);
  if (told === null) {
    if (hasFailed) console.log(isCutShort ? 'it took too long' : output.slice(-2000));
    return { mutant, simulator, from, seeds, caughtBy: hasFailed && !isCutShort ? 'process-ends' : null };
  }
  return { mutant, simulator, from, seeds: Number(told[1]) - from + 1, caughtBy: nameOf(told[2]) };
}

function writeTable(table: string): void {
  const text = readFileSync(DOCS, 'utf8');
  const [from, to] = [text.indexOf(TABLE_BEGINS) + TABLE_BEGINS.length, text.indexOf(TABLE_ENDS)];
  writeFileSync(DOCS, `${text.slice(0, from)}\n\n${table}\n\n${text.slice(to)}`);
}

/** Of an invariant; with what the product's own assertions say. */
function nameOf(failure: string): string {
  const [, name, what] = /^([a-z-]+): (.*)$/.exec(failure) ?? [failure, 'broken', failure];
  return name === 'assert' || name === 'crash' ? `${name}: ${what}` : name;
}

main();
