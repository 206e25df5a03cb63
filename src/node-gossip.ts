/** What a node says of itself in the gossip, read from its parts. */
import type { Metadata } from './gossip/types.ts';
import type { NodeParts } from './observe/parts.ts';
import { NodeGossip } from './server/node-gossip.ts';
import { announcementOf, gossipSettingsOf } from './settings/derived.ts';
import type { Log } from './log.ts';
import { VERSION } from './version.ts';

export function joinGossip(parts: Omit<NodeParts, 'gossip'>, wake: () => void, log: Log): NodeGossip {
  const { env, settings, self, start, mesh, loopDelay } = parts;
  return new NodeGossip({
    self,
    start,
    settings: gossipSettingsOf(settings),
    get topology() {
      return parts.topology;
    },
    links: () => mesh.links,
    nowMs: () => env.clock.monotonicMs(),
    worstDelayMs: () => loopDelay.takeWorstMs(),
    metadata: () => metadataOf(parts),
    random: () => env.random.uint32(),
    wake,
    log,
  });
}

function metadataOf({ settings, topology, replicas, rates }: Omit<NodeParts, 'gossip'>): Metadata {
  const { generation, epoch } = topology;
  return {
    ...announcementOf(settings),
    label: settings.id,
    version: VERSION,
    load: roundedLoad(rates.commandsPerSecond),
    epoch: { generation, epoch },
    leads: replicas.filter(({ isLeader }) => isLeader).map(({ shard, raft }) => ({ shard, term: raft.term })),
  };
}

/** To a power of two: only a load that is another by far is told. */
function roundedLoad(commandsPerSecond: number): number {
  return commandsPerSecond < 1 ? 0 : 2 ** Math.round(Math.log2(commandsPerSecond));
}
