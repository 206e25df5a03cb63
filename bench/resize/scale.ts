/** What large clusters cost: planning, the topology, and what idle nodes say to each other. */
import type { NodeParts } from '../../src/observe/parts.ts';
import { measureTraffic } from '../../test/sim/gossip/measure.ts';
import { SimCluster } from '../../test/sim/node/cluster.ts';
import { PLAN_LIMIT_MS, planCosts, SHARDS, TOPOLOGY_LIMIT_BYTES, topologyBytes } from './planning.ts';
import type { Row } from './types.ts';

const NODES = [10, 100, 1000];
const GOSSIP_MS = 30_000;
/** Whole nodes: all that goes between them, gossip, heartbeats of shards, news and frames. */
const WHOLE_NODES = [10, 40];
const WHOLE_MS = 10_000;
const SEED = 2;
const BYTES_PER_KIB = 1024;

export async function scaleRows(): Promise<Row[]> {
  return [...planRows(), ...gossipRows(), ...(await wholeRows())];
}

function planRows(): Row[] {
  const slowestMs = Math.max(...planCosts().map(({ medianMs }) => medianMs));
  const sizeBytes = topologyBytes();
  return [
    {
      what: `the slowest plan over ${SHARDS} shards`,
      figure: `${Math.round(slowestMs)} ms`,
      goal: `under ${PLAN_LIMIT_MS} ms`,
      isReached: slowestMs < PLAN_LIMIT_MS,
    },
    {
      what: `topology of ${SHARDS} shards`,
      figure: `${Math.round(sizeBytes / BYTES_PER_KIB)} KiB`,
      goal: `under ${TOPOLOGY_LIMIT_BYTES / BYTES_PER_KIB} KiB`,
      isReached: sizeBytes < TOPOLOGY_LIMIT_BYTES,
    },
  ];
}

function gossipRows(): Row[] {
  const told = NODES.map((nodes) =>
    measureTraffic({ nodes, preset: 'lan', lifeguard: true, seed: SEED }, GOSSIP_MS),
  );
  return NODES.map((nodes, at) => ({
    what: `gossip of an idle node of ${nodes}`,
    figure: `${told[at].bytes.toFixed(0)} bytes/s in ${told[at].messages.toFixed(2)} messages`,
    ...growth(NODES, at, told[0].bytes, told[at].bytes),
  }));
}

async function wholeRows(): Promise<Row[]> {
  const told: { bytes: number }[] = [];
  for (const nodes of WHOLE_NODES) told.push(await wholeTraffic(nodes));
  return WHOLE_NODES.map((nodes, at) => ({
    what: `all that an idle node of ${nodes} sends`,
    figure: `${told[at].bytes.toFixed(0)} bytes/s`,
    ...growth(WHOLE_NODES, at, told[0].bytes, told[at].bytes),
  }));
}

/** No more than the logarithm of the number of nodes grows. */
function growth(
  counts: readonly number[],
  at: number,
  first: number,
  bytes: number,
): Pick<Row, 'goal' | 'isReached'> {
  if (at === 0) return { goal: '', isReached: null };
  const most = (first * Math.log(counts[at])) / Math.log(counts[0]);
  return { goal: `at most ${most.toFixed(0)}, O(log n)`, isReached: bytes <= most };
}

async function wholeTraffic(nodes: number): Promise<{ bytes: number }> {
  const cluster = new SimCluster(SEED, nodes);
  const parts = new Map<number, NodeParts>();
  cluster.onlooker = { onServing: (i, serving) => parts.set(i, serving) };
  await cluster.startAll();
  await cluster.pass(WHOLE_MS);
  const sent = (): number =>
    [...parts.values()]
      .flatMap(({ mesh }) => [...mesh.links.values()])
      .reduce((sum, link) => sum + link.sentBytes, 0);
  const before = sent();
  await cluster.pass(WHOLE_MS);
  const bytes = ((sent() - before) * 1000) / WHOLE_MS / nodes;
  cluster.dispose();
  return { bytes };
}
