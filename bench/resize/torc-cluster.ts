/** Torc: three nodes, each shard with three voters, and a fourth that joins. */
import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

import type { RebalanceReport } from '../../src/admin/rebalance.ts';
import type { StatusReport } from '../../src/admin/status.ts';
import { applyPlan } from '../../src/cli/rebalance.ts';
import { freeBasePort, startServer, stopServer, waitUntil } from '../processes.ts';
import { SLOT_COUNT, type ResizableCluster, type Resize, type Resized } from './types.ts';

const PROGRAM = join(import.meta.dirname, '../../dist/torc.js');
const NODES = 4;
const START_MS = 60_000;
const REBALANCE_MS = 170_000;
const ASK_MS = 5000;
const POLL_MS = 10;
const PLAN_ENDED = '"event":"rebalance-ended"';
const [ADMIN_OFFSET, PEER_OFFSET] = [2000, 10_000];
const OFFSETS = [0, 1000, ADMIN_OFFSET, PEER_OFFSET].flatMap((offset) =>
  Array.from({ length: NODES }, (_, at) => offset + at),
);

/** How long slots were frozen, over all nodes. */
export interface SlotPauses {
  slots: number;
  p99Ms: number;
  longestMs: number;
}

export interface TorcCluster extends ResizableCluster {
  slotPauses(): Promise<SlotPauses>;
}

export async function startTorcCluster(directory: string, durability: string): Promise<TorcCluster> {
  const port = await freeBasePort(OFFSETS);
  const ports = Array.from({ length: NODES }, (_, at) => port + at);
  const seeds = ports.slice(0, NODES - 1).map((own) => `127.0.0.1:${own + PEER_OFFSET}`);
  const dataOf = (own: number): string => join(directory, `torc-${own}`);
  const logOf = (own: number): string => `${dataOf(own)}.log`;
  const start = (own: number): ChildProcess => {
    const data = dataOf(own);
    const words = ['--client-port', String(own), '--data', data, '--seeds', seeds.join(',')];
    const settings = ['--durability', durability, '--rebalance-auto', 'no'];
    return startServer(process.execPath, [PROGRAM, 'start', ...words, ...settings], logOf(own));
  };
  const children = ports.slice(0, NODES - 1).map(start);
  const stop = async (): Promise<void> => {
    await Promise.all(children.map(stopServer));
  };
  await placed(ports.slice(0, NODES - 1), children);
  children.push(start(ports[NODES - 1]));
  await placed(ports, children);
  return {
    name: `torc ${durability}`,
    // Any node takes any command, so clients go to those that were there before.
    entrance: {
      addresses: ports
        .slice(0, NODES - 1)
        .map((own) => `127.0.0.1:${own}`)
        .join(','),
      protocol: 'resp',
      slots: false,
      wait: 0,
    },
    rebalance: () => rebalance(port, logOf(port)),
    slotPauses: () => slotPauses(ports),
    stop,
  };
}

/** Every shard has three voters that are there, and no member is on its way in or out. */
async function placed(ports: readonly number[], children: readonly ChildProcess[]): Promise<void> {
  await waitUntil('all replicas are placed', START_MS, children, async () => {
    const reports = await Promise.all(
      ports.map((port) => read<StatusReport>(port + ADMIN_OFFSET, '/api/status')),
    );
    const led = reports.flatMap(({ replicas }) => replicas).filter(({ role }) => role === 'leader');
    const isWhole = led.every(({ voters, learners }) => voters.length === 3 && learners.length === 0);
    return led.length === ports.length && isWhole && reports.every(({ node }) => node.state === 'ready');
  });
}

/** A node says in its log when a plan has ended: to look there costs it nothing, where its metrics would cost it some milliseconds each time. */
async function rebalance(port: number, logFile: string): Promise<Resized> {
  const admin = port + ADMIN_OFFSET;
  const before = endedPlans(logFile);
  const startMs = performance.now();
  // As `torc rebalance apply` does, but for the start of a process, which takes the CPU from the nodes.
  const target = { address: { host: '127.0.0.1', port: admin }, timeoutMs: ASK_MS, peerSecret: '' };
  await applyPlan(target, null);
  while (endedPlans(logFile) === before) {
    if (performance.now() - startMs > REBALANCE_MS) throw new Error('the plan has not ended');
    await delay(POLL_MS);
  }
  const tookMs = performance.now() - startMs;
  return { tookMs, result: () => resultOf(admin, tookMs) };
}

async function resultOf(admin: number, tookMs: number): Promise<Resize> {
  const { history, shards } = await read<RebalanceReport>(admin, '/api/rebalance');
  const [last] = history.slice(-1);
  if (last.outcome !== 'done') throw new Error(`the plan was ${last.outcome}`);
  const keys = shards.reduce((sum, shard) => sum + shard.keys, 0);
  return { tookMs, movedSlots: last.moved, leastSlots: Math.floor(SLOT_COUNT / shards.length), keys };
}

function endedPlans(logFile: string): number {
  return readFileSync(logFile, 'utf8').split(PLAN_ENDED).length - 1;
}

async function slotPauses(ports: readonly number[]): Promise<SlotPauses> {
  const pages = await Promise.all(
    ports.map(async (port) => (await fetch(`http://127.0.0.1:${port + ADMIN_OFFSET}/metrics`)).text()),
  );
  const rows = pages.flatMap((page) => page.split('\n'));
  const counts = new Map<number, number>();
  let longestMs = 0;
  for (const row of rows) {
    const value = Number(row.slice(row.lastIndexOf(' ') + 1));
    const bound = /^torc_slot_pause_seconds_bucket\{le="([^"]+)"\}/.exec(row)?.[1];
    if (bound !== undefined) {
      const boundMs = bound === '+Inf' ? Infinity : Number(bound) * 1000;
      counts.set(boundMs, (counts.get(boundMs) ?? 0) + value);
    }
    if (row.startsWith('torc_slot_pause_longest_seconds ')) longestMs = Math.max(longestMs, value * 1000);
  }
  const slots = counts.get(Infinity) ?? 0;
  const bounds = [...counts.keys()].toSorted((a, b) => a - b);
  const p99Ms = bounds.find((bound) => (counts.get(bound) ?? 0) >= slots * 0.99) ?? Infinity;
  return { slots, p99Ms: Math.min(p99Ms, longestMs), longestMs };
}

async function read<Told>(port: number, path: string): Promise<Told> {
  const answer = await fetch(`http://127.0.0.1:${port}${path}`);
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  return (await answer.json()) as Told;
}
