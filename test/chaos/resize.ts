/** The cluster grows by a node and shrinks again, and while slots move in either direction something happens to one of its nodes. */
import { pause } from '../e2e/cluster/torc-cluster.ts';
import type { TorcNode } from '../e2e/cluster/torc-node.ts';
import type { FaultKind, Strike } from './faults.ts';
import { between, sizeOf, withNetwork, type Lab } from './lab.ts';
import { linesFrom, linesTo } from './network.ts';

const DOWN_MS = { least: 300, most: 3000 };
const STOPPED_MS = { least: 500, most: 4000 };
const CUT_MS = { least: 1000, most: 4000 };

/** What happens to the node at this place, the guest's the last; resolves when it is well again. */
type Trouble = (lab: Lab, victim: number) => Promise<string>;

function nodeAt({ cluster, guest }: Lab, place: number): TorcNode {
  return cluster.nodes[place] ?? guest.here;
}

const none: Trouble = () => Promise.resolve('');

async function killed(lab: Lab, victim: number): Promise<string> {
  const downMs = between(lab, DOWN_MS.least, DOWN_MS.most);
  const node = nodeAt(lab, victim);
  await node.kill();
  await pause(downMs);
  node.start();
  return `${node.name} killed for ${downMs} ms`;
}

async function stopped(lab: Lab, victim: number): Promise<string> {
  const stoppedMs = between(lab, STOPPED_MS.least, STOPPED_MS.most);
  const node = nodeAt(lab, victim);
  node.pause();
  await pause(stoppedMs);
  node.resume();
  return `${node.name} stopped for ${stoppedMs} ms`;
}

async function cutOff(lab: Lab, victim: number): Promise<string> {
  const cutMs = between(lab, CUT_MS.least, CUT_MS.most);
  const all = sizeOf(lab) + 1;
  const lines = [...linesFrom(victim, all, { cut: true }), ...linesTo(victim, all, { cut: true })];
  await withNetwork(lab, lines, cutMs);
  return `${nodeAt(lab, victim).name} cut off for ${cutMs} ms`;
}

async function strike(lab: Lab, trouble: Trouble): Promise<Strike> {
  const { guest, cluster } = lab;
  const places = sizeOf(lab) + 1;
  const victims = [lab.random.below(places), lab.random.below(places)];
  await guest.arrive();
  const growing = await trouble(lab, victims[0]);
  await guest.staysWithShare();
  const leaving = guest.decommission();
  // So it ends in any case, and its failure is heard of below.
  leaving.catch(() => undefined);
  await pause(between(lab, 0, 2000));
  const shrinking = await trouble(lab, victims[1]);
  await leaving;
  await guest.leave();
  const told = [growing, shrinking].filter((text) => text !== '');
  const struck = trouble === none ? [] : victims;
  const spared = [...cluster.nodes.keys()].filter((place) => !struck.includes(place));
  return { what: told.length === 0 ? 'a node came and went' : told.join(', then '), spared };
}

function resize(name: string, trouble: Trouble): FaultKind {
  return { name, missing: () => null, strike: (lab) => strike(lab, trouble) };
}

export const RESIZES: readonly FaultKind[] = [
  resize('resize', none),
  resize('resize kill', killed),
  resize('resize stop', stopped),
  resize('resize cut', cutOff),
];
