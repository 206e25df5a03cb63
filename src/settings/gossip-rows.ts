/** Settings of the gossip. All but the preset follow from it. */
import { PRESET_NAMES, PRESETS } from '../gossip/presets.ts';
import type { GossipSettings } from '../gossip/types.ts';
import { choice, count } from './kinds.ts';
import type { SettingRow } from './rows.ts';

const OWN = { group: 'Gossip', scope: 'node', changed: 'start' } as const;

/** What each preset has: `local 1000, lan 1000, wan 5000`. */
function byPreset(key: keyof GossipSettings): { readonly derived: string } {
  return { derived: PRESET_NAMES.map((name) => `${name} ${PRESETS[name][key]}`).join(', ') };
}

export const GOSSIP_ROWS = {
  gossipPreset: {
    ...OWN,
    name: 'gossip-preset',
    kind: choice(PRESET_NAMES),
    default: 'lan',
    meaning:
      'How patient nodes are with each other: all on one machine (local), in one region (lan), or in several (wan).',
  },
  gossipProbeIntervalMs: {
    ...OWN,
    name: 'gossip-probe-interval-ms',
    kind: count(100, 600_000, 'ms'),
    default: byPreset('probeIntervalMs'),
    meaning: 'One other node is probed each interval.',
  },
  gossipProbeTimeoutMs: {
    ...OWN,
    name: 'gossip-probe-timeout-ms',
    kind: count(50, 600_000, 'ms'),
    default: byPreset('probeTimeoutMs'),
    meaning: 'After this long without an answer, other nodes are asked to probe it, too.',
  },
  gossipIndirectProbes: {
    ...OWN,
    name: 'gossip-indirect-probes',
    kind: count(0, 16),
    default: byPreset('indirectProbes'),
    meaning: 'How many.',
  },
  gossipSuspicionMult: {
    ...OWN,
    name: 'gossip-suspicion-mult',
    kind: count(2, 100),
    default: byPreset('suspicionMult'),
    meaning:
      'The least time in which a suspect may refute, in probe intervals; times the decimal logarithm of the number of nodes above ten.',
  },
  gossipSuspicionMaxMult: {
    ...OWN,
    name: 'gossip-suspicion-max-mult',
    kind: count(1, 100),
    default: byPreset('suspicionMaxMult'),
    meaning: 'A suspicion that nobody confirms takes this many times the least.',
  },
  gossipRetransmitMult: {
    ...OWN,
    name: 'gossip-retransmit-mult',
    kind: count(1, 100),
    default: byPreset('retransmitMult'),
    meaning: 'How often a node passes a rumour on, times the decimal places of the number of nodes.',
  },
  gossipNodes: {
    ...OWN,
    name: 'gossip-nodes',
    kind: count(1, 64),
    default: byPreset('gossipNodes'),
    meaning: 'To how many nodes what is new is sent each gossip interval.',
  },
  gossipIntervalMs: {
    ...OWN,
    name: 'gossip-interval-ms',
    kind: count(50, 60_000, 'ms'),
    default: byPreset('gossipIntervalMs'),
    meaning: 'How often, while there is something new.',
  },
  gossipToTheDeadMs: {
    ...OWN,
    name: 'gossip-to-the-dead-ms',
    kind: count(0, 3_600_000, 'ms'),
    default: byPreset('gossipToTheDeadMs'),
    meaning: 'For how long a dead node is told that it is: it may be alive.',
  },
  gossipPushPullIntervalMs: {
    ...OWN,
    name: 'gossip-push-pull-interval-ms',
    kind: count(1000, 3_600_000, 'ms'),
    default: byPreset('pushPullIntervalMs'),
    meaning: 'How often a node compares all that it knows with another; more seldom above 32 nodes.',
  },
  gossipMetadataIntervalMs: {
    ...OWN,
    name: 'gossip-metadata-interval-ms',
    kind: count(1000, 3_600_000, 'ms'),
    default: byPreset('metadataIntervalMs'),
    meaning:
      'The least time between two tellings of a node of its load and topology epoch alone; more above 32 nodes.',
  },
} as const satisfies Record<string, SettingRow>;
