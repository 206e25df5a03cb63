/** `npm run bench`: Torc and every peer found on this machine, side by side on the same work, in alternating runs. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join } from 'node:path';

import { Command } from 'commander';

import {
  buildGenerator,
  fill,
  load,
  OUT_DIRECTORY,
  scenarioName,
  type Entrance,
  type Generator,
  type LoadSize,
  type Scenario,
  type Workload,
} from './load.ts';
import { isInstalled, killAll, startOrStop } from './processes.ts';
import { goalLine, goalOutcomes, mediansOf, scenarioTable, type Measured } from './report.ts';
import { PEERS, torc, type Running, type Target } from './targets.ts';

const TORC_COMMAND = 'node dist/torc.js dev --nodes 3 --port {port} --data {data} --durability {durability}';

interface Options {
  rounds: string;
  seconds: string;
  warmup: string;
  keys: string;
  valueBytes: string;
  connections: string;
  workloads: string;
  generators: string;
  only: string;
  torcCommand: string;
  torc: boolean;
}

const program = new Command('bench')
  .description('Measures Torc beside the peers found on this machine.')
  .option('--rounds <n>', 'runs of each target and scenario, alternating; the median counts', '5')
  .option('--seconds <s>', 'length of a run', '3')
  .option('--warmup <s>', 'before each run, not counted', '0.5')
  .option('--keys <n>', 'number of keys', '100000')
  .option('--value-bytes <n>', 'length of values', '100')
  .option('--connections <list>', 'numbers of connections', '1,50,200')
  .option('--workloads <list>', 'of get, set, mixed (1 set in 10)', 'set,get,mixed')
  .option('--generators <list>', 'of native, ioredis, node-redis', 'native,ioredis,node-redis')
  .option('--only <list>', 'targets whose names begin with one of these', '')
  .option('--torc-command <line>', 'how to start Torc', TORC_COMMAND)
  .option('--no-torc', 'measure the peers alone')
  .parse();

const PIPELINE_CONNECTIONS = 50;
const PIPELINE = 16;
/** Commands under way in one client of a library. */
const LIBRARY_CONNECTIONS = 50;

/** A target in service, by one of its ways in. */
interface Contestant {
  name: string;
  target: Target;
  entrance: Entrance;
}

function list(text: string): string[] {
  return text.split(',').filter((word) => word !== '');
}

function scenariosOf(options: Options): Scenario[] {
  const scenarios: Scenario[] = [];
  const generators = list(options.generators) as Generator[];
  for (const workload of list(options.workloads) as Workload[]) {
    for (const generator of generators) {
      if (generator !== 'native') {
        scenarios.push({ workload, connections: LIBRARY_CONNECTIONS, pipeline: 1, generator });
        continue;
      }
      for (const connections of list(options.connections).map(Number)) {
        scenarios.push({ workload, connections, pipeline: 1, generator });
      }
      scenarios.push({ workload, connections: PIPELINE_CONNECTIONS, pipeline: PIPELINE, generator });
    }
  }
  return scenarios;
}

function chooseTargets(options: Options): Target[] {
  const own = options.torc ? [torc('buffered', options.torcCommand), torc('fsync', options.torcCommand)] : [];
  const prefixes = list(options.only);
  const wanted = [...PEERS, ...own].filter(
    ({ name }) => prefixes.length === 0 || prefixes.some((prefix) => name.startsWith(prefix)),
  );
  return wanted.filter((target) => {
    const missing = target.needs.filter((need) => !isInstalled(need));
    if (missing.length > 0)
      console.log(`${target.name} is left out: no ${missing.join(', ')} (${target.install})`);
    return missing.length === 0;
  });
}

/** All targets serve at once and idle while another one is loaded. One that does not start is left out, and said so. */
async function startTargets(
  targets: readonly Target[],
  running: Running[],
  size: LoadSize,
): Promise<Contestant[]> {
  const contestants: Contestant[] = [];
  for (const target of targets) {
    try {
      const data = await mkdtemp(join(directory, `${target.name.replaceAll(/\W+/g, '-')}-`));
      const started = await startOrStop(() => target.start(data));
      running.push(started);
      await fill(started.entrances[0].entrance, size);
      for (const { suffix, entrance } of started.entrances) {
        contestants.push({ name: `${target.name}${suffix}`, target, entrance });
      }
    } catch (error) {
      console.log(`${target.name} is left out: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  return contestants;
}

async function measure(
  contestants: readonly Contestant[],
  scenario: Scenario,
  rounds: number,
  size: LoadSize,
): Promise<Measured[]> {
  const taking = contestants.filter(({ target }) => target.serves(scenario));
  const measured = taking.map(({ name }): Measured => ({ target: name, scenario, runs: [] }));
  for (let round = 0; round < rounds; round++) {
    for (const [at, { entrance, name }] of taking.entries()) {
      try {
        measured[at].runs.push(await load(entrance, scenario, size));
      } catch (error) {
        console.log(
          `${name}, ${scenarioName(scenario)}: ${error instanceof Error ? error.message : String(error)}`,
        );
      }
    }
  }
  return measured.filter(({ runs }) => runs.length > 0);
}

async function writeJson(options: Options, measured: readonly Measured[]): Promise<string> {
  const file = join(OUT_DIRECTORY, `bench-${new Date().toISOString().replaceAll(/[:.]/g, '-')}.json`);
  const machine = { cpu: cpus()[0]?.model, cores: availableParallelism(), node: process.version };
  const results = measured.map((one) => ({ ...one, medians: mediansOf(one.runs) }));
  await writeFile(
    file,
    `${JSON.stringify({ machine, options, results, goals: goalOutcomes(measured) }, null, 2)}\n`,
  );
  return file;
}

async function main(): Promise<void> {
  const options = program.opts<Options>();
  const size: LoadSize = {
    keys: Number(options.keys),
    valueBytes: Number(options.valueBytes),
    seconds: Number(options.seconds),
    warmupSeconds: Number(options.warmup),
  };
  buildGenerator();
  const running: Running[] = [];
  const measured: Measured[] = [];
  try {
    const contestants = await startTargets(chooseTargets(options), running, size);
    for (const scenario of scenariosOf(options)) {
      const results = await measure(contestants, scenario, Number(options.rounds), size);
      if (results.length === 0) continue;
      measured.push(...results);
      console.log(`\n${scenarioTable(scenario, measured)}`);
    }
    console.log('\nclient: CPU of the load generator, of one core; ! means that it may have been the limit');
    const outcomes = goalOutcomes(measured);
    if (outcomes.length > 0) console.log(`\nGoals\n${outcomes.map(goalLine).join('\n')}`);
    console.log(`\nWritten to ${await writeJson(options, measured)}`);
  } finally {
    await Promise.all(running.map((one) => one.stop()));
  }
}

/** Data and logs of the servers, for as long as the benchmark runs. */
const directory = mkdtempSync(join(tmpdir(), 'torc-bench-'));
process.on('exit', () => {
  killAll();
  rmSync(directory, { recursive: true, force: true });
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1));
await main();
const { torc: withTorc, only } = program.opts<Options>();
if (withTorc && only === '') {
  // A process of its own: its servers start fresh, and nothing else runs.
  const script = join(import.meta.dirname, 'five-million.ts');
  spawnSync(process.execPath, [...process.execArgv, script], { stdio: 'inherit' });
}
