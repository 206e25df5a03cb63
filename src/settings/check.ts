/** Rules over several settings. Each answers with a sentence for the person who gave them. */
import { isWildcard } from './derived.ts';
import type { Settings } from './rows.ts';

type Rule = (settings: Settings) => string | null;

const RULES: readonly Rule[] = [
  portsExist,
  portsDiffer,
  announcedHostIsOne,
  heartbeatsFit,
  probesFit,
  argumentsFit,
  exposureIsGuarded,
];

/** The first rule broken, as a sentence; null when all hold. */
export function checkTogether(settings: Settings): string | null {
  for (const rule of RULES) {
    const problem = rule(settings);
    if (problem !== null) return problem;
  }
  return null;
}

/** `localhost`, 127.0.0.0/8 and ::1: out of reach for other machines. */
function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}

function listeningPorts(settings: Settings): readonly (readonly [string, number])[] {
  return [
    ['client-port', settings.clientPort],
    ['redirect-port', settings.redirectPort],
    ['peer-port', settings.peerPort],
    ['admin-port', settings.adminPort],
  ];
}

/** A default by offset can end above the highest port. */
function portsExist(settings: Settings): string | null {
  const beyond = listeningPorts(settings).find(([, port]) => port > 65_535);
  if (beyond === undefined) return null;
  const [name, port] = beyond;
  return `${name}: its default ${port}, by its distance from client-port ${settings.clientPort}, is not a port from 1 to 65535: give --${name} or a lower --client-port.`;
}

function portsDiffer(settings: Settings): string | null {
  const seen = new Map<number, string>();
  for (const [name, port] of listeningPorts(settings)) {
    const other = seen.get(port);
    if (other !== undefined)
      return `${name}: ${port} is the ${other} already: the ports of a node must differ.`;
    seen.set(port, name);
  }
  return null;
}

/** What can be listened on cannot always be connected to. */
function announcedHostIsOne({ announceHost }: Settings): string | null {
  if (!isWildcard(announceHost)) return null;
  return `announce-host: '${announceHost}' is not allowed: it must be a host that others can connect to.`;
}

/** A follower must miss several heartbeats before it stands for election. */
function heartbeatsFit(settings: Settings): string | null {
  const most = Math.floor(settings.electionTimeoutMs / 3);
  if (settings.heartbeatIntervalMs <= most) return null;
  return `heartbeat-interval-ms: ${settings.heartbeatIntervalMs} is not allowed: it must be at most ${most}, a third of election-timeout-ms (${settings.electionTimeoutMs}).`;
}

/** Others are asked within the interval, and must have time to answer. */
function probesFit({
  gossipProbeTimeoutMs: timeoutMs,
  gossipProbeIntervalMs: intervalMs,
}: Settings): string | null {
  if (timeoutMs < intervalMs) return null;
  return `gossip-probe-timeout-ms: ${timeoutMs} is not allowed: it must be below gossip-probe-interval-ms (${intervalMs}).`;
}

function argumentsFit(settings: Settings): string | null {
  const { protoMaxBulkLenBytes: argument } = settings;
  const holders = [
    ['client-query-buffer-limit', settings.queryBufferLimitBytes],
    ['client-output-buffer-limit', settings.outputBufferLimitBytes],
    ['raft-max-uncommitted-bytes', settings.raftMaxUncommittedBytes],
  ] as const;
  const tooSmall = holders.find(([, limitBytes]) => limitBytes <= argument);
  if (tooSmall === undefined) return null;
  const [name, limitBytes] = tooSmall;
  return `${name}: ${limitBytes} is not allowed: it must be above proto-max-bulk-len (${argument}).`;
}

function exposureIsGuarded(settings: Settings): string | null {
  if (isLoopback(settings.bind) || !settings.protectedMode) return null;
  const missing = [
    ...(settings.requirepass === '' ? ['requirepass'] : []),
    ...(settings.peerSecret === '' ? ['peer-secret'] : []),
  ];
  if (missing.length === 0) return null;
  return `bind: '${settings.bind}' is not loopback and ${missing.join(' and ')} ${missing.length === 1 ? 'is' : 'are'} not set: set ${missing.length === 1 ? 'it' : 'them'}, or say --protected-mode no.`;
}
