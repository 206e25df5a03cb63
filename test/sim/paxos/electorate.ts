/** Voters as the product has them re-chosen (topology/voters.ts), while nodes come and go on a few machines. */
import { nextVoters, votersProblem, type Candidate, type Electorate } from '../../../src/topology/voters.ts';
import type { Value, World } from './world.ts';

/** Of proposals, how many have a node come or go. */
const NODE_CHANGE_RATE = 0.1;
const MACHINES = 4;

export type Chosen = Pick<Value, 'nodes' | 'voters'>;

/** What a node that hears these proposes on the value; null: nothing. */
export function nextElectorate(
  value: Value,
  world: World,
  isHeard: (name: string) => boolean,
): Chosen | null {
  const { random, members } = world;
  const { nodes, voters } = value;
  if (!random.chance(NODE_CHANGE_RATE)) {
    const next = nextVoters(electorateOf(value), isHeard);
    return next === null ? null : { nodes, voters: next };
  }
  const others = members.filter(({ name, isUp }) => isUp && !nodes.includes(name));
  if (others.length > 0 && random.chance(0.5)) return { nodes: [...nodes, random.pick(others).name], voters };
  if (nodes.length < 2) return null;
  const leaves = random.pick(nodes);
  return { nodes: nodes.filter((name) => name !== leaves), voters };
}

/** Why the voters of the later value cannot follow those of the earlier; null: they can. */
export function electionProblem(before: Value, after: Value): string | null {
  return before.voters.join() === after.voters.join()
    ? null
    : votersProblem(electorateOf(before), after.voters);
}

/** Nobody who votes is to be replaced, when all are heard. */
export function isFit(value: Value): boolean {
  return nextVoters(electorateOf(value), () => true) === null;
}

function electorateOf({ nodes, voters }: Value): Electorate {
  const entries = nodes.map((name): Candidate => {
    const ordinal = Number(name.slice(1));
    return { id: name, ordinal, machine: `m${ordinal % MACHINES}`, zone: '' };
  });
  return { nodes: entries, voters };
}
