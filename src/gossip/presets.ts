/** Settings for three kinds of networks: memberlist's defaults, but for what a connection makes needless or cheap. */
import type { GossipSettings } from './types.ts';

export const PRESET_NAMES = ['local', 'lan', 'wan'] as const;
export type PresetName = (typeof PRESET_NAMES)[number];

const LAN: GossipSettings = {
  probeIntervalMs: 1000,
  probeTimeoutMs: 500,
  indirectProbes: 3,
  suspicionMult: 4,
  suspicionMaxMult: 6,
  retransmitMult: 4,
  gossipNodes: 3,
  gossipIntervalMs: 200,
  gossipToTheDeadMs: 30_000,
  pushPullIntervalMs: 30_000,
  awarenessMax: 8,
  // A connection has no packets: what memberlist keeps below 1,400 may be larger here.
  messageBytes: 8192,
  metadataIntervalMs: 30_000,
};

export const PRESETS: Readonly<Record<PresetName, GossipSettings>> = {
  lan: LAN,
  /** All nodes on one machine. */
  local: {
    ...LAN,
    probeTimeoutMs: 200,
    indirectProbes: 1,
    suspicionMult: 3,
    retransmitMult: 2,
    gossipIntervalMs: 100,
    gossipToTheDeadMs: 15_000,
    pushPullIntervalMs: 15_000,
  },
  /** Between regions. */
  wan: {
    ...LAN,
    probeIntervalMs: 5000,
    probeTimeoutMs: 3000,
    suspicionMult: 6,
    gossipNodes: 4,
    gossipIntervalMs: 500,
    gossipToTheDeadMs: 60_000,
    pushPullIntervalMs: 60_000,
  },
};
