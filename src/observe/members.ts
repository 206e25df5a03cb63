/** The nodes as the gossip has them, for those who tell about them. */
import type { GossipReading } from '../admin/metrics-source.ts';
import type { MemberStatus } from '../admin/status.ts';
import { MEMBER_STATES } from '../gossip/types.ts';
import type { Member } from '../gossip/member.ts';
import type { NodeEntry } from '../topology/types.ts';
import type { NodeParts } from './parts.ts';

/** This node and all others that it knows, in the order of their names. */
export function memberStatuses(parts: NodeParts): MemberStatus[] {
  const nowMs = parts.env.clock.monotonicMs();
  const entries = new Map(parts.topology.nodes.map((entry) => [entry.id, entry]));
  return parts.gossip.gossip.members
    .map((member) => memberStatus(member, entries.get(member.name), nowMs))
    .toSorted((a, b) => a.name.localeCompare(b.name, 'en', { numeric: true }));
}

/** What it says of itself; of one that was never heard, what the topology says. */
function memberStatus(
  { name: id, state, incarnation, sinceMs, metadata }: Readonly<Member>,
  entry: NodeEntry | undefined,
  nowMs: number,
): MemberStatus {
  const said = metadata ?? entry;
  return {
    id,
    name: metadata?.label ?? id.slice(0, 8),
    state,
    incarnation,
    stateForMs: Math.max(0, Math.round(nowMs - sinceMs)),
    isInTopology: entry !== undefined,
    isLeaving: entry?.leaving === true,
    host: said?.host ?? '',
    clientPort: said?.clientPort ?? 0,
    redirectPort: said?.redirectPort ?? 0,
    peerPort: said?.peerPort ?? 0,
    adminPort: said?.adminPort ?? 0,
    zone: said?.zone ?? '',
    machine: said?.machine ?? '',
    weight: said?.weight ?? 0,
    version: metadata?.version ?? '',
    load: metadata?.load ?? 0,
    epoch: metadata?.epoch ?? null,
    leads: metadata?.leads.map(({ shard }) => shard) ?? [],
  };
}

export function gossipReading({ gossip: { gossip, traffic, probeDuration } }: NodeParts): GossipReading {
  const { suspicions, refutations, probes, probesFailed } = gossip.counters;
  const members = MEMBER_STATES.map((state) => ({
    state,
    count: gossip.members.filter((member) => member.state === state).length,
  }));
  return {
    members,
    suspicions,
    refutations,
    probes,
    probesFailed,
    localHealth: gossip.localHealth,
    probeDuration,
    ...traffic,
  };
}
