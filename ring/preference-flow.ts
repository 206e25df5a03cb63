/**
 * Which shard gives how many slots to which, so that as many as possible go where they are preferred: a maximum flow from givers,
 * limited by what each has to give, to receivers, limited by what each may take. A greedy pass comes near; augmenting paths
 * (Edmonds-Karp) finish it.
 */

/** The slots that `giver` holds and that prefer `receiver`: how many there are, and how many of them go. */
export interface PreferenceEdge {
  readonly giver: number;
  readonly receiver: number;
  readonly capacity: number;
  flow: number;
}

/** Sets each edge's flow. No giver gives more than `surplus[giver]`, no receiver takes more than `deficit[receiver]`. */
export function maximiseFlow(
  edges: readonly PreferenceEdge[],
  surplus: Readonly<Int32Array>,
  deficit: Readonly<Int32Array>,
): void {
  const network: Network = {
    ofGiver: groupBy(edges, surplus.length, (edge) => edge.giver),
    ofReceiver: groupBy(edges, deficit.length, (edge) => edge.receiver),
    surplus: surplus.slice(),
    deficit: deficit.slice(),
  };
  for (const edge of edges) pushAlong(network, edge.giver, [edge]);
  for (let giver = 0; giver < surplus.length; giver++) {
    while (network.surplus[giver] > 0) {
      const path = augmentingPath(network, giver);
      if (path === null) break;
      pushAlong(network, giver, path);
    }
  }
}

interface Network {
  readonly ofGiver: readonly PreferenceEdge[][];
  readonly ofReceiver: readonly PreferenceEdge[][];
  /** What each giver still has to give. */
  readonly surplus: Int32Array;
  /** What each receiver may still take. */
  readonly deficit: Int32Array;
}

/** From a giver to a receiver with room: edges that take more flow and edges that give flow back, in turn. */
type Path = PreferenceEdge[];

/** The shortest such path from `start`, or null when there is none. */
function augmentingPath(network: Network, start: number): Path | null {
  const intoReceiver = new Map<number, PreferenceEdge>();
  const intoGiver = new Map<number, PreferenceEdge | null>([[start, null]]);
  // A Map is walked in the order of insertion, what is added on the way included: a breadth-first search.
  for (const giver of intoGiver.keys()) {
    for (const edge of network.ofGiver[giver]) {
      if (edge.flow === edge.capacity || intoReceiver.has(edge.receiver)) continue;
      intoReceiver.set(edge.receiver, edge);
      if (network.deficit[edge.receiver] > 0) return pathTo(edge.receiver, intoReceiver, intoGiver);
      for (const back of network.ofReceiver[edge.receiver]) {
        if (back.flow > 0 && !intoGiver.has(back.giver)) intoGiver.set(back.giver, back);
      }
    }
  }
  return null;
}

function pathTo(
  receiver: number,
  intoReceiver: ReadonlyMap<number, PreferenceEdge>,
  intoGiver: ReadonlyMap<number, PreferenceEdge | null>,
): Path {
  const path: Path = [];
  let edge = intoReceiver.get(receiver);
  while (edge !== undefined) {
    path.unshift(edge);
    const back = intoGiver.get(edge.giver);
    if (back == null) break;
    path.unshift(back);
    edge = intoReceiver.get(back.receiver);
  }
  return path;
}

function pushAlong({ surplus, deficit }: Network, giver: number, path: Path): void {
  const receiver = path[path.length - 1].receiver;
  let amount = Math.min(surplus[giver], deficit[receiver]);
  for (const [step, edge] of path.entries()) {
    amount = Math.min(amount, isForward(step) ? edge.capacity - edge.flow : edge.flow);
  }
  for (const [step, edge] of path.entries()) edge.flow += isForward(step) ? amount : -amount;
  surplus[giver] -= amount;
  deficit[receiver] -= amount;
}

function isForward(step: number): boolean {
  return step % 2 === 0;
}

function groupBy(
  edges: readonly PreferenceEdge[],
  groupCount: number,
  groupOf: (edge: PreferenceEdge) => number,
): PreferenceEdge[][] {
  const groups: PreferenceEdge[][] = Array.from({ length: groupCount }, () => []);
  for (const edge of edges) groups[groupOf(edge)].push(edge);
  return groups;
}
