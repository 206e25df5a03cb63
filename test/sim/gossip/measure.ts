/** What the gossip costs and how soon and how wrongly it tells: the figures of docs/gossip.md. */
import { PRESETS, type PresetName } from '../../../src/gossip/presets.ts';
import { World, type Loss, type SimulatedNode } from './world.ts';

const STEP_MS = 100;
/** Rumours of the beginning are gone by then. */
const WARM_UP_MS = 30_000;
const DETECTION_LIMIT_MS = 180_000;
const RECOVERY_LIMIT_MS = 60_000;
const AFTERMATH_MS = 5000;
/** How long a slow event loop runs between two holds. */
const RUN_MOST_MS = 20;

export interface Measured {
  nodes: number;
  preset: PresetName;
  lifeguard: boolean;
  seed: number;
}

function worldOf({ nodes, preset, lifeguard, seed }: Measured, observe?: Observe): World {
  const world = new World({ seed, settings: PRESETS[preset], lifeguard, ...(observe && { observe }) });
  for (let at = 0; at < nodes; at++) world.add(`node-${at + 1}`);
  world.expectAll();
  world.acquaintAll();
  world.advance(WARM_UP_MS);
  return world;
}

type Observe = ConstructorParameters<typeof World>[0]['observe'];

export interface Detection {
  /** From the end of a process to the first member that suspects it, the first that holds it dead, and the last. */
  suspectedMs: number;
  deadMs: number;
  allKnowMs: number;
}

/** One member after the other is killed, its connections not being seen to close, and comes back when all know. */
export function measureDetection(measured: Measured, kills: number): Detection[] {
  let victim: SimulatedNode | null = null;
  let killedAtMs = 0;
  let detection: Detection = { suspectedMs: Infinity, deadMs: Infinity, allKnowMs: Infinity };
  const world = worldOf(measured, (node, event, nowMs) => {
    if (event.kind !== 'state-changed' || event.name !== victim?.name || node === victim) return;
    const tookMs = nowMs - killedAtMs;
    if (event.state === 'suspect') detection.suspectedMs = Math.min(detection.suspectedMs, tookMs);
    if (event.state === 'dead') detection.deadMs = Math.min(detection.deadMs, tookMs);
  });
  const holdAll = (name: string, state: string): boolean =>
    world.nodes.every((node) => !node.isUp || node.gossip.member(name)?.state === state);
  const detections: Detection[] = [];
  for (let kill = 0; kill < kills; kill++) {
    world.advance(world.random.between(0, PRESETS[measured.preset].probeIntervalMs));
    victim = world.random.pick(world.nodes);
    const { name } = victim;
    killedAtMs = world.nowMs;
    detection = { suspectedMs: Infinity, deadMs: Infinity, allKnowMs: Infinity };
    world.kill(victim);
    advanceUntil(world, DETECTION_LIMIT_MS, () => holdAll(name, 'dead'));
    detections.push({ ...detection, allKnowMs: world.nowMs - killedAtMs });
    world.restart(victim);
    advanceUntil(world, RECOVERY_LIMIT_MS, () => holdAll(name, 'alive'));
  }
  return detections;
}

export interface Return {
  /** Until all know of it, and it of all. */
  knownAfterMs: number;
  /** What all sent meanwhile and in the seconds after. */
  bytes: number;
}

/** A member is back after a while, and connected to all others at once. */
export function measureReturn(measured: Measured): Return {
  const world = worldOf(measured);
  const [back] = world.nodes;
  world.kill(back);
  world.advance(WARM_UP_MS);
  const before = sentBy(world).bytes;
  const fromMs = world.nowMs;
  world.restart(back);
  const isKnown = (): boolean =>
    world.nodes.every(({ gossip }) => gossip.member(back.name)?.state === 'alive') &&
    back.gossip.members.every(({ state }) => state === 'alive');
  advanceUntil(world, RECOVERY_LIMIT_MS, isKnown);
  const knownAfterMs = world.nowMs - fromMs;
  world.advance(AFTERMATH_MS);
  return { knownAfterMs, bytes: sentBy(world).bytes - before };
}

function advanceUntil(world: World, limitMs: number, done: () => boolean): void {
  const untilMs = world.nowMs + limitMs;
  while (!done()) {
    if (world.nowMs >= untilMs) throw new Error(`not all members knew after ${limitMs} ms`);
    world.advance(STEP_MS);
  }
}

export interface Traffic {
  /** A node and second. */
  messages: number;
  bytes: number;
}

/** Nothing happens. */
export function measureTraffic(measured: Measured, durationMs: number): Traffic {
  const world = worldOf(measured);
  const before = sentBy(world);
  world.advance(durationMs);
  const after = sentBy(world);
  const nodeSeconds = (measured.nodes * durationMs) / 1000;
  return {
    messages: (after.messages - before.messages) / nodeSeconds,
    bytes: (after.bytes - before.bytes) / nodeSeconds,
  };
}

function sentBy(world: World): Traffic {
  const sum = { messages: 0, bytes: 0 };
  for (const node of world.nodes) {
    sum.messages += node.sentMessages;
    sum.bytes += node.sentBytes;
  }
  return sum;
}

/** Event loops that are held again and again: between two holds they only just run what is due and read what came. */
export interface SlowNodes {
  kind: 'slow';
  share: number;
  holdMinMs: number;
  holdMaxMs: number;
  /** The members learn how late they are. */
  isDelayTold: boolean;
}

export type Disturbance = ({ kind: 'loss' } & Loss) | SlowNodes;

export interface FalseAlarms {
  /** Living, undisturbed members that some member came to suspect, or held dead: one for each that did. */
  suspected: number;
  dead: number;
  /** Those held dead by undisturbed members. */
  deadToHealthy: number;
  /** Undisturbed members, at the least once held dead by somebody. */
  victims: number;
  /** Members and minutes of it. */
  nodeMinutes: number;
}

export function measureFalseAlarms(
  measured: Measured,
  disturbance: Disturbance,
  durationMs: number,
): FalseAlarms {
  const disturbed = new Set<SimulatedNode>();
  const victims = new Set<string>();
  const alarms = { suspected: 0, dead: 0, deadToHealthy: 0 };
  let isCounting = false;
  const world = worldOf(measured, (node, event) => {
    if (!isCounting || event.kind !== 'state-changed') return;
    if ([...disturbed].some(({ name }) => name === event.name)) return;
    if (event.state === 'suspect') alarms.suspected += 1;
    if (event.state !== 'dead') return;
    alarms.dead += 1;
    victims.add(event.name);
    if (!disturbed.has(node)) alarms.deadToHealthy += 1;
  });
  isCounting = true;
  if (disturbance.kind === 'loss') world.loss = disturbance;
  else {
    for (const node of world.nodes.slice(0, Math.round(measured.nodes * disturbance.share))) {
      disturbed.add(node);
      holdAgainAndAgain(world, node, disturbance);
    }
  }
  world.advance(durationMs);
  return { ...alarms, victims: victims.size, nodeMinutes: (measured.nodes * durationMs) / 60_000 };
}

function holdAgainAndAgain(world: World, node: SimulatedNode, slow: SlowNodes): void {
  const { random, scheduler } = world;
  const run = (): void => {
    world.thaw(node, slow.isDelayTold);
    scheduler.after(random.between(0, RUN_MOST_MS), hold);
  };
  const hold = (): void => {
    world.freeze(node);
    scheduler.after(random.between(slow.holdMinMs, slow.holdMaxMs), run);
  };
  scheduler.after(random.between(0, slow.holdMaxMs), hold);
}
