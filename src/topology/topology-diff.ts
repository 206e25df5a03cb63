/** What makes two topologies differ, in lines for people. Pure. */
import { moveName } from './move-change.ts';
import { SLOT_COUNT, type NodeEntry, type ShardEntry, type SlotRun, type Topology } from './types.ts';

/** Empty: nothing but the epoch. */
export function topologyDiff(before: Topology, after: Topology): string[] {
  return [
    ...(before.version === after.version ? [] : [`cluster version ${before.version} -> ${after.version}`]),
    ...nodeLines(before, after),
    ...voterLines(before, after),
    ...after.shards.flatMap((shard) => shardLines(before, after, shard)),
    ...before.shards
      .filter(({ id }) => !after.shards.some((shard) => shard.id === id))
      .map(({ id }) => `- shard ${id}`),
    ...slotLines(before.slots, after.slots),
    ...moveLines(before, after),
    ...rebalanceLines(before, after),
  ];
}

function nodeLines(before: Topology, after: Topology): string[] {
  const gone = before.nodes.filter(({ id }) => !after.nodes.some((node) => node.id === id));
  const come = after.nodes.filter(({ id }) => !before.nodes.some((node) => node.id === id));
  const changed = after.nodes.flatMap((node) => {
    const old = before.nodes.find(({ id }) => id === node.id);
    return old === undefined || JSON.stringify(old) === JSON.stringify(node)
      ? []
      : [`node ${nodeName(after, node.id)}: ${changedFields(old, node).join(', ')}`];
  });
  return [
    ...gone.map(({ id }) => `- node ${nodeName(before, id)}`),
    ...come.map(({ id }) => `+ node ${nodeName(after, id)}`),
    ...changed,
  ];
}

function changedFields(old: NodeEntry, node: NodeEntry): string[] {
  const fields = Object.keys(node) as (keyof NodeEntry)[];
  return fields
    .filter((field) => old[field] !== node[field])
    .map((field) => `${field} ${String(old[field])} -> ${String(node[field])}`);
}

function voterLines(before: Topology, after: Topology): string[] {
  const namesOf = (topology: Topology): string =>
    topology.voters.map((voter) => nodeName(topology, voter)).join(' ');
  return namesOf(before) === namesOf(after) ? [] : [`voters ${namesOf(before)} -> ${namesOf(after)}`];
}

function shardLines(before: Topology, after: Topology, shard: ShardEntry): string[] {
  const old = before.shards.find(({ id }) => id === shard.id);
  if (old === undefined) return [`+ shard ${shard.id} on ${membersText(after, shard)}${originText(shard)}`];
  const home =
    old.home === shard.home ? [] : [`home ${nodeName(before, old.home)} -> ${nodeName(after, shard.home)}`];
  const [had, has] = [membersText(before, old), membersText(after, shard)];
  const members = had === has ? [] : [`members ${had} -> ${has}`];
  const closing = old.closing === undefined && shard.closing !== undefined ? ['closing'] : [];
  const lost = JSON.stringify(old.givenUp) === JSON.stringify(shard.givenUp) ? [] : [lostText(shard)];
  const confirmed = old.confirmed === shard.confirmed ? [] : ['its log says the same'];
  const changes = [...home, ...members, ...closing, ...lost, ...confirmed];
  return changes.length === 0 ? [] : [`shard ${shard.id}: ${changes.join('; ')}`];
}

function lostText({ givenUp }: ShardEntry): string {
  const gone = `given up, with members ${givenUp?.destroyed.join(', ') || 'none'} destroyed`;
  if (givenUp?.kept === undefined) return gone;
  const kept = givenUp.kept.map(
    ({ member, index, term }) => `, member ${member} sealed at index ${index} of term ${term}`,
  );
  return `${gone}, to be rewound${kept.join('')}`;
}

function originText({ rewound }: ShardEntry): string {
  if (rewound === undefined) return '';
  const { group, member, index, term } = rewound;
  return `, with what member ${member} of group ${group} held up to index ${index} of term ${term}`;
}

function membersText(topology: Topology, { replicas }: ShardEntry): string {
  return replicas
    .map(
      ({ member, node, leaving }) =>
        `${member}@${nodeName(topology, node)}${leaving === true ? ' (leaving)' : ''}`,
    )
    .join(', ');
}

function slotLines(before: readonly SlotRun[], after: readonly SlotRun[]): string[] {
  const counts = new Map<string, number>();
  const [had, has] = [ownersOf(before), ownersOf(after)];
  for (let slot = 0; slot < SLOT_COUNT; slot++) {
    if (had[slot] === has[slot]) continue;
    const key = `shard ${had[slot]} -> shard ${has[slot]}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return [...counts].map(([key, count]) => `${count} slots ${key}`);
}

function ownersOf(runs: readonly SlotRun[]): Uint16Array {
  const owners = new Uint16Array(SLOT_COUNT);
  for (const { from, to, shard } of runs) owners.fill(shard, from, to + 1);
  return owners;
}

function moveLines(before: Topology, after: Topology): string[] {
  const ended = before.moves.filter(({ id }) => !after.moves.some((move) => move.id === id));
  const begun = after.moves.filter(({ id }) => !before.moves.some((move) => move.id === id));
  const calledBack = after.moves.filter(
    ({ id, aborting }) =>
      aborting === true && before.moves.some((move) => move.id === id && move.aborting !== true),
  );
  return [
    ...calledBack.map(({ id }) => `move ${moveName(id)}: called back`),
    ...ended.map(
      ({ id, source, target }) => `- move ${moveName(id)} from shard ${source} to shard ${target}`,
    ),
    ...begun.map(
      ({ id, source, target }) => `+ move ${moveName(id)} from shard ${source} to shard ${target}`,
    ),
  ];
}

function rebalanceLines({ rebalance: before }: Topology, { rebalance: after }: Topology): string[] {
  const [had, has] = [before?.plan, after?.plan];
  const ended = after?.history.filter(({ id }) => !before?.history.some((plan) => plan.id === id)) ?? [];
  const begun =
    has === undefined || has.id === had?.id ? [] : [`+ plan ${moveName(has.id)}: ${has.slots} slots`];
  const isCalledBack = has?.aborting === true && had?.id === has.id && had.aborting !== true;
  const paused = (before?.paused === true) !== (after?.paused === true);
  return [
    ...ended.map(({ id, outcome, moved }) => `- plan ${moveName(id)}: ${outcome}, ${moved} slots moved`),
    ...begun,
    ...(isCalledBack ? [`plan ${moveName(has.id)}: called back`] : []),
    ...(paused ? [`rebalancing ${after?.paused === true ? 'paused' : 'resumed'}`] : []),
  ];
}

/** As people call it: its address, or its id when it is not there any more. */
export function nodeName({ nodes }: Topology, id: string): string {
  const node = nodes.find((entry) => entry.id === id);
  return node === undefined ? id.slice(0, 8) : `${node.host}:${node.clientPort}`;
}
