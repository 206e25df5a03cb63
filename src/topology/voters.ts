/**
 * Which nodes decide the next epoch (design section 6): 1, 3, 5 or 7, never an even number, spread over machines. They are replaced one by one, so
 * that a majority of the old ones is there yet when the new ones have not heard of it; a silent one is replaced, never merely dropped. Pure.
 */
import type { NodeEntry, NodeId } from './types.ts';

/** What is looked at of a node. */
export type Candidate = Pick<NodeEntry, 'id' | 'ordinal' | 'machine' | 'zone' | 'leaving'>;

/** What is looked at of a topology. */
export interface Electorate {
  nodes: readonly Candidate[];
  voters: readonly NodeId[];
}

/** From so many nodes on there are so many voters. */
const COUNTS: readonly { nodes: number; voters: number }[] = [
  { nodes: 9, voters: 7 },
  { nodes: 5, voters: 5 },
  { nodes: 3, voters: 3 },
];

export function voterCount(nodes: number): number {
  return COUNTS.find((row) => nodes >= row.nodes)?.voters ?? 1;
}

/** Those of a new cluster: all of its nodes are there. */
export function firstVoters(nodes: readonly Candidate[]): NodeId[] {
  const chosen: Candidate[] = [];
  while (chosen.length < voterCount(nodes.length)) chosen.push(...bestOf(nodes, chosen, 1));
  return chosen.map(({ id }) => id);
}

/**
 * The voters after the next step towards what they should be; null when nothing is to be done, or nobody is there to do it with. `isHeard`: one that votes
 * keeps its vote over a short silence. `isThere`: none is given to a silent one.
 */
export function nextVoters(
  { nodes: all, voters }: Electorate,
  isHeard: (node: NodeId) => boolean,
  isThere = isHeard,
): NodeId[] | null {
  const nodes = stayingOf(all);
  const entries = voters.flatMap((voter) => nodes.find(({ id }) => id === voter) ?? []);
  const heard = nodes.filter(({ id }) => isThere(id) && !voters.includes(id));
  const wanted = voterCount(nodes.length);
  const gone = voters.filter((voter) => !nodes.some(({ id }) => id === voter));
  const silent = gone.at(0) ?? voters.find((voter) => !isHeard(voter));
  if (voters.length > wanted) return without(voters, leastNeeded(entries, isHeard, gone));
  if (silent !== undefined) {
    const stay = entries.filter(({ id }) => id !== silent);
    const [heir] = bestOf(heard, stay, 1);
    if (heir !== undefined) return replaced(voters, silent, heir.id);
  }
  if (voters.length < wanted) {
    const added = bestOf(heard, entries, 2);
    return added.length === 2 ? [...voters, ...added.map(({ id }) => id)] : null;
  }
  return spreadBetter(voters, entries, heard);
}

/** One that leaves the cluster gives up its vote first. */
function stayingOf(nodes: readonly Candidate[]): readonly Candidate[] {
  return nodes.filter(({ leaving }) => leaving !== true);
}

/** Why these cannot follow; null when they can. */
export function votersProblem({ nodes, voters }: Electorate, next: readonly NodeId[]): string | null {
  const added = next.filter((id) => !voters.includes(id));
  const gone = voters.filter((id) => !next.includes(id));
  const stranger = added.find((voter) => !nodes.some(({ id }) => id === voter));
  if (stranger !== undefined) return `there is no node ${stranger}`;
  const leaving = nodes.find((node) => added.includes(node.id) && node.leaving === true);
  if (leaving !== undefined) return `node ${leaving.id} is leaving the cluster`;
  if (new Set(next).size !== next.length) return 'a node votes once';
  if (next.length % 2 === 0 || next.length > COUNTS[0].voters) return 'the voters are 1, 3, 5 or 7';
  if (next.length < voters.length && voters.length <= voterCount(stayingOf(nodes).length))
    return 'a voter is replaced, and not dropped: the number falls when nodes leave';
  const isStep =
    added.length === 0 ? gone.length === 2 : added.length - gone.length === (gone.length === 0 ? 2 : 0);
  if (!isStep || gone.length > 2 || (gone.length > 1 && added.length > 0))
    return 'one voter is replaced at a time, or two come or go';
  return null;
}

/** Those first whose machine and zone the fewest chosen ones have; among equals the oldest node. */
function bestOf(from: readonly Candidate[], chosen: readonly Candidate[], count: number): Candidate[] {
  const taken = [...chosen];
  const best: Candidate[] = [];
  while (best.length < count) {
    const free = from.filter(({ id }) => !taken.some((one) => one.id === id));
    if (free.length === 0) break;
    const next = free.reduce((a, b) => (compare(b, a, taken) < 0 ? b : a));
    best.push(next);
    taken.push(next);
  }
  return best;
}

function compare(a: Candidate, b: Candidate, taken: readonly Candidate[]): number {
  const onMachine = (node: Candidate): number =>
    taken.filter(({ machine }) => machine === node.machine).length;
  const inZone = (node: Candidate): number => taken.filter(({ zone }) => zone === node.zone).length;
  return onMachine(a) - onMachine(b) || inZone(a) - inZone(b) || a.ordinal - b.ordinal;
}

/** Two: who has left, then the silent, then those that share a machine, then the youngest. */
function leastNeeded(
  entries: readonly Candidate[],
  isHeard: (node: NodeId) => boolean,
  gone: readonly NodeId[],
): NodeId[] {
  const shares = ({ machine }: Candidate): number =>
    entries.filter((other) => other.machine === machine).length;
  const order = entries.toSorted(
    (a, b) => Number(isHeard(a.id)) - Number(isHeard(b.id)) || shares(b) - shares(a) || b.ordinal - a.ordinal,
  );
  return [...gone, ...order.map(({ id }) => id)].slice(0, 2);
}

/** A node on a machine that has no voter takes the place of one that shares its. */
function spreadBetter(
  voters: readonly NodeId[],
  entries: readonly Candidate[],
  heard: readonly Candidate[],
): NodeId[] | null {
  const spare = entries.findLast((entry) =>
    entries.some((other) => other !== entry && other.machine === entry.machine),
  );
  const heir = heard.find(({ machine }) => !entries.some((entry) => entry.machine === machine));
  return spare === undefined || heir === undefined ? null : replaced(voters, spare.id, heir.id);
}

function replaced(voters: readonly NodeId[], old: NodeId, by: NodeId): NodeId[] {
  return voters.map((voter) => (voter === old ? by : voter));
}

function without(voters: readonly NodeId[], gone: readonly NodeId[]): NodeId[] {
  return voters.filter((voter) => !gone.includes(voter));
}
