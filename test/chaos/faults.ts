/**
 * The faults, and what clients may see of each. `spared` are the nodes whose clients are promised a pause and no error: those that live, and reach
 * a majority of every shard's voters within two seconds. Clients of other nodes, and those that go where they like, may be refused or left
 * without an answer, by the errors that say so.
 */
import { pause } from '../e2e/cluster/torc-cluster.ts';
import { between, sizeOf, someNodes, withNetwork, type Lab } from './lab.ts';
import { bothWays, linesFrom, linesTo, type LineFault } from './network.ts';
import { RESIZES } from './resize.ts';

export interface Strike {
  /** What exactly was done, for the timeline. */
  what: string;
  spared: readonly number[];
}

export interface FaultKind {
  name: string;
  /** Why it cannot strike here; null when it can. */
  missing: (lab: Lab) => string | null;
  /** Resolves when it is over: all nodes run, all lines and disks are healthy. */
  strike: (lab: Lab) => Promise<Strike>;
}

const DOWN_MS = { least: 300, most: 3000 };
const STOPPED_MS = { least: 500, most: 6000 };
const CUT_MS = { least: 1000, most: 6000 };
const SLOW_MS = { least: 3000, most: 6000 };
/** Far below an election timeout, both ways. */
const DELAY_MS = { least: 5, most: 60 };
const TRICKLE_BYTES_PER_S = { least: 4000, most: 64_000 };
const STUTTERS = 12;
const STUTTER_MS = { least: 20, most: 300 };
const FULL_DISK_LIMIT_MS = 60_000;
const SLOW_WRITES_PER_S = { least: 4, most: 20 };
const HELD_MS = { least: 500, most: 4000 };
const STORM_STEPS = 8;
const STORM_STEP_MS = { least: 50, most: 900 };

const always = (): null => null;

function slowLines({ network }: Lab): string | null {
  return network.canSlow ? null : 'lines of namespaces are cut, not slowed: that is for the proxy';
}

function needs(ability: 'canFill' | 'canSlow' | 'canHold'): (lab: Lab) => string | null {
  return ({ abilities }) =>
    abilities[ability] ? null : `the disks here (${abilities.kind}) do not allow it, as said above`;
}

function range(lab: Lab, { least, most }: { least: number; most: number }): number {
  return between(lab, least, most);
}

function allBut(lab: Lab, ...struck: readonly number[]): number[] {
  return Array.from({ length: sizeOf(lab) }, (_, place) => place).filter((place) => !struck.includes(place));
}

async function calm(lab: Lab): Promise<Strike> {
  await pause(3000);
  return { what: 'nothing', spared: allBut(lab) };
}

async function kill(lab: Lab): Promise<Strike> {
  const [victim] = someNodes(lab, 1);
  const downMs = range(lab, DOWN_MS);
  const node = lab.cluster.nodes[victim];
  await node.kill();
  await pause(downMs);
  node.start();
  return { what: `node-${victim}, back after ${downMs} ms`, spared: allBut(lab, victim) };
}

async function restart(lab: Lab): Promise<Strike> {
  const [victim] = someNodes(lab, 1);
  const node = lab.cluster.nodes[victim];
  const { code } = await node.stop();
  if (code !== 0) throw new Error(`node-${victim} was asked to stop and ended with ${code}`);
  node.start();
  return { what: `node-${victim}`, spared: allBut(lab, victim) };
}

async function standstill(lab: Lab): Promise<Strike> {
  const [victim] = someNodes(lab, 1);
  const stoppedMs = range(lab, STOPPED_MS);
  await stopFor(lab, victim, stoppedMs);
  return { what: `node-${victim} for ${stoppedMs} ms`, spared: allBut(lab, victim) };
}

async function stopFor(lab: Lab, victim: number, stoppedMs: number): Promise<void> {
  const node = lab.cluster.nodes[victim];
  node.pause();
  await pause(stoppedMs);
  node.resume();
}

async function stutter(lab: Lab): Promise<Strike> {
  const [victim] = someNodes(lab, 1);
  for (let count = 0; count < STUTTERS; count++) {
    await stopFor(lab, victim, range(lab, STUTTER_MS));
    await pause(range(lab, STUTTER_MS));
  }
  return { what: `node-${victim}, ${STUTTERS} times`, spared: allBut(lab, victim) };
}

async function killMajority(lab: Lab): Promise<Strike> {
  const victims = someNodes(lab, Math.floor(sizeOf(lab) / 2) + 1);
  const downMs = range(lab, DOWN_MS);
  const nodes = victims.map((victim) => lab.cluster.nodes[victim]);
  await Promise.all(nodes.map((node) => node.kill()));
  await pause(downMs);
  for (const node of nodes) node.start();
  return { what: `nodes ${victims.join(', ')}, back after ${downMs} ms`, spared: [] };
}

async function killAll(lab: Lab): Promise<Strike> {
  await lab.cluster.kill();
  lab.cluster.start();
  return { what: 'all nodes at once', spared: [] };
}

/** Who hears nobody and is heard by nobody. */
function cutOff(lab: Lab): Promise<Strike> {
  return cutNode(lab, (victim) => [
    ...linesFrom(victim, sizeOf(lab), { cut: true }),
    ...linesTo(victim, sizeOf(lab), { cut: true }),
  ]);
}

function deaf(lab: Lab): Promise<Strike> {
  return cutNode(lab, (victim) => linesTo(victim, sizeOf(lab), { cut: true }));
}

function mute(lab: Lab): Promise<Strike> {
  return cutNode(lab, (victim) => linesFrom(victim, sizeOf(lab), { cut: true }));
}

async function cutNode(lab: Lab, lines: (victim: number) => LineFault[]): Promise<Strike> {
  const [victim] = someNodes(lab, 1);
  const cutMs = range(lab, CUT_MS);
  await withNetwork(lab, lines(victim), cutMs);
  return { what: `node-${victim} for ${cutMs} ms`, spared: allBut(lab, victim) };
}

/** Both reach all others, so shards go on; but what one of them leads the other cannot reach. */
async function cutPair(lab: Lab): Promise<Strike> {
  const [one, other] = someNodes(lab, 2);
  const cutMs = range(lab, CUT_MS);
  await withNetwork(lab, bothWays(one, other, { cut: true }), cutMs);
  return { what: `node-${one} and node-${other} for ${cutMs} ms`, spared: allBut(lab, one, other) };
}

async function cutPairOneWay(lab: Lab): Promise<Strike> {
  const [from, to] = someNodes(lab, 2);
  const cutMs = range(lab, CUT_MS);
  await withNetwork(lab, [{ from, to, cut: true }], cutMs);
  return { what: `node-${from} to node-${to} for ${cutMs} ms`, spared: allBut(lab, from, to) };
}

async function delayOne(lab: Lab): Promise<Strike> {
  const [victim] = someNodes(lab, 1);
  const delayMs = range(lab, DELAY_MS);
  const slow = { delayMs };
  const lines = [...linesFrom(victim, sizeOf(lab), slow), ...linesTo(victim, sizeOf(lab), slow)];
  await withNetwork(lab, lines, range(lab, SLOW_MS));
  return { what: `node-${victim}, ${delayMs} ms each way`, spared: allBut(lab) };
}

async function delayAll(lab: Lab): Promise<Strike> {
  const delayMs = range(lab, DELAY_MS);
  const lines = allBut(lab).flatMap((place) => linesFrom(place, sizeOf(lab), { delayMs }));
  await withNetwork(lab, lines, range(lab, SLOW_MS));
  return { what: `all lines, ${delayMs} ms each way`, spared: allBut(lab) };
}

/** Heartbeats wait behind what else waits: a leader there may keep its office by a hair, and answer late. No pause is promised. */
async function trickle(lab: Lab): Promise<Strike> {
  const [victim] = someNodes(lab, 1);
  const bytesPerS = range(lab, TRICKLE_BYTES_PER_S);
  const slow = { bytesPerS };
  const lines = [...linesFrom(victim, sizeOf(lab), slow), ...linesTo(victim, sizeOf(lab), slow)];
  await withNetwork(lab, lines, range(lab, SLOW_MS));
  return { what: `node-${victim}, ${bytesPerS} bytes/s each line`, spared: [] };
}

/** The node ends by itself when its log or a snapshot needs room and finds none, and is started again once there is. */
async function fillDisk(lab: Lab): Promise<Strike> {
  const [victim] = someNodes(lab, 1);
  const node = lab.cluster.nodes[victim];
  const disk = lab.disks[victim];
  const fromMs = performance.now();
  await disk.fill();
  const exit = await Promise.race([node.exited(), pause(FULL_DISK_LIMIT_MS)]);
  const tookMs = (performance.now() - fromMs).toFixed();
  await disk.free();
  if (exit === undefined)
    return { what: `node-${victim}, which needed no room in ${tookMs} ms`, spared: allBut(lab, victim) };
  if (exit.code !== 2) throw new Error(`node-${victim} ended with ${exit.code}, not 2, on a full disk`);
  node.start();
  return { what: `node-${victim}, ended with 2 after ${tookMs} ms`, spared: allBut(lab, victim) };
}

async function slowDisk(lab: Lab): Promise<Strike> {
  const [victim] = someNodes(lab, 1);
  const writesPerS = range(lab, SLOW_WRITES_PER_S);
  const disk = lab.disks[victim];
  try {
    await disk.slow(lab.cluster.nodes[victim].pid, writesPerS);
    await pause(range(lab, SLOW_MS));
  } finally {
    await disk.unslow();
  }
  return { what: `node-${victim}, ${writesPerS} writes a second`, spared: allBut(lab, victim) };
}

async function heldDisk(lab: Lab): Promise<Strike> {
  const [victim] = someNodes(lab, 1);
  const heldMs = range(lab, HELD_MS);
  const disk = lab.disks[victim];
  await disk.hold();
  try {
    await pause(heldMs);
  } finally {
    await disk.release();
  }
  return { what: `node-${victim} for ${heldMs} ms`, spared: allBut(lab, victim) };
}

/** Nodes and lines at random, majorities too. */
async function storm(lab: Lab): Promise<Strike> {
  const steps: string[] = [];
  const lines: LineFault[] = [];
  const stopped = new Set<number>();
  const { nodes } = lab.cluster;
  try {
    for (let step = 0; step < STORM_STEPS; step++) {
      const [victim, other] = someNodes(lab, 2);
      switch (between(lab, 0, 3)) {
        case 0:
          if (stopped.delete(victim)) nodes[victim].resume();
          await nodes[victim].kill();
          nodes[victim].start();
          steps.push(`kill ${victim}`);
          break;
        case 1:
          if (stopped.has(victim)) break;
          nodes[victim].pause();
          stopped.add(victim);
          steps.push(`stop ${victim}`);
          break;
        case 2:
          lines.push({ from: victim, to: other, cut: true });
          await lab.network.apply(lines);
          steps.push(`cut ${victim} to ${other}`);
          break;
        default:
          lines.length = 0;
          await lab.network.apply(lines);
          for (const one of stopped) nodes[one].resume();
          stopped.clear();
          steps.push('heal');
      }
      await pause(range(lab, STORM_STEP_MS));
    }
  } finally {
    await lab.network.apply([]);
    for (const one of stopped) nodes[one].resume();
  }
  return { what: steps.join(', '), spared: [] };
}

export const FAULT_KINDS: readonly FaultKind[] = [
  { name: 'calm', missing: always, strike: calm },
  { name: 'kill -9', missing: always, strike: kill },
  { name: 'restart', missing: always, strike: restart },
  { name: 'SIGSTOP', missing: always, strike: standstill },
  { name: 'stutter', missing: always, strike: stutter },
  { name: 'cut off', missing: always, strike: cutOff },
  { name: 'deaf', missing: always, strike: deaf },
  { name: 'mute', missing: always, strike: mute },
  { name: 'cut pair', missing: always, strike: cutPair },
  { name: 'cut one way', missing: always, strike: cutPairOneWay },
  { name: 'delay one', missing: slowLines, strike: delayOne },
  { name: 'delay all', missing: slowLines, strike: delayAll },
  { name: 'trickle', missing: slowLines, strike: trickle },
  { name: 'full disk', missing: needs('canFill'), strike: fillDisk },
  { name: 'slow disk', missing: needs('canSlow'), strike: slowDisk },
  { name: 'held disk', missing: needs('canHold'), strike: heldDisk },
  { name: 'kill majority', missing: always, strike: killMajority },
  { name: 'kill all', missing: always, strike: killAll },
  { name: 'storm', missing: always, strike: storm },
  ...RESIZES,
];
