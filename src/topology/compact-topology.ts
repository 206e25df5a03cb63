/**
 * The topology as it is written and sent: JSON, but rows instead of objects, nodes by their place in the list, runs of slots as lengths. A thousand
 * shards are some 200 KiB so, a fifth of what they are in full. What is not named here is as it is.
 */
import type { NodeId, ReplicaEntry, SlotRange, SlotRun, Topology } from './types.ts';

/** Objects of the same fields, as rows; fields at the end of a row that it lacks are left out, others are null. */
interface Rows {
  fields: readonly string[];
  rows: readonly (readonly unknown[])[];
}

/** A node by its place; one that has left the cluster by its id. */
type NodeName = number | NodeId;

export function compactTopology(topology: Topology): Record<string, unknown> {
  const { nodes, shards, slots, rebalance, ...rest } = topology;
  const places = new Map(nodes.map(({ id }, at) => [id, at]));
  const nameOf = (node: NodeId): NodeName => places.get(node) ?? node;
  const compact = {
    ...rest,
    nodes: rowsOf(nodes),
    shards: rowsOf(
      shards.map((shard) => ({
        ...shard,
        home: nameOf(shard.home),
        replicas: shard.replicas.map((replica) => compactReplica(replica, nameOf)),
      })),
    ),
    slots: slots.flatMap(({ from, to, shard }) => [shard, to - from + 1]),
  };
  if (rebalance === undefined) return compact;
  const { plan } = rebalance;
  if (plan === undefined) return { ...compact, rebalance };
  const steps = plan.steps.map(({ source, target, slots: ranges }) => [source, target, ...numbersOf(ranges)]);
  return { ...compact, rebalance: { ...rebalance, plan: { ...plan, steps } } };
}

/** What `compactTopology` made, as it was; whoever calls checks the result. Throws a TypeError when it cannot be read at all. */
export function expandTopology(compact: Record<string, unknown>): Record<string, unknown> {
  const nodes = objectsOf(compact['nodes']);
  const idOf = (name: unknown): unknown => (typeof name === 'number' ? nodes[name]?.['id'] : name);
  const shards = objectsOf(compact['shards']).map((shard) => ({
    ...shard,
    home: idOf(shard['home']),
    replicas: listOf(shard['replicas']).map((row) => expandReplica(listOf(row), idOf)),
  }));
  const expanded = { ...compact, nodes, shards, slots: runsOf(listOf(compact['slots'])) };
  const rebalance = compact['rebalance'];
  const plan = isRecord(rebalance) ? rebalance['plan'] : undefined;
  if (!isRecord(rebalance) || !isRecord(plan)) return expanded;
  const steps = listOf(plan['steps']).map((step) => {
    const [source, target, ...numbers] = listOf(step);
    return { source, target, slots: rangesOf(numbers) };
  });
  return { ...expanded, rebalance: { ...rebalance, plan: { ...plan, steps } } };
}

function compactReplica(
  { member, node, leaving }: ReplicaEntry,
  nameOf: (node: NodeId) => NodeName,
): readonly unknown[] {
  return leaving === undefined ? [member, nameOf(node)] : [member, nameOf(node), leaving];
}

function expandReplica(
  [member, node, leaving]: readonly unknown[],
  idOf: (name: unknown) => unknown,
): object {
  return leaving === undefined ? { member, node: idOf(node) } : { member, node: idOf(node), leaving };
}

function rowsOf(objects: readonly object[]): Rows {
  const fields = [...new Set(objects.flatMap((one) => Object.keys(one)))];
  const rows = objects.map((one) => {
    const values = new Map(Object.entries(one));
    const row: unknown[] = fields.map((field) => values.get(field) ?? null);
    while (row.at(-1) === null) row.pop();
    return row;
  });
  return { fields, rows };
}

function objectsOf(value: unknown): Record<string, unknown>[] {
  if (!isRecord(value)) throw new TypeError('rows are missing');
  const fields = listOf(value['fields']).map(String);
  return listOf(value['rows']).map((row) => {
    const values = listOf(row).map((one, at) => [fields[at] ?? '', one] as const);
    return Object.fromEntries(values.filter(([, one]) => one !== null));
  });
}

/** Runs follow each other: each is its shard and its length. */
function runsOf(numbers: readonly unknown[]): SlotRun[] {
  const runs: SlotRun[] = [];
  let from = 0;
  for (let at = 0; at < numbers.length; at += 2) {
    const to = from + Number(numbers[at + 1]) - 1;
    runs.push({ from, to, shard: Number(numbers[at]) });
    from = to + 1;
  }
  return runs;
}

function numbersOf(ranges: readonly SlotRange[]): number[] {
  return ranges.flatMap(({ from, to }) => [from, to]);
}

function rangesOf(numbers: readonly unknown[]): SlotRange[] {
  const ranges: SlotRange[] = [];
  for (let at = 0; at < numbers.length; at += 2)
    ranges.push({ from: Number(numbers[at]), to: Number(numbers[at + 1]) });
  return ranges;
}

function listOf(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw new TypeError('a list is missing');
  return value;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
