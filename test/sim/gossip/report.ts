/** `npm run sim -- --gossip`: what docs/gossip.md shows, for clusters of so many nodes. */
import { renderTable } from '../../../src/cli/table.ts';
import type { PresetName } from '../../../src/gossip/presets.ts';
import {
  measureDetection,
  measureFalseAlarms,
  measureReturn,
  measureTraffic,
  type Disturbance,
  type Measured,
} from './measure.ts';

const ALARM_MS = 10 * 60_000;
const TRAFFIC_MS = 6 * 60_000;
/** Killed in turn: fewer in large clusters, where one takes a while to simulate. */
const KILLS = 100;
const NODE_KILLS_MOST = 5000;
/** Loss and slow nodes make rumours by the square of the number of nodes: for a shorter time above this, and not at all above that. */
const LARGE_NODES = 200;
const ALARM_NODES_MOST = 500;
const LOSS = 0.3;
const SLOW_SHARE = 0.2;
const SLOW_HOLD_MS = { holdMinMs: 2000, holdMaxMs: 10_000 };

interface Way {
  title: string;
  lifeguard: boolean;
  isDelayTold: boolean;
}

const WAYS: readonly Way[] = [
  { title: 'plain SWIM', lifeguard: false, isDelayTold: false },
  { title: 'Lifeguard, missed answers only', lifeguard: true, isDelayTold: false },
  { title: 'Lifeguard and event-loop delay', lifeguard: true, isDelayTold: true },
];

export function reportGossip(nodes: number, preset: PresetName, seed: number): void {
  const measured: Measured = { nodes, preset, lifeguard: true, seed };
  console.log(`${nodes} nodes, preset ${preset}, seed ${seed}`);
  tellTraffic(measured);
  tellReturn(measured);
  tellDetection(measured);
  if (nodes <= ALARM_NODES_MOST) tellFalseAlarms(measured);
}

function tellTraffic(measured: Measured): void {
  const { messages, bytes } = measureTraffic(measured, TRAFFIC_MS);
  console.log(`\nidle: ${messages.toFixed(2)} messages and ${bytes.toFixed(0)} bytes sent a node and second`);
}

function tellReturn(measured: Measured): void {
  const { knownAfterMs, bytes } = measureReturn(measured);
  const perNode = (bytes / measured.nodes).toFixed(0);
  console.log(
    `one comes back: known to all, and all to it, within ${(knownAfterMs / 1000).toFixed(1)} s; ${perNode} bytes a node`,
  );
}

function tellDetection(measured: Measured): void {
  const kills = Math.min(KILLS, Math.ceil(NODE_KILLS_MOST / measured.nodes));
  const detections = measureDetection(measured, kills);
  const row = (title: string, times: number[]): string[] => [title, ...quantiles(times)];
  console.log(`\nkilled, connections not seen to close, ${kills} times`);
  const rows = [
    row(
      'first member suspects it',
      detections.map(({ suspectedMs }) => suspectedMs),
    ),
    row(
      'first member holds it dead',
      detections.map(({ deadMs }) => deadMs),
    ),
    row(
      'all members hold it dead',
      detections.map(({ allKnowMs }) => allKnowMs),
    ),
  ];
  console.log(renderTable(['after', 'mean', 'median', 'p99', 'max'], rows, false));
}

function quantiles(timesMs: number[]): string[] {
  const sorted = timesMs.toSorted((a, b) => a - b);
  const at = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
  const mean = sorted.reduce((sum, ms) => sum + ms, 0) / sorted.length;
  return [mean, at(0.5), at(0.99), at(1)].map((ms) => `${(ms / 1000).toFixed(1)} s`);
}

function tellFalseAlarms(measured: Measured): void {
  const over = (kind: 'datagrams' | 'connections'): Disturbance => ({
    kind: 'loss',
    share: LOSS,
    over: kind,
  });
  const rows: (string | number)[][] = [];
  for (const { title, lifeguard, isDelayTold } of WAYS) {
    if (lifeguard === isDelayTold) {
      rows.push(alarmRow({ ...measured, lifeguard }, '30 % lost, datagrams', title, over('datagrams')));
      rows.push(alarmRow({ ...measured, lifeguard }, '30 % lost, connections', title, over('connections')));
    }
    const slow: Disturbance = { kind: 'slow', share: SLOW_SHARE, ...SLOW_HOLD_MS, isDelayTold };
    rows.push(alarmRow({ ...measured, lifeguard }, '20 % slow nodes', title, slow));
  }
  console.log('\nfalse alarms: what members said of others that were well, a node and hour');
  const head = ['under', 'with', 'held suspect', 'held dead', 'dead to those well', 'nodes ever dead'];
  console.log(
    renderTable(
      head,
      rows.toSorted(([a], [b]) => String(a).localeCompare(String(b))),
      false,
    ),
  );
}

function alarmRow(
  measured: Measured,
  under: string,
  title: string,
  disturbance: Disturbance,
): (string | number)[] {
  const durationMs = measured.nodes > LARGE_NODES ? ALARM_MS / 10 : ALARM_MS;
  const { suspected, dead, deadToHealthy, victims, nodeMinutes } = measureFalseAlarms(
    measured,
    disturbance,
    durationMs,
  );
  const perHour = (count: number): string => ((count * 60) / nodeMinutes).toFixed(2);
  return [under, title, perHour(suspected), perHour(dead), perHour(deadToHealthy), victims];
}
