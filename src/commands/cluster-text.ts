/** The cluster as a Redis Cluster shows it: every node is a master of the slots that it leads, and has no replicas. */
import type { ClusterNode, ClusterView, SlotRange } from './cluster-view.ts';
import { SLOT_COUNT, type NodeId } from '../topology/types.ts';

/** A node with the slots that it leads, or has led last, in runs, sorted. */
export interface Owner {
  node: ClusterNode;
  runs: readonly SlotRange[];
  /** Rises with every change of what it leads: the sum of the terms that it leads in. */
  epoch: number;
}

/**
 * In the topology's order. While a shard elects, its slots are its last leader's still: clients take a slot that nobody has for an error, where a command
 * would wait some milliseconds. Those of a leader that counts as dead are nobody's until another one leads them.
 */
export function ownersOf(view: ClusterView): Owner[] {
  return view.nodes.map((node) => {
    const shards = node.failed ? [] : view.shards.filter(({ lastLeader }) => lastLeader === node.id);
    const led = shards.filter(({ leader }) => leader === node.id);
    return {
      node,
      runs: joinRuns(shards.flatMap(({ slots }) => slots)),
      epoch: led.reduce((sum, { term }) => sum + term, 0),
    };
  });
}

/** Slots with a leader that does not count as dead. */
function slotsLed({ nodes, shards }: ClusterView): number {
  const alive = new Set(nodes.filter(({ failed }) => !failed).map(({ id }) => id));
  return countSlots(
    shards.filter(({ leader }) => leader !== null && alive.has(leader)).flatMap(({ slots }) => slots),
  );
}

function joinRuns(ranges: readonly SlotRange[]): SlotRange[] {
  const runs: SlotRange[] = [];
  for (const range of ranges.toSorted((one, other) => one.from - other.from)) {
    const last = runs.at(-1);
    if (last !== undefined && last.to + 1 === range.from) last.to = range.to;
    else runs.push({ ...range });
  }
  return runs;
}

/** CLUSTER NODES: `id host:port@cport flags master ping-sent pong-received epoch link slots…`, a line a node. */
export function nodesText(view: ClusterView): string {
  return ownersOf(view)
    .map(({ node, runs, epoch }) => {
      const address = `${node.host}:${node.redirectPort}@${node.peerPort}`;
      const heard = Math.floor(node.heardWallMs);
      const link = node.connected ? 'connected' : 'disconnected';
      const slots = runs.map(({ from, to }) => (from === to ? ` ${from}` : ` ${from}-${to}`)).join('');
      return `${node.id} ${address} ${flagsOf(node, view.self)} - 0 ${heard} ${epoch} ${link}${slots}\n`;
    })
    .join('');
}

function flagsOf(node: ClusterNode, self: NodeId): string {
  const flags = node.id === self ? 'myself,master' : 'master';
  return node.failed ? `${flags},fail` : flags;
}

/** CLUSTER INFO. `ok` only while every slot has a leader. */
export function infoText(view: ClusterView): string {
  const owners = ownersOf(view);
  const led = slotsLed(view);
  const assigned = countSlots(view.shards.flatMap((shard) => shard.slots));
  const epochs = owners.map(({ epoch }) => epoch);
  const own = owners.find(({ node }) => node.id === view.self);
  const lines: [string, string | number][] = [
    ['cluster_state', led === SLOT_COUNT ? 'ok' : 'fail'],
    ['cluster_slots_assigned', assigned],
    ['cluster_slots_ok', led],
    ['cluster_slots_pfail', 0],
    ['cluster_slots_fail', assigned - led],
    ['cluster_known_nodes', owners.length],
    ['cluster_size', owners.filter(({ runs }) => runs.length > 0).length],
    ['cluster_current_epoch', Math.max(view.epoch, ...epochs)],
    ['cluster_my_epoch', own?.epoch ?? 0],
    ['cluster_stats_messages_sent', 0],
    ['cluster_stats_messages_received', 0],
    ['total_cluster_links_buffer_limit_exceeded', 0],
  ];
  return lines.map(([name, value]) => `${name}:${value}\r\n`).join('');
}

function countSlots(ranges: readonly SlotRange[]): number {
  return ranges.reduce((sum, { from, to }) => sum + to - from + 1, 0);
}
