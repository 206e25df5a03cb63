/** Defaults that follow from other settings. The rows say the same in words. */
import type { Address } from '../env/contracts.ts';
import { PRESETS } from '../gossip/presets.ts';
import type { GossipSettings } from '../gossip/types.ts';
import type { DerivedKey, Settings } from './rows.ts';

/** What defaults need to know of the machine. */
export interface MachineFacts {
  readonly memoryBytes: number;
  readonly hostName: string;
}

/** What a percentage is one of. */
export function memoryShareBytes(
  { memorySharedBy }: Pick<Settings, 'memorySharedBy'>,
  memoryBytes: number,
): number {
  return Math.floor(memoryBytes / memorySharedBy);
}

/** The farthest of the ports from the client port. */
export const PEER_PORT_DISTANCE = 10_000;

const WILDCARDS = new Set(['0.0.0.0', '::']);

/** Listening there is listening on all addresses of the machine. */
export function isWildcard(host: string): boolean {
  return WILDCARDS.has(host);
}

const DEFAULTS: {
  readonly [Key in DerivedKey]: (settings: Settings, machine: MachineFacts) => Settings[Key];
} = {
  id: (settings) => `node-${settings.clientPort}`,
  dataDirectory: (settings) => `.torc/${settings.id}`,
  machine: (_, machine) => machine.hostName,
  redirectPort: (settings) => settings.clientPort + 1000,
  peerPort: (settings) => settings.clientPort + PEER_PORT_DISTANCE,
  adminPort: (settings) => settings.clientPort + 2000,
  announceHost: (settings, machine) => (isWildcard(settings.bind) ? machine.hostName : settings.bind),
  announceClientPort: (settings) => settings.clientPort,
  announceRedirectPort: (settings) => settings.redirectPort,
  announcePeerPort: (settings) => settings.peerPort,
  announceAdminPort: (settings) => settings.adminPort,
  seeds: (settings) => [ownPeerAddress(settings)],
  gossipProbeIntervalMs: (settings) => presetOf(settings).probeIntervalMs,
  gossipProbeTimeoutMs: (settings) => presetOf(settings).probeTimeoutMs,
  gossipIndirectProbes: (settings) => presetOf(settings).indirectProbes,
  gossipSuspicionMult: (settings) => presetOf(settings).suspicionMult,
  gossipSuspicionMaxMult: (settings) => presetOf(settings).suspicionMaxMult,
  gossipRetransmitMult: (settings) => presetOf(settings).retransmitMult,
  gossipNodes: (settings) => presetOf(settings).gossipNodes,
  gossipIntervalMs: (settings) => presetOf(settings).gossipIntervalMs,
  gossipToTheDeadMs: (settings) => presetOf(settings).gossipToTheDeadMs,
  gossipPushPullIntervalMs: (settings) => presetOf(settings).pushPullIntervalMs,
  gossipMetadataIntervalMs: (settings) => presetOf(settings).metadataIntervalMs,
};

/** `settings` holds all that the default depends on: rows come after those that they follow from. */
export function deriveDefault<Key extends DerivedKey>(
  key: Key,
  settings: Settings,
  machine: MachineFacts,
): Settings[Key] {
  return DEFAULTS[key](settings, machine);
}

/** The entry of the seed list that is this node. */
export function ownPeerAddress(settings: Settings): Address {
  return { host: settings.announceHost, port: settings.announcePeerPort };
}

function presetOf({ gossipPreset }: Settings): GossipSettings {
  return PRESETS[gossipPreset];
}

export function gossipSettingsOf(settings: Settings): GossipSettings {
  return {
    ...presetOf(settings),
    probeIntervalMs: settings.gossipProbeIntervalMs,
    probeTimeoutMs: settings.gossipProbeTimeoutMs,
    indirectProbes: settings.gossipIndirectProbes,
    suspicionMult: settings.gossipSuspicionMult,
    suspicionMaxMult: settings.gossipSuspicionMaxMult,
    retransmitMult: settings.gossipRetransmitMult,
    gossipNodes: settings.gossipNodes,
    gossipIntervalMs: settings.gossipIntervalMs,
    gossipToTheDeadMs: settings.gossipToTheDeadMs,
    pushPullIntervalMs: settings.gossipPushPullIntervalMs,
    metadataIntervalMs: settings.gossipMetadataIntervalMs,
  };
}

/** What this node tells the others of itself. */
export function announcementOf(settings: Settings): {
  host: string;
  clientPort: number;
  redirectPort: number;
  peerPort: number;
  adminPort: number;
  zone: string;
  machine: string;
  weight: number;
} {
  return {
    host: settings.announceHost,
    clientPort: settings.announceClientPort,
    redirectPort: settings.announceRedirectPort,
    peerPort: settings.announcePeerPort,
    adminPort: settings.announceAdminPort,
    zone: settings.zone,
    machine: settings.machine,
    weight: settings.weight,
  };
}
