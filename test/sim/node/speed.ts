/** How fast whole nodes are simulated: three of them under load, with faults, seed after seed. `tsx test/sim/node/speed.ts --seeds N --skip M`. */
import { parseArgs } from 'node:util';

import { SeededRandom } from '../../../src/env/sim/random.ts';
import { checkLinearizable } from '../../linearizability/checker.ts';
import type { Operation } from '../../linearizability/history.ts';
import { SimCluster, type SimClient } from './cluster.ts';
import { REGISTERS, type Planned } from './workloads.ts';

const NODES = 3;
const CLIENTS = 6;
const SIMULATED_MS = 60_000;
const TICK_MS = 40;
const FAULT_EVERY_MS = 10_000;

interface Figures {
  startMs: number;
  runMs: number;
  restartMs: number;
  checkMs: number;
  commands: number;
  answered: number;
  simulatedMs: number;
}

interface Client {
  client: SimClient;
  sent: { plan: Planned; operation: Operation }[];
  seen: number;
}

async function runSeed(seed: number): Promise<Figures> {
  const began = performance.now();
  const random = new SeededRandom(seed * 7919);
  const cluster = new SimCluster(seed, NODES);
  await cluster.startAll();
  const started = performance.now();
  const clients: Client[] = Array.from({ length: CLIENTS }, (_, i) => ({
    client: cluster.client(i % NODES),
    sent: [],
    seen: 0,
  }));
  const history: Operation[] = [];
  let unique = 0;
  let epoch = 0;
  let restartMs = 0;
  const endMs = cluster.scheduler.nowMs + SIMULATED_MS;
  let faultMs = cluster.scheduler.nowMs + FAULT_EVERY_MS / 2;
  let undo: { atMs: number; run: () => void | Promise<void> } | null = null;
  while (cluster.scheduler.nowMs < endMs) {
    await cluster.pass(TICK_MS);
    const nowMs = cluster.scheduler.nowMs;
    if (undo !== null && nowMs >= undo.atMs) {
      const from = performance.now();
      await undo.run();
      restartMs += performance.now() - from;
      undo = null;
    } else if (undo === null && nowMs >= faultMs) {
      faultMs += FAULT_EVERY_MS;
      const victim = random.below(NODES);
      if (random.below(2) === 0) {
        cluster.crash(victim, (['kill', 'lost', 'torn'] as const)[random.below(3)]);
        undo = { atMs: nowMs + 1500, run: () => cluster.start(victim) };
      } else {
        cluster.pause(victim);
        undo = { atMs: nowMs + 1500, run: () => cluster.resume(victim) };
      }
    }
    epoch += 1;
    for (const [number, one] of clients.entries()) {
      if (random.below(4) !== 0) continue;
      collect(one);
      if (one.client.isClosed || !one.client.isOpen) {
        one.client = cluster.client(number % NODES);
        one.sent = [];
        one.seen = 0;
        if (!one.client.isOpen) continue;
      }
      if (one.sent.length - one.seen > 4) continue;
      const plan = REGISTERS.plan(random, epoch >> 3, ++unique);
      const operation: Operation = {
        client: number,
        key: plan.key,
        command: plan.command,
        args: plan.args,
        callMs: nowMs,
        outcome: { kind: 'unknown' },
      };
      one.sent.push({ plan, operation });
      history.push(operation);
      one.client.send(plan.words);
    }
  }
  await cluster.pass(5000);
  for (const one of clients) collect(one);
  const ran = performance.now();
  const verdict = checkLinearizable(history, REGISTERS.model);
  if (verdict.verdict !== 'ok') throw new Error(JSON.stringify(verdict));
  const checked = performance.now();
  return {
    startMs: started - began,
    runMs: ran - started - restartMs,
    restartMs,
    checkMs: checked - ran,
    commands: history.length,
    answered: history.filter(({ outcome }) => outcome.kind === 'answered').length,
    simulatedMs: cluster.scheduler.nowMs,
  };
}

function collect(one: Client): void {
  const { replies, times } = one.client;
  for (; one.seen < replies.length; one.seen++) {
    const { plan, operation } = one.sent[one.seen];
    const reply = replies[one.seen];
    operation.outcome = /^-(INDETERMINATE|REPLYLOST)/.test(reply)
      ? { kind: 'unknown' }
      : /^-(CLUSTERDOWN|LOADING|OOM) /.test(reply)
        ? { kind: 'not-run' }
        : { kind: 'answered', returnMs: times[one.seen], reply: plan.read(reply) };
  }
}

const { values } = parseArgs({ options: { seeds: { type: 'string' }, skip: { type: 'string' } } });
const count = Number(values.seeds ?? 60);
const skip = Number(values.skip ?? 20);
const sum: Figures = {
  startMs: 0,
  runMs: 0,
  restartMs: 0,
  checkMs: 0,
  commands: 0,
  answered: 0,
  simulatedMs: 0,
};
for (let seed = 1; seed <= count; seed++) {
  const figures = await runSeed(seed);
  if (seed <= skip) continue;
  for (const key of Object.keys(sum) as (keyof Figures)[]) sum[key] += figures[key];
}
const n = count - skip;
const wallMs = sum.startMs + sum.runMs + sum.restartMs + sum.checkMs;
for (const [key, value] of Object.entries(sum)) console.log(key.padEnd(14), (value / n).toFixed(1));
console.log(
  'wall ms a seed',
  (wallMs / n).toFixed(1),
  ' simulated s per wall s',
  (sum.simulatedMs / wallMs).toFixed(1),
  ' RSS MiB',
  (process.memoryUsage().rss / 2 ** 20).toFixed(0),
);
