import { randomBytes } from 'node:crypto';

import type { Log, LogEvent, LogFields } from '../../src/log.ts';
import type { PeerPortEnv } from '../../src/transport/peer-port.ts';
import { SystemClock } from '../../src/env/clock.ts';
import { systemNetwork } from '../../src/env/network.ts';
import { PeerPort } from '../../src/transport/peer-port.ts';
import type { LocalPeer } from '../../src/transport/handshake.ts';
import { startMesh } from '../../src/transport/mesh.ts';
import type { MeshLimits } from '../../src/transport/mesh.ts';
import type { Mesh, PeerLink, SectionKind } from '../../src/transport/types.ts';
import type { NodeId } from '../../src/topology/types.ts';

const CLUSTER = 'c'.repeat(40);

/** Node ids that sort as their numbers. */
export function nodeId(number: number): NodeId {
  return number.toString(16).padStart(40, '0');
}

export const realEnv: PeerPortEnv = {
  clock: new SystemClock(),
  timers: {
    after(delayMs, run) {
      const timer = setTimeout(run, delayMs);
      return { cancel: () => clearTimeout(timer) };
    },
    endOfTurn: (run) => void setImmediate(run),
  },
  random: {
    uint32: () => randomBytes(4).readUInt32LE(0),
    bytes: (sizeBytes) => randomBytes(sizeBytes),
  },
  network: systemNetwork,
};

/** Notes each line as text: level, event, and what its fields say. */
export function recordingLog(lines: string[]): Log {
  const note =
    (level: string) =>
    (event: LogEvent, fields: LogFields = {}): void => {
      lines.push(`${level}: ${event} ${Object.values(fields).join(' ')}`);
    };
  return { debug: note('debug'), info: note('info'), warn: note('warn'), error: note('error') };
}

export async function until(condition: () => boolean, what = 'it'): Promise<void> {
  const deadline = Date.now() + 8_000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

export function localPeer(number: number, changes: Partial<LocalPeer> = {}): LocalPeer {
  return {
    node: nodeId(number),
    past: { start: 1, life: number, logBorn: 1, logEnd: 0 },
    clusterId: CLUSTER,
    announced: {
      host: '127.0.0.1',
      clientPort: 6379,
      redirectPort: 7379,
      peerPort: 16379,
      adminPort: 8379,
      zone: 'a',
      machine: 'm',
      weight: 1,
    },
    settings: { durability: 'fsync', 'ring-vnodes': 8 },
    secret: 'between us',
    versionMin: 1,
    versionMax: 1,
    ...changes,
  };
}

interface Received {
  from: NodeId;
  kind: SectionKind;
  text: string;
}

interface Part {
  from: NodeId;
  kind: SectionKind;
  filledBytes: number;
}

export interface TestNode {
  port: PeerPort;
  local: LocalPeer;
  mesh: Mesh;
  received: Received[];
  /** Of parcels that were not whole yet. */
  parts: Part[];
  events: string[];
  reports: string[];
  link(number: number): PeerLink;
}

export async function openPort(
  local: LocalPeer,
  reports: string[],
  env = realEnv,
  handshakeTimeoutMs = 3_000,
): Promise<{ port: PeerPort; local: LocalPeer }> {
  const holder = { local };
  const port = await PeerPort.open(env, {
    listen: { host: '127.0.0.1', port: 0, purpose: 'peer port' },
    local: () => holder.local,
    log: recordingLog(reports),
    handshakeTimeoutMs,
  });
  holder.local = { ...local, announced: { ...local.announced, peerPort: port.address.port } };
  return { port, local: holder.local };
}

/** Meshes on loopback that know each other's ports; `locals` are in the order of their node ids. */
export async function openMeshes(
  locals: readonly LocalPeer[],
  limits: Partial<MeshLimits> = {},
): Promise<TestNode[]> {
  const reports = locals.map((): string[] => []);
  const ports = await Promise.all(locals.map((local, i) => openPort(local, reports[i])));
  const peers = ports.map(({ local, port }) => ({ node: local.node, address: port.address }));
  return ports.map(({ port, local }, i) => joinMesh(port, local, peers, reports[i], limits));
}

export function joinMesh(
  port: PeerPort,
  local: LocalPeer,
  peers: readonly { node: NodeId; address: { host: string; port: number } }[],
  reports: string[],
  limits: Partial<MeshLimits> = {},
): TestNode {
  const received: Received[] = [];
  const events: string[] = [];
  const parts: Part[] = [];
  const mesh = startMesh(realEnv, port, {
    peers,
    handler: {
      onSection(peer, kind, bytes, start, end) {
        received.push({ from: peer.node, kind, text: bytes.toString('latin1', start, end) });
      },
      onParcelPart: (peer, kind, _bytes, filledBytes) => parts.push({ from: peer.node, kind, filledBytes }),
      onParcelsTaken: () => undefined,
      onConnected: (peer) => events.push(`connected ${parseInt(peer.node, 16)}`),
      onDisconnected: (peer) => events.push(`disconnected ${parseInt(peer.node, 16)}`),
    },
    log: recordingLog(reports),
    epoch: () => ({ generation: 1, epoch: 1 }),
    // Who dials by rule does so alone, however slow the machine is: two that dial at once replace each other's connection.
    limits: { reverseDialMs: 60_000, ...limits },
  });
  return {
    port,
    local,
    mesh,
    received,
    parts,
    events,
    reports,
    link: (number) => mesh.links.get(nodeId(number))!,
  };
}
