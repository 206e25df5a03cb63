/**
 * What clients see while nodes are killed with -9, stopped with SIGSTOP for 5 s, and restarted, in turn. TORC_E2E_FAULTS says how many faults,
 * TORC_E2E_KIND only which (`kill -9`), TORC_E2E_DURABILITY the setting.
 */
import { expect, onTestFinished, test } from 'vitest';

import { MachineWatch } from '../chaos/machine-watch.ts';
import { checkLinearizable, describeViolation } from '../linearizability/checker.ts';
import { registerModel } from '../linearizability/model.ts';
import { ioredisClient, redisCliClient } from './clients/libraries.ts';
import { placeClients, type Placed } from './clients/placed.ts';
import { quantile, Recorder } from './clients/recorder.ts';
import { surveyWritten } from './clients/survey.ts';
import { Worker } from './clients/workload.ts';
import { compareDigests } from './cluster/digests.ts';
import { pause, TorcCluster } from './cluster/torc-cluster.ts';
import type { TorcNode } from './cluster/torc-node.ts';

const NODES = 3;
const FAULTS = Number(process.env['TORC_E2E_FAULTS'] ?? 10);
const DURABILITY = process.env['TORC_E2E_DURABILITY'] ?? 'fsync';
const DOWN_MS = 1000;
const STOPPED_MS = 5000;
const PACE_MS = 4;
const CLI_PACE_MS = 150;
const MAX_GAP_MS = 1000;
const MAX_FAILOVER_MS = 2000;
/** Where the machine itself stands still for so long, gaps are not those of a fault alone: such a round is run again, so many times in all. */
const STOOD_STILL_MS = 300;
const REPEATS_MOST = 4;

const ALL_KINDS = ['kill -9', 'SIGSTOP', 'restart'] as const;
type Kind = (typeof ALL_KINDS)[number];
const ONLY = process.env['TORC_E2E_KIND'];
const KINDS = ALL_KINDS.filter((kind) => ONLY === undefined || kind === ONLY);

interface Round {
  round: number;
  kind: Kind;
  victim: number;
  fromMs: number;
  toMs: number;
  /** What clients waited counts. */
  isTimed: boolean;
}

async function placeAll(cluster: TorcCluster, recorder: Recorder): Promise<Placed[]> {
  const placed = await placeClients(cluster.nodes, recorder, { pauseMs: PACE_MS });
  for (const [at, { ports }] of cluster.nodes.entries()) {
    const client = redisCliClient(`redis-cli-${at}`, ports.client);
    placed.push({ worker: new Worker(client, recorder, CLI_PACE_MS), node: at });
  }
  return placed;
}

async function strike(kind: Kind, victim: TorcNode): Promise<void> {
  if (kind === 'SIGSTOP') {
    victim.pause();
    await pause(STOPPED_MS);
    victim.resume();
    return;
  }
  if (kind === 'kill -9') await victim.kill();
  else await victim.stop();
  await pause(DOWN_MS);
  victim.start();
}

async function runRounds(
  cluster: TorcCluster,
  placed: readonly Placed[],
  machine: MachineWatch,
): Promise<Round[]> {
  const rounds: Round[] = [];
  for (let timed = 0; timed < FAULTS;) {
    const round = rounds.length;
    await cluster.settle();
    const kind = KINDS[timed % KINDS.length];
    const victim = (timed + Math.floor(timed / KINDS.length)) % NODES;
    await Promise.all(placed.map(({ worker }) => worker.beginRound(round)));
    machine.takeLongestMs();
    const fromMs = performance.now();
    await strike(kind, cluster.nodes[victim]);
    await cluster.settle();
    const { stalledMs, diskStalledMs } = machine.takeLongestMs();
    const stoodStillMs = Math.max(stalledMs, diskStalledMs);
    const isTimed = stoodStillMs < STOOD_STILL_MS || round - timed >= REPEATS_MOST;
    if (isTimed) timed += 1;
    else
      console.log(
        `round ${round}, ${kind}: the machine stood still for ${stoodStillMs.toFixed()} ms: once more`,
      );
    rounds.push({ round, kind, victim, fromMs, toMs: performance.now(), isTimed });
  }
  return rounds;
}

test(
  'writes and counters while nodes fail in turn',
  async () => {
    const cluster = await TorcCluster.forTest({ nodes: NODES, settings: ['--durability', DURABILITY] });
    const recorder = new Recorder();
    const placed = await placeAll(cluster, recorder);
    const stopAll = async (): Promise<void> => {
      await Promise.all(placed.map(({ worker }) => worker.stop()));
    };
    onTestFinished(stopAll);
    const machine = await MachineWatch.begin(cluster.directory);
    const rounds = await runRounds(cluster, placed, machine);
    await machine.stop();
    await stopAll();

    reportFailures(recorder, placed, rounds);
    checkSurvivors(recorder, placed, rounds);
    checkFailover(recorder, placed, rounds);
    await checkFinal(cluster, recorder, placed);
    checkHistory(recorder);
    const shards = await compareDigests(cluster);
    expect(shards.map(({ replicas }) => replicas)).toEqual([3, 3, 3]);
    for (const { index } of shards) expect(index).toBeGreaterThan(0);
  },
  60_000 + (FAULTS + REPEATS_MOST) * 25_000,
);

/** The victim's clients see more; all others nothing. */
function isSurvivor({ node }: Placed, { victim }: Round): boolean {
  return node !== null && node !== victim;
}

function reportFailures(recorder: Recorder, placed: readonly Placed[], rounds: readonly Round[]): void {
  const seen = new Map<string, number>();
  let indeterminateOfSurvivors = 0;
  let indeterminate = 0;
  for (const { client, atMs, failure } of recorder.failures) {
    const what = `${client.replace(/-\d+$/, '')}: ${failure.kind}: ${failure.text.slice(0, 70)}`;
    seen.set(what, (seen.get(what) ?? 0) + 1);
    if (failure.kind !== 'unknown' || !failure.isIndeterminate) continue;
    indeterminate += 1;
    const round = rounds.find(({ fromMs, toMs }) => atMs >= fromMs && atMs <= toMs);
    const owner = placed.find(({ worker }) => worker.client.name === client);
    if (round !== undefined && owner !== undefined && isSurvivor(owner, round)) indeterminateOfSurvivors += 1;
  }
  console.log(
    [
      `INDETERMINATE: ${indeterminateOfSurvivors} at clients of survivors, ${indeterminate} in all`,
      ...[...seen].map(([what, count]) => `${count} x ${what}`),
    ].join('\n'),
  );
}

/** No error, no unknown outcome, no wait of a second. */
function checkSurvivors(recorder: Recorder, placed: readonly Placed[], rounds: readonly Round[]): void {
  for (const round of rounds) {
    const names = new Set(
      placed.filter((one) => isSurvivor(one, round)).map(({ worker }) => worker.client.name),
    );
    const failed = recorder.failures.filter(
      ({ client, atMs }) => names.has(client) && atMs >= round.fromMs && atMs <= round.toMs,
    );
    expect(failed, `clients of survivors, ${round.kind} of node-${round.victim}`).toEqual([]);
  }
  for (const kind of KINDS) {
    const gaps: { client: string; round: number; gapMs: number }[] = [];
    for (const round of rounds.filter((one) => one.isTimed && one.kind === kind)) {
      for (const one of placed.filter((other) => isSurvivor(other, round))) {
        const client = one.worker.client.name;
        if (client.startsWith('redis-cli')) continue;
        const gapMs = recorder.longestGapMs(client, round.fromMs, round.toMs);
        gaps.push({ client, round: round.round, gapMs });
      }
    }
    console.log(`longest gap of clients of survivors, ${kind}: ${describe(gaps.map(({ gapMs }) => gapMs))}`);
    expect(gaps.filter(({ gapMs }) => gapMs >= MAX_GAP_MS)).toEqual([]);
  }
}

/** After a kill, clients that can go elsewhere are served there. */
function checkFailover(recorder: Recorder, placed: readonly Placed[], rounds: readonly Round[]): void {
  const gaps: { client: string; round: number; gapMs: number }[] = [];
  for (const { kind, round, fromMs, toMs, isTimed } of rounds) {
    if (kind !== 'kill -9' || !isTimed) continue;
    for (const { worker, node } of placed) {
      const client = worker.client.name;
      if (node === null) gaps.push({ client, round, gapMs: recorder.longestGapMs(client, fromMs, toMs) });
    }
  }
  const gapsMs = gaps.map(({ gapMs }) => gapMs);
  console.log(`longest gap of clients that go elsewhere, kill -9: ${describe(gapsMs)}`);
  expect(gaps.length).toBeGreaterThan(0);
  if (quantile(gapsMs, 0.99) >= MAX_FAILOVER_MS) throw new Error(`too long: ${JSON.stringify(gaps)}`);
}

async function checkFinal(
  cluster: TorcCluster,
  recorder: Recorder,
  placed: readonly Placed[],
): Promise<void> {
  const reader = await ioredisClient('reader', cluster.nodes[0].ports.client);
  onTestFinished(() => reader.close());
  const workers = placed.map(({ worker }) => worker);
  const { values, increments, tokens, lost, repeated } = await surveyWritten(recorder, reader, workers);
  expect({ lost, repeated }).toEqual({ lost: [], repeated: [] });
  console.log(
    `${values} unique values, ${increments} increments and ${tokens} appended tokens acknowledged, all there`,
  );
  expect(values).toBeGreaterThan(100);
  expect(increments).toBeGreaterThan(100);
  expect(tokens).toBeGreaterThan(100);
}

function checkHistory(recorder: Recorder): void {
  const verdict = checkLinearizable(recorder.operations, registerModel);
  if (verdict.verdict === 'violation') throw new Error(describeViolation(verdict));
  console.log(`linearizability: ${JSON.stringify(verdict)}`);
  expect(verdict.verdict).toBe('ok');
  if (verdict.verdict !== 'ok') return;
  expect(verdict.answered).toBeGreaterThan(1000);
  expect(verdict.keys).toBeGreaterThan(100);
}

function describe(gapsMs: readonly number[]): string {
  const [p50, p99, max] = [0.5, 0.99, 1].map((share) => quantile(gapsMs, share).toFixed(0));
  return `p50 ${p50} ms, p99 ${p99} ms, max ${max} ms (${gapsMs.length} samples)`;
}
