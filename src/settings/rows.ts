/**
 * Every setting, one row each. From these rows come --help, the README's table, validation, CONFIG GET and CONFIG SET.
 * The variable is `TORC_` and the name in capitals; the flag is `--` and the name.
 */
import { MAX_WEIGHT } from '../../ring/index.ts';
import { GOSSIP_ROWS } from './gossip-rows.ts';
import { MEMORY_ROWS } from './memory-rows.ts';
import {
  addresses,
  choice,
  count,
  GIB,
  host,
  MIB,
  oddCount,
  outputLimit,
  port,
  size,
  text,
  yesNo,
  type Kind,
} from './kinds.ts';

export const GROUPS = [
  'Node',
  'Addresses',
  'Cluster',
  'Memory',
  'Security',
  'Clients',
  'Disk',
  'Replication',
  'Rebalancing',
  'Gossip',
  'Observation',
] as const;

export interface SettingRow {
  readonly group: (typeof GROUPS)[number];
  /** As CONFIG names it. */
  readonly name: string;
  /** Other names that CONFIG and the configuration file know it by, mostly Redis's. */
  readonly aliases?: readonly string[];
  readonly kind: Kind<unknown>;
  /** Text as a person would write it, or how it is derived from others (`derived.ts`), in words. */
  readonly default: string | { readonly derived: string };
  /** `cluster`: all nodes must have the same value; nodes that differ refuse each other. */
  readonly scope: 'node' | 'cluster';
  /** `live`: CONFIG SET changes it. */
  readonly changed: 'live' | 'start';
  /** Never shown: neither in logs nor by CONFIG GET. */
  readonly secret?: boolean;
  /** `torc dev` gives each of its nodes a value of its own. */
  readonly setByDev?: boolean;
  readonly meaning: string;
}

const SECRET = text(/^[^\s\0]{0,512}$/, 'at most 512 characters without spaces');
const LABEL = text(/^[A-Za-z0-9._-]{0,64}$/, 'at most 64 letters, digits, dots, dashes or underscores');

const ROWS = {
  id: {
    group: 'Node',
    name: 'id',
    kind: text(/^[A-Za-z0-9._-]{1,64}$/, '1 to 64 letters, digits, dots, dashes or underscores'),
    default: { derived: 'node-<client-port>' },
    scope: 'node',
    changed: 'start',
    setByDev: true,
    meaning:
      'What people call this node: in logs, tables and metrics. Its identity is drawn at its first start and kept in its data.',
  },
  dataDirectory: {
    group: 'Node',
    name: 'data',
    aliases: ['dir'],
    kind: text(/^[^\0]{1,4096}$/, 'a directory'),
    default: { derived: '.torc/<id>' },
    scope: 'node',
    changed: 'start',
    setByDev: true,
    meaning: 'Directory of the log and the snapshots. One node uses it at a time.',
  },
  zone: {
    group: 'Node',
    name: 'zone',
    kind: LABEL,
    default: '',
    scope: 'node',
    changed: 'start',
    setByDev: true,
    meaning: 'Label of the failure zone. Replicas of a shard go to distinct zones first.',
  },
  machine: {
    group: 'Node',
    name: 'host',
    kind: text(/^[^\s\0]{1,253}$/, 'a name without spaces'),
    default: { derived: "the machine's host name" },
    scope: 'node',
    changed: 'start',
    setByDev: true,
    meaning: 'Label of the machine that the node runs on. Replicas of a shard go to distinct machines.',
  },
  weight: {
    group: 'Node',
    name: 'weight',
    kind: count(1, MAX_WEIGHT),
    default: '1',
    scope: 'node',
    changed: 'start',
    setByDev: true,
    meaning:
      'Share of the slots that the home shard of this node gets, relative to the others. torc node weight changes it later.',
  },

  bind: {
    group: 'Addresses',
    name: 'bind',
    kind: host,
    default: '127.0.0.1',
    scope: 'node',
    changed: 'start',
    meaning:
      'Address that all ports listen on; 0.0.0.0 or :: for all. Other than loopback takes requirepass and peer-secret.',
  },
  clientPort: {
    group: 'Addresses',
    name: 'client-port',
    aliases: ['port'],
    kind: port,
    default: '6379',
    scope: 'node',
    changed: 'start',
    setByDev: true,
    meaning: 'Port for any Redis client: looks like one standalone master, any node takes any command.',
  },
  redirectPort: {
    group: 'Addresses',
    name: 'redirect-port',
    kind: port,
    default: { derived: 'client-port + 1000' },
    scope: 'node',
    changed: 'start',
    setByDev: true,
    meaning: 'Port for Redis Cluster clients: answers MOVED and CLUSTER SLOTS.',
  },
  peerPort: {
    group: 'Addresses',
    name: 'peer-port',
    kind: port,
    default: { derived: 'client-port + 10000' },
    scope: 'node',
    changed: 'start',
    setByDev: true,
    meaning: 'Port for the other nodes.',
  },
  adminPort: {
    group: 'Addresses',
    name: 'admin-port',
    kind: port,
    default: { derived: 'client-port + 2000' },
    scope: 'node',
    changed: 'start',
    setByDev: true,
    meaning: 'Port for HTTP: /metrics, /livez, /readyz, /api/status.',
  },
  announceHost: {
    group: 'Addresses',
    name: 'announce-host',
    aliases: ['cluster-announce-ip'],
    kind: host,
    default: { derived: "bind, or the machine's host name when bind is 0.0.0.0 or ::" },
    scope: 'node',
    changed: 'start',
    setByDev: true,
    meaning: 'Host that other nodes and clients are told to connect to.',
  },
  announceClientPort: {
    group: 'Addresses',
    name: 'announce-client-port',
    kind: port,
    default: { derived: 'client-port' },
    scope: 'node',
    changed: 'start',
    setByDev: true,
    meaning: 'Client port that others are told.',
  },
  announceRedirectPort: {
    group: 'Addresses',
    name: 'announce-redirect-port',
    kind: port,
    default: { derived: 'redirect-port' },
    scope: 'node',
    changed: 'start',
    setByDev: true,
    meaning: 'Redirect port that others are told.',
  },
  announcePeerPort: {
    group: 'Addresses',
    name: 'announce-peer-port',
    kind: port,
    default: { derived: 'peer-port' },
    scope: 'node',
    changed: 'start',
    setByDev: true,
    meaning: 'Peer port that others are told.',
  },
  announceAdminPort: {
    group: 'Addresses',
    name: 'announce-admin-port',
    kind: port,
    default: { derived: 'admin-port' },
    scope: 'node',
    changed: 'start',
    setByDev: true,
    meaning: 'Admin port that others are told.',
  },
  seeds: {
    group: 'Addresses',
    name: 'seeds',
    kind: addresses,
    default: { derived: "this node's own announced peer address: it founds alone" },
    scope: 'node',
    changed: 'start',
    setByDev: true,
    meaning:
      'Announced peer addresses (host:peerPort) of nodes; those of the first start are the same list on every node, and found the cluster, once. A node that comes later is taken in by any of them that is there; one that does not reach most of its cluster looks for it there.',
  },
  replace: {
    group: 'Addresses',
    name: 'replace',
    kind: text(/^[^\s\0]{0,300}$/, 'the name or number of a node, host:port, or the beginning of its id'),
    default: '',
    scope: 'node',
    changed: 'start',
    setByDev: true,
    meaning:
      'Dead node of the cluster whose place a new one takes at its first start: its name or number, host:port, or the beginning of its id.',
  },

  durability: {
    group: 'Cluster',
    name: 'durability',
    kind: choice(['fsync', 'buffered']),
    default: 'fsync',
    scope: 'cluster',
    changed: 'start',
    meaning:
      'An acknowledged write is synced on a majority (fsync), or written there and synced soon after (buffered).',
  },
  replicationFactor: {
    group: 'Cluster',
    name: 'replication-factor',
    kind: oddCount(7),
    default: '3',
    scope: 'cluster',
    changed: 'start',
    meaning: 'Replicas of each shard, as far as there are nodes.',
  },
  placeReplicas: {
    group: 'Cluster',
    name: 'place-replicas',
    kind: yesNo,
    default: 'yes',
    scope: 'cluster',
    changed: 'start',
    meaning:
      'Replicas are placed by themselves as nodes come and leave. With no they stay where they are: no node can leave then.',
  },
  replaceAfterSeconds: {
    group: 'Cluster',
    name: 'replace-after',
    aliases: ['replaceAfter'],
    kind: count(0, 31_536_000, 's'),
    default: '600',
    scope: 'cluster',
    changed: 'start',
    meaning:
      'A node that is silent for so long is taken for lost: its replicas are made anew on others, as far as these have room, one node at a time, and never while more than a third of the nodes is silent. 0: never.',
  },
  ringVnodes: {
    group: 'Cluster',
    name: 'ring-vnodes',
    aliases: ['ring.vnodes'],
    kind: count(1, 1024),
    default: '8',
    scope: 'cluster',
    changed: 'start',
    meaning:
      'Tokens of each shard on the ring. Quotas do the balancing: more tokens only cut the slots into more ranges.',
  },
  heartbeatIntervalMs: {
    group: 'Cluster',
    name: 'heartbeat-interval-ms',
    kind: count(5, 10_000, 'ms'),
    default: '60',
    scope: 'cluster',
    changed: 'start',
    meaning: 'How often a leader is heard by its followers; at most a third of election-timeout-ms.',
  },
  electionTimeoutMs: {
    group: 'Cluster',
    name: 'election-timeout-ms',
    kind: count(50, 60_000, 'ms'),
    default: '400',
    scope: 'cluster',
    changed: 'start',
    meaning:
      'How long a member that has heard a leader votes for no other, and the least silence after which it stands for election.',
  },
  electionSpreadMs: {
    group: 'Cluster',
    name: 'election-spread-ms',
    kind: count(10, 60_000, 'ms'),
    default: '200',
    scope: 'cluster',
    changed: 'start',
    meaning:
      'Added to election-timeout-ms in turns, each member in a random moment of its own part, so that members do not stand at once.',
  },

  rebalanceAuto: {
    group: 'Rebalancing',
    name: 'rebalance-auto',
    aliases: ['rebalance.auto'],
    kind: yesNo,
    default: 'yes',
    scope: 'cluster',
    changed: 'start',
    meaning:
      'Slots move by themselves when shards are off their shares; those of nodes that leave in any case.',
  },
  rebalanceBy: {
    group: 'Rebalancing',
    name: 'rebalance-by',
    aliases: ['rebalance.by'],
    kind: choice(['slots', 'bytes', 'ops']),
    default: 'slots',
    scope: 'cluster',
    changed: 'start',
    meaning:
      'What shards get their share of, by weight: slots; or the bytes in them or commands a second, when a shard is a tenth off.',
  },

  ...MEMORY_ROWS,

  requirepass: {
    group: 'Security',
    name: 'requirepass',
    kind: SECRET,
    default: '',
    scope: 'node',
    changed: 'live',
    secret: true,
    meaning: 'Password that clients give with AUTH or HELLO; empty for none.',
  },
  peerSecret: {
    group: 'Security',
    name: 'peer-secret',
    kind: SECRET,
    default: '',
    scope: 'cluster',
    changed: 'start',
    secret: true,
    meaning: 'Secret that nodes prove to each other that they know.',
  },
  protectedMode: {
    group: 'Security',
    name: 'protected-mode',
    kind: yesNo,
    default: 'yes',
    scope: 'node',
    changed: 'start',
    meaning:
      'Refuses to listen elsewhere than on loopback without requirepass and peer-secret. Only an outright no lifts it.',
  },

  maxclients: {
    group: 'Clients',
    name: 'maxclients',
    kind: count(1, 1_000_000),
    default: '10000',
    scope: 'node',
    changed: 'live',
    meaning:
      'Connections of clients; one more gets an error and is closed. Lowered at start if the process may open too few files.',
  },
  idleTimeoutSeconds: {
    group: 'Clients',
    name: 'timeout',
    kind: count(0, 2_147_483_647, 's'),
    default: '0',
    scope: 'node',
    changed: 'live',
    meaning: 'A client idle for so long is disconnected; 0 for never.',
  },
  tcpKeepaliveSeconds: {
    group: 'Clients',
    name: 'tcp-keepalive',
    kind: count(0, 86_400, 's'),
    default: '300',
    scope: 'node',
    changed: 'start',
    meaning: 'Interval of TCP keep-alive on connections of clients; 0 for none.',
  },
  protoMaxBulkLenBytes: {
    group: 'Clients',
    name: 'proto-max-bulk-len',
    kind: size(MIB, 512 * MIB),
    default: '64mb',
    scope: 'node',
    changed: 'live',
    meaning: 'The largest single argument of a command.',
  },
  queryBufferLimitBytes: {
    group: 'Clients',
    name: 'client-query-buffer-limit',
    kind: size(MIB, 4 * GIB),
    default: '256mb',
    scope: 'node',
    changed: 'live',
    meaning: 'The largest command; a client that sends a larger one is disconnected.',
  },
  outputBufferLimitBytes: {
    group: 'Clients',
    name: 'client-output-buffer-limit',
    kind: outputLimit(MIB, 4 * GIB),
    default: '256mb',
    scope: 'node',
    changed: 'live',
    meaning:
      'Replies that a client has not read yet; one that leaves more is disconnected. CONFIG GET tells it for each class.',
  },
  parkTimeoutMs: {
    group: 'Clients',
    name: 'park-timeout-ms',
    kind: count(0, 600_000, 'ms'),
    default: '2000',
    scope: 'node',
    changed: 'live',
    meaning: "How long commands wait for a shard's leader; after that they get CLUSTERDOWN and have not run.",
  },
  parkBufferLimitBytes: {
    group: 'Clients',
    name: 'park-buffer-limit',
    kind: size(MIB, 4 * GIB),
    default: '256mb',
    scope: 'node',
    changed: 'live',
    meaning: 'Bytes of commands that wait for leaders; beyond it they get CLUSTERDOWN at once.',
  },
  outcomeTimeoutMs: {
    group: 'Clients',
    name: 'outcome-timeout-ms',
    kind: count(100, 600_000, 'ms'),
    default: '5000',
    scope: 'node',
    changed: 'live',
    meaning: 'How long a write under way is retried until INDETERMINATE is answered: it may have run.',
  },
  slowlogSlowerThanUs: {
    group: 'Clients',
    name: 'slowlog-log-slower-than',
    kind: count(-1, 1_000_000_000, 'µs'),
    default: '10000',
    scope: 'node',
    changed: 'live',
    meaning: 'Commands on keys that take longer go to SLOWLOG; 0 for all of them, -1 for none.',
  },
  slowlogMaxLen: {
    group: 'Clients',
    name: 'slowlog-max-len',
    kind: count(0, 100_000),
    default: '128',
    scope: 'node',
    changed: 'live',
    meaning: 'Entries that SLOWLOG keeps.',
  },

  walSegmentBytes: {
    group: 'Disk',
    name: 'wal-segment-bytes',
    kind: size(MIB, 4 * GIB),
    default: '64mb',
    scope: 'node',
    changed: 'start',
    meaning: 'Size of one file of the log.',
  },
  snapshotAfterBytes: {
    group: 'Disk',
    name: 'snapshot-after-bytes',
    kind: size(MIB, 64 * GIB),
    default: '128mb',
    scope: 'node',
    changed: 'start',
    meaning: "Growth of a shard's log after which a snapshot is made and the log is cut.",
  },
  stopTimeoutMs: {
    group: 'Disk',
    name: 'stop-timeout-ms',
    kind: count(0, 600_000, 'ms'),
    default: '10000',
    scope: 'node',
    changed: 'start',
    meaning: 'How long a stop waits for leadership to be handed over and for commands under way.',
  },

  raftArrearsMs: {
    group: 'Replication',
    name: 'raft-arrears-ms',
    kind: count(0, 100, 'ms'),
    default: '2',
    scope: 'node',
    changed: 'start',
    meaning:
      'How long the replicas that no commit waits for may lack what the others hold: they get it in fewer, larger appends. 0: all get all at once.',
  },
  raftMaxEntriesPerMessage: {
    group: 'Replication',
    name: 'raft-max-entries-per-message',
    kind: count(1, 65_536),
    default: '1024',
    scope: 'node',
    changed: 'start',
    meaning: 'Entries in one append.',
  },
  raftMaxBytesPerMessage: {
    group: 'Replication',
    name: 'raft-max-bytes-per-message',
    kind: size(4096, 64 * MIB),
    default: '1mb',
    scope: 'node',
    changed: 'start',
    meaning: 'Bytes of entries in one append; a single larger entry goes alone.',
  },
  raftMaxMessagesInFlight: {
    group: 'Replication',
    name: 'raft-max-messages-in-flight',
    kind: count(1, 1024),
    default: '16',
    scope: 'node',
    changed: 'start',
    meaning: 'Appends that a follower has not answered yet.',
  },
  raftMaxBytesInFlight: {
    group: 'Replication',
    name: 'raft-max-bytes-in-flight',
    kind: size(4096, GIB),
    default: '16mb',
    scope: 'node',
    changed: 'start',
    meaning: 'Bytes of appends that a follower has not answered yet.',
  },
  raftMaxUncommittedBytes: {
    group: 'Replication',
    name: 'raft-max-uncommitted-bytes',
    kind: size(MIB, 4 * GIB),
    default: '256mb',
    scope: 'node',
    changed: 'start',
    meaning:
      "The tail of a leader's log that is not committed, or that its own disk has not taken; beyond it writes are refused and have not run.",
  },
  raftMaxSnapshotChunkBytes: {
    group: 'Replication',
    name: 'raft-max-snapshot-chunk-bytes',
    kind: size(4096, 16 * MIB),
    default: '1mb',
    scope: 'node',
    changed: 'start',
    meaning: 'Bytes of a snapshot in one message.',
  },
  bulkBufferLimitBytes: {
    group: 'Replication',
    name: 'bulk-buffer-limit',
    kind: size(64 * 1024, GIB),
    default: '16mb',
    scope: 'node',
    changed: 'start',
    meaning: 'Bytes queued for one node on its bulk connection; what would exceed them waits.',
  },

  rebalanceMaxBytesPerSecond: {
    group: 'Rebalancing',
    name: 'rebalance-max-bytes-per-second',
    kind: size(0, 64 * GIB),
    default: '256mb',
    scope: 'node',
    changed: 'live',
    meaning:
      'How fast this node sends slots that move to other shards; slower by itself while commands take more than 5 ms and twice as long as before. 0: no limit.',
  },
  ...GOSSIP_ROWS,

  logLevel: {
    group: 'Observation',
    name: 'log-level',
    kind: choice(['debug', 'info', 'warn', 'error']),
    default: 'info',
    scope: 'node',
    changed: 'live',
    meaning: 'The least severe events that are logged.',
  },
  logFormat: {
    group: 'Observation',
    name: 'log-format',
    kind: choice(['json', 'pretty']),
    default: 'json',
    scope: 'node',
    changed: 'start',
    meaning: 'One JSON object a line, or a line for people (torc dev).',
  },
  loopDelayIntervalMs: {
    group: 'Observation',
    name: 'loop-delay-interval-ms',
    kind: count(1, 1000, 'ms'),
    default: '10',
    scope: 'node',
    changed: 'start',
    meaning:
      'How often the delay of the event loop is sampled: a hold that is not longer may hide. 1 costs an idle node some 2 % of a core.',
  },
} as const satisfies Record<string, SettingRow>;

export type SettingKey = keyof typeof ROWS;

type ValueOf<Row> = Row extends { kind: Kind<infer Value> } ? Value : never;

/** The value of every setting; the keys say the unit. Those that change live are changed in place: read them when they are needed. */
export type Settings = { readonly [Key in SettingKey]: ValueOf<(typeof ROWS)[Key]> };

/** Settings whose default is worked out from others. */
export type DerivedKey = {
  [Key in SettingKey]: (typeof ROWS)[Key]['default'] extends string ? never : Key;
}[SettingKey];

export const SETTING_KEYS = Object.keys(ROWS) as readonly SettingKey[];

export function rowOf(key: SettingKey): SettingRow {
  return ROWS[key];
}

export function variableOf(row: SettingRow): string {
  return `TORC_${row.name.replaceAll('-', '_').toUpperCase()}`;
}

const KEY_BY_NAME: ReadonlyMap<string, SettingKey> = new Map(
  SETTING_KEYS.flatMap((key) => [rowOf(key).name, ...(rowOf(key).aliases ?? [])].map((name) => [name, key])),
);

/** By name or alias, whatever the case; undefined when there is no such setting. */
export function keyOf(name: string): SettingKey | undefined {
  return KEY_BY_NAME.get(name.toLowerCase());
}
