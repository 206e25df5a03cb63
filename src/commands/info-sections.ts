/** What each section of INFO says, in Redis's order. */
import { bytesForPeople, percent, ratio } from './info-numbers.ts';
import type { LocalContext } from './local-context.ts';
import type { NodeFigures } from './node-figures.ts';
import { REDIS_VERSION } from './redis-version.ts';

type Line = readonly [name: string, value: string | number];

export interface InfoSection {
  title: string;
  /** Part of INFO without arguments. */
  usual: boolean;
  lines(context: LocalContext, figures: NodeFigures): Line[];
}

const MICROSECONDS_PER_SECOND = 1e6;
const SECONDS_PER_DAY = 86_400;
const NO_REPLICATION_ID = '0'.repeat(40);

function server({ node, session }: LocalContext, figures: NodeFigures): Line[] {
  const uptimeSeconds = Math.max(0, Math.floor((node.clock.wallMs() - figures.startedWallMs) / 1000));
  return [
    ['redis_version', REDIS_VERSION],
    ['torc_version', node.version],
    ['torc_node_id', node.nodeId],
    ['torc_start', node.start],
    ['redis_mode', session.port === 'redirect' ? 'cluster' : 'standalone'],
    ['arch_bits', 64],
    ['process_id', figures.processId],
    ['run_id', node.runId],
    ['tcp_port', session.port === 'redirect' ? figures.redirectPort : figures.clientPort],
    ['server_time_usec', Math.floor(node.clock.wallMs() * 1000)],
    ['uptime_in_seconds', uptimeSeconds],
    ['uptime_in_days', Math.floor(uptimeSeconds / SECONDS_PER_DAY)],
    ['config_file', ''],
  ];
}

function clients(_: LocalContext, { clients: counts }: NodeFigures): Line[] {
  return [
    ['connected_clients', counts.connected],
    ['cluster_connections', counts.clusterConnections],
    ['maxclients', counts.maxClients],
    ['client_recent_max_input_buffer', counts.largestQueryBytes],
    ['client_recent_max_output_buffer', counts.largestReplyBytes],
    ['blocked_clients', counts.blocked],
    ['tracking_clients', 0],
    ['pubsub_clients', counts.pubsub],
  ];
}

function memory(_: LocalContext, { memory: counts, clients: { bufferBytes } }: NodeFigures): Line[] {
  return [
    ['used_memory', counts.usedBytes],
    ['used_memory_human', bytesForPeople(counts.usedBytes)],
    ['used_memory_rss', counts.residentBytes],
    ['used_memory_rss_human', bytesForPeople(counts.residentBytes)],
    ['used_memory_peak', counts.peakBytes],
    ['used_memory_peak_human', bytesForPeople(counts.peakBytes)],
    ['used_memory_peak_perc', percent(counts.usedBytes, counts.peakBytes)],
    ['used_memory_dataset', counts.usedBytes],
    ['used_memory_dataset_perc', percent(counts.usedBytes, counts.usedBytes)],
    ['allocator_allocated', counts.usedBytes],
    ['allocator_active', counts.slabBytes],
    ['allocator_resident', counts.residentBytes],
    ['total_system_memory', counts.systemBytes],
    ['total_system_memory_human', bytesForPeople(counts.systemBytes)],
    ['maxmemory', counts.maxmemoryBytes],
    ['maxmemory_human', bytesForPeople(counts.maxmemoryBytes)],
    ['maxmemory_policy', counts.maxmemoryPolicy],
    ['allocator_frag_ratio', ratio(counts.slabBytes, counts.usedBytes)],
    ['mem_fragmentation_ratio', ratio(counts.residentBytes, counts.usedBytes)],
    ['mem_clients_normal', bufferBytes],
    ['mem_allocator', 'slabs'],
    ['torc_heap_used', counts.heapUsedBytes],
    ['torc_heap_total', counts.heapTotalBytes],
    ['torc_log_memory', counts.logBytes],
  ];
}

/** `loading` is always 0: a node takes no client before it has loaded. Every write is in the log before it is answered. */
function persistence(_: LocalContext, { persistence: state }: NodeFigures): Line[] {
  return [
    ['loading', 0],
    ['async_loading', 0],
    ['rdb_changes_since_last_save', 0],
    ['rdb_bgsave_in_progress', state.snapshotUnderWay ? 1 : 0],
    ['rdb_last_save_time', state.lastSnapshotUnixSeconds],
    ['rdb_last_bgsave_status', 'ok'],
    ['aof_enabled', 1],
    ['aof_rewrite_in_progress', 0],
    ['aof_last_bgrewrite_status', 'ok'],
    ['aof_last_write_status', 'ok'],
    ['aof_current_size', state.logBytesOnDisk],
    ['torc_durability', state.durability],
    ['torc_wal_syncs', state.walSyncs],
  ];
}

function stats({ node }: LocalContext, { statistics: counts }: NodeFigures): Line[] {
  return [
    ['total_connections_received', counts.connectionsReceived],
    ['total_commands_processed', counts.commandsProcessed],
    ['instantaneous_ops_per_sec', Math.round(counts.commandsPerSecond)],
    ['total_net_input_bytes', counts.inputBytes],
    ['total_net_output_bytes', counts.outputBytes],
    ['instantaneous_input_kbps', counts.inputKilobytesPerSecond.toFixed(2)],
    ['instantaneous_output_kbps', counts.outputKilobytesPerSecond.toFixed(2)],
    ['rejected_connections', counts.connectionsRejected],
    ['sync_full', 0],
    ['sync_partial_ok', 0],
    ['sync_partial_err', 0],
    ['expired_keys', counts.expiredKeys],
    ['evicted_keys', counts.evictedKeys],
    ['keyspace_hits', counts.keyspaceHits],
    ['keyspace_misses', counts.keyspaceMisses],
    ['pubsub_channels', [...node.pubsub.channelNames()].length],
    ['pubsub_patterns', node.pubsub.patternCount],
    ['latest_fork_usec', 0],
    ['total_forks', 0],
    ['total_error_replies', counts.errorReplies],
    ['total_reads_processed', counts.readsProcessed],
    ['total_writes_processed', counts.writesProcessed],
    ['torc_forwarded_commands', counts.forwarded],
    ['torc_redirected_commands', counts.redirected],
  ];
}

/** Replicas are inside Torc: to a client it is a master without any. */
function replication({ node }: LocalContext, { replication: state }: NodeFigures): Line[] {
  return [
    ['role', 'master'],
    ['connected_slaves', 0],
    ['master_failover_state', 'no-failover'],
    ['master_replid', node.runId],
    ['master_replid2', NO_REPLICATION_ID],
    ['master_repl_offset', state.offset],
    ['second_repl_offset', -1],
    ['repl_backlog_active', 0],
    ['torc_shards_led', state.shardsLed],
    ['torc_replicas_held', state.replicasHeld],
  ];
}

function cpu(_: LocalContext, { cpu: { systemUs, userUs } }: NodeFigures): Line[] {
  return [
    ['used_cpu_sys', (systemUs / MICROSECONDS_PER_SECOND).toFixed(6)],
    ['used_cpu_user', (userUs / MICROSECONDS_PER_SECOND).toFixed(6)],
    ['used_cpu_sys_children', '0.000000'],
    ['used_cpu_user_children', '0.000000'],
  ];
}

function commandStats(_: LocalContext, figures: NodeFigures): Line[] {
  return figures.commands.map((row) => {
    const perCall = row.calls === 0 ? 0 : row.totalUs / row.calls;
    const total = Math.round(row.totalUs);
    const counts = `calls=${row.calls},usec=${total},usec_per_call=${perCall.toFixed(2)}`;
    return [
      `cmdstat_${row.name}`,
      `${counts},rejected_calls=${row.rejected},failed_calls=${row.failed}`,
    ] as const;
  });
}

function errorStats(_: LocalContext, figures: NodeFigures): Line[] {
  return figures.errors.map(({ code, count }) => [`errorstat_${code}`, `count=${count}`] as const);
}

function latencyStats(_: LocalContext, figures: NodeFigures): Line[] {
  return figures.commands
    .filter((row) => row.calls > 0)
    .map((row) => {
      const [p50, p99, p999] = [row.p50Us, row.p99Us, row.p999Us].map((us) => us.toFixed(3));
      return [`latency_percentiles_usec_${row.name}`, `p50=${p50},p99=${p99},p99.9=${p999}`] as const;
    });
}

function cluster({ session }: LocalContext): Line[] {
  return [['cluster_enabled', session.port === 'redirect' ? 1 : 0]];
}

function keyspace(_: LocalContext, figures: NodeFigures): Line[] {
  return figures.databases.map(
    ({ db, keys, expires }) => [`db${db}`, `keys=${keys},expires=${expires},avg_ttl=0`] as const,
  );
}

export const INFO_SECTIONS: readonly InfoSection[] = [
  { title: 'Server', usual: true, lines: server },
  { title: 'Clients', usual: true, lines: clients },
  { title: 'Memory', usual: true, lines: memory },
  { title: 'Persistence', usual: true, lines: persistence },
  { title: 'Stats', usual: true, lines: stats },
  { title: 'Replication', usual: true, lines: replication },
  { title: 'CPU', usual: true, lines: cpu },
  { title: 'Modules', usual: true, lines: () => [] },
  { title: 'Commandstats', usual: false, lines: commandStats },
  { title: 'Errorstats', usual: true, lines: errorStats },
  { title: 'Latencystats', usual: false, lines: latencyStats },
  { title: 'Cluster', usual: true, lines: cluster },
  { title: 'Keyspace', usual: true, lines: keyspace },
];
