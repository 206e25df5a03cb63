/** What a seed decides before the run begins: the cluster, its settings, which faults strike and how often, and what clients ask for. */
import type { SeededRandom } from '../../../../src/env/sim/random.ts';
import type { Settings } from '../../../../src/settings/rows.ts';
import type { LogRetention } from '../../../../src/shard/log-retention.ts';
import { DATABASE_COUNT } from '../../../../src/store/types.ts';
import { FAULTS, type Fault } from './counters.ts';

const KIB = 1024;
const NODE_COUNTS = [1, 3, 3, 3, 3, 3, 3, 4, 5, 5];
const EVICTING = ['allkeys-lru', 'allkeys-lfu', 'allkeys-random'];
const VOLATILE = ['noeviction', 'volatile-ttl', 'volatile-lru', 'volatile-random'];
const LEAVES: Fault = 'node leaves for a while';
const REPLACED: Fault = 'node replaced by an empty one';
const AT_FENCE: Fault = 'disks slow at a fence';
const RAISED: Fault = 'cluster version raised';
const HALF_CLOSED: Fault = 'clients send no more';
const RESTARTED: Fault = 'restart of who leaves';
/** Only where there is what they are about. */
const DRAWN_LATE: readonly Fault[] = [LEAVES, AT_FENCE, REPLACED, RAISED, HALF_CLOSED, RESTARTED];
const SLOW_WRITE_MS = 5;
const MOST_JOINS_AFTER_MS = 20_000;
/** These let a leader go on that has been deposed. */
const DEPOSING: readonly Fault[] = ['pause', 'late ears', 'restart in a split'];
/** One fault every so often, over all kinds that a run has. */
const FAULT_EVERY_MS = [1500, 2500, 4000, 7000];

/** Those with many phases for other faults to strike in. */
const OFTEN: readonly Fault[] = ['shard placed anew', 'slots moved'];

/** Which commands a run has, and how much of each. */
export interface LoadPlan {
  clients: number;
  /** Commands a second, of all clients together. */
  perSecond: number;
  pipeline: number;
  /** All keys may go at any time, so that what a command does must not hang on what was there. */
  evictsAll: boolean;
  /** Those that are to expire may go before. */
  evictsTimed: boolean;
  /** Values that are staged, and reads of many turns. */
  hasLarge: boolean;
  /** Of common values. */
  valueBytes: number;
  expires: boolean;
  /** Writes whose replies are too large to be kept for a retry. */
  hasLongReplies: boolean;
  /** Where keys lie: always in the first, and sometimes in another as well. */
  databases: readonly number[];
  /** Somebody asks for slots just when they are fenced (fence-probe.ts). */
  asksAtFences: boolean;
}

export interface RunPlan {
  nodes: number;
  durability: 'fsync' | 'buffered';
  flags: Record<string, string>;
  overrides: Partial<Settings>;
  logRetention: LogRetention;
  delayMs: { min: number; max: number };
  writeMs: number;
  syncMs: number;
  /** Of each node's clocks; and what its wall clock is ahead of the others' from the beginning. */
  rates: number[];
  aheadMs: number[];
  faults: Fault[];
  faultEveryMs: number;
  /** Faults strike from here on: sometimes while the cluster is founded. */
  faultsFromMs: number;
  /** The last node joins a cluster of the others so late; null: it founds with them. */
  joinsAfterMs: number | null;
  /** Wanted by a caller: from when on all nodes are to run the next build, whose version is then raised. Else builds.ts draws it. */
  raisedFromMs: number | null;
  load: LoadPlan;
}

/** What a caller may want of a run beside its seed. */
export interface Wanted {
  nodes?: number;
  faults?: Fault[];
  hasLarge?: boolean;
  evictsAll?: boolean;
  joinsAfterMs?: number;
  raisedFromMs?: number;
}

/** `late`: draws what came later, so that all else of a seed is what it was. */
export function drawPlan(random: SeededRandom, late: SeededRandom, wanted: Wanted = {}): RunPlan {
  const pick = <T>(from: readonly T[]): T => from[random.below(from.length)];
  const drawnNodes = pick(NODE_COUNTS);
  const nodes = wanted.nodes ?? drawnNodes;
  const durability = random.chance(0.75) ? 'fsync' : 'buffered';
  const drawsLarge = random.chance(0.15);
  const hasLarge = wanted.hasLarge ?? (drawsLarge && wanted.evictsAll !== true);
  const evictsAll = wanted.evictsAll ?? (!hasLarge && random.chance(0.2));
  const isSmall = evictsAll || (!hasLarge && random.chance(0.2));
  const budget = isSmall ? `${pick([150, 600, 3000]) * nodes}kb` : '0';
  const policy = evictsAll ? pick(EVICTING) : pick(VOLATILE);
  const drift = pick([0, 0.005, 0.024]);
  const apartMs = pick([0, 300, 4000]);
  const isChosen = (fault: Fault): boolean => random.chance(chanceOf(fault, nodes));
  const chosen = FAULTS.filter((fault) => !DRAWN_LATE.includes(fault) && isChosen(fault));
  const plan: RunPlan = {
    nodes,
    durability,
    flags: {
      durability,
      maxmemory: budget,
      'maxmemory-policy': policy,
      'raft-max-snapshot-chunk-bytes': pick(['64kb', '1mb']),
      'raft-max-entries-per-message': String(pick([2, 16, 1024])),
      'hash-max-listpack-entries': pick(['4', '512']),
      'rebalance-auto': 'no',
      'rebalance-max-bytes-per-second': pick(['0', '256kb', '40kb', '8kb']),
    },
    overrides: {
      walSegmentBytes: pick([64, 256, 1024]) * KIB,
      snapshotAfterBytes: pick([48, 192, 512]) * KIB,
    },
    logRetention: pick([
      { keptBytes: 8 * KIB, keptForPeersBytes: 32 * KIB },
      { keptBytes: 64 * KIB, keptForPeersBytes: 256 * KIB },
    ]),
    delayMs: pick([
      { min: 0.1, max: 1 },
      { min: 0.5, max: 6 },
      { min: 1, max: 30 },
    ]),
    writeMs: 0.05,
    syncMs: pick([0.2, 1, 8]),
    rates: Array.from({ length: nodes }, () => 1 + partOf(random) * drift),
    aheadMs: Array.from({ length: nodes }, () => Math.round(partOf(random) * apartMs)),
    faults: wanted.faults ?? (chosen.length === 0 ? [pick(FAULTS)] : chosen),
    faultEveryMs: pick(FAULT_EVERY_MS),
    faultsFromMs: random.chance(0.15) ? 0 : 3000,
    joinsAfterMs: null,
    raisedFromMs: wanted.raisedFromMs ?? null,
    load: {
      clients: 4 + random.below(8),
      perSecond: 45 + random.below(25),
      pipeline: pick([1, 3, 8]),
      evictsAll,
      evictsTimed: isSmall && policy !== 'noeviction',
      hasLarge,
      valueBytes: pick([16, 200, 2000]),
      expires: random.chance(0.5),
      hasLongReplies: random.chance(0.2),
      asksAtFences: late.chance(0.5),
      databases: random.chance(0.4) ? [0, 1 + random.below(DATABASE_COUNT - 1)] : [0],
    },
  };
  // Drawn after all else: so older seeds are what they were.
  const mayLeave = nodes > 3;
  if (wanted.faults === undefined && mayLeave && random.chance(0.5)) plan.faults.push(LEAVES);
  const mayJoin = nodes > 3 && durability === 'fsync' && !plan.faults.some(isDamage);
  const drawnMs = mayJoin && random.chance(0.5) ? random.below(MOST_JOINS_AFTER_MS) : null;
  const mayFence = wanted.faults === undefined && plan.faults.includes('slots moved');
  if (mayFence && random.chance(0.5)) plan.faults.push(AT_FENCE);
  // Slots that were moved at random are mostly to stay there; else somebody brings them back.
  if (wanted.faults === undefined && random.chance(0.25)) plan.flags['rebalance-auto'] = 'yes';
  // Its shards need two others each to learn from, and to go on.
  const mayBeReplaced = nodes >= 3 && durability === 'fsync' && !plan.faults.some(isDamage);
  if (wanted.faults === undefined && mayBeReplaced && random.chance(0.3)) plan.faults.push(REPLACED);
  // A snapshot is made for long enough that keys are evicted meanwhile.
  if (evictsAll && random.chance(0.7)) plan.writeMs = SLOW_WRITE_MS;
  if (wanted.faults === undefined) plan.faults.push(...drawLate(late, plan.faults, nodes));
  return { ...plan, joinsAfterMs: wanted.joinsAfterMs ?? drawnMs };
}

function drawLate(late: SeededRandom, faults: readonly Fault[], nodes: number): Fault[] {
  const chosen: Fault[] = late.chance(0.3) ? [HALF_CLOSED] : [];
  // Who leaves a shard has another one come for it.
  if (nodes > 3 && faults.includes('shard placed anew') && late.chance(0.5)) chosen.push(RESTARTED);
  return chosen;
}

function chanceOf(fault: Fault, nodes: number): number {
  if (OFTEN.includes(fault) && nodes > (fault === 'shard placed anew' ? 3 : 1)) return 0.7;
  return DEPOSING.includes(fault) ? 0.5 : 0.35;
}

/** Who is of no cluster yet has nobody to get its data from. */
function isDamage(fault: Fault): boolean {
  return fault.startsWith('bit flipped');
}

/** Between -1 and 1; every other time one of these: the ends are where rules are tight. */
function partOf(random: SeededRandom): number {
  const part = random.uint32() / 2 ** 31 - 1;
  return random.chance(0.5) ? Math.sign(part) : part;
}
