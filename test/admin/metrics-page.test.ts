import { describe, expect, it } from 'vitest';
import { METRIC_ROWS } from '../../src/admin/metric-rows.ts';
import { MetricsPage } from '../../src/admin/metrics-page.ts';
import type { MetricsReading } from '../../src/admin/metrics-source.ts';
import { sampleReading } from './sample-source.ts';

const BUILD = { version: '0.1.0', nodeVersion: 'v20.20.2', newestVersion: 1 };

async function scrape(reading: MetricsReading = sampleReading()): Promise<string[]> {
  const text = await new MetricsPage({ readMetrics: () => reading }, BUILD).text();
  return text.split('\n');
}

describe('/metrics', () => {
  it.each([
    'torc_commands_total{command="get"} 3',
    'torc_commands_total{command="config|get"} 1',
    'torc_command_failures_total{command="get"} 1',
    'torc_connected_clients{port="client"} 3',
    'torc_connected_clients{port="redirect"} 1',
    'torc_connections_total 9',
    'torc_refused_connections_total 2',
    'torc_client_received_bytes_total 1000',
    'torc_keyspace_hits_total 11',
    'torc_keyspace_misses_total 12',
    'torc_forwarded_commands_total 13',
    'torc_redirected_commands_total 14',
    'torc_indeterminate_replies_total 0',
    'torc_cluster_down_replies_total 15',
    'torc_parked_commands 16',
    'torc_keys{shard="1",role="leader"} 7',
    'torc_keys{shard="2",role="follower"} 7',
    'torc_memory_used_bytes{shard="1",role="leader"} 700',
    'torc_expired_keys_total{shard="2"} 3',
    'torc_shard_slots{shard="1"} 5461',
    'torc_raft_is_leader{shard="1"} 1',
    'torc_raft_is_leader{shard="2"} 0',
    'torc_raft_commit_index{shard="1"} 20',
    'torc_raft_applied_index{shard="1"} 19',
    'torc_raft_proposals_pending{shard="1"} 2',
    'torc_raft_replica_lag_entries{shard="1",node="node-2"} 5',
    'torc_raft_commit_duration_seconds_count 2',
    'torc_raft_commit_duration_seconds_sum 0.005',
    'torc_wal_sync_duration_seconds_bucket{le="0.0016"} 1',
    'torc_wal_batch_bytes_bucket{le="512"} 1',
    'torc_wal_batch_bytes_bucket{le="256"} 0',
    'torc_wal_written_bytes_total 512',
    'torc_peer_connected{node="node-2"} 1',
    'torc_peer_round_trip_seconds{node="node-2"} 0.0005',
    'torc_peer_sent_bytes_total{node="node-2"} 21',
    'torc_ready 1',
    'torc_shards_given_up_total 1',
    'torc_ring_balance_ratio 1.0001',
    'torc_shard_weight{shard="2"} 2',
    'torc_shard_quota_slots{shard="2"} 10923',
    'torc_shard_commands_per_second{shard="1"} 12.5',
    'torc_replicas_missing{shard="1"} 1',
    'torc_shard_failures_tolerated{shard="1"} 0',
    'torc_rebalance_plan_active 1',
    'torc_rebalance_paused 0',
    'torc_rebalance_obstructed 1',
    'torc_rebalance_slots_planned 100',
    'torc_rebalance_slots_left 40',
    'torc_rebalance_moves_running 3',
    'torc_rebalance_plans_ended_total{outcome="done"} 2',
    'torc_event_loop_delay_seconds{statistic="max"} 0.02',
    'torc_build_info{version="0.1.0",node_version="v20.20.2"} 1',
    'process_cpu_seconds_total 1.5',
    'process_start_time_seconds 1700000000',
  ])('says %s', async (line) => {
    expect(await scrape()).toContain(line);
  });

  it('writes histograms cumulatively, in seconds, with bounds that read well', async () => {
    const lines = (await scrape()).filter((line) =>
      line.startsWith('torc_command_duration_seconds_bucket{command="get"'),
    );
    const pairs = lines.map((line) => /le="([^"]+)"\} (\d+)$/.exec(line)?.slice(1) ?? []);
    expect(pairs.slice(0, 5)).toEqual([
      ['0.00005', '1'],
      ['0.0001', '1'],
      ['0.0002', '1'],
      ['0.0004', '2'],
      ['0.0008', '2'],
    ]);
    expect(pairs.slice(-2)).toEqual([
      ['13.1072', '2'],
      ['+Inf', '3'],
    ]);
  });

  it('shows every row, and every metric of Torc begins with its name', async () => {
    const lines = await scrape();
    for (const row of METRIC_ROWS) {
      expect(row.name).toMatch(/^(torc|process)_[a-z0-9_]+$/);
      expect(lines).toContain(`# TYPE ${row.name} ${row.type}`);
    }
    expect(new Set(METRIC_ROWS.map((row) => row.name)).size).toBe(METRIC_ROWS.length);
  });

  it('drops the series of what is there no more, and counts nothing twice over scrapes', async () => {
    let reading = sampleReading();
    const page = new MetricsPage({ readMetrics: () => reading }, BUILD);
    await page.text();
    const rebalance = { ...reading.rebalance, shares: reading.rebalance.shares.slice(0, 1) };
    reading = { ...reading, replicas: reading.replicas.slice(0, 1), peers: [], rebalance };
    const text = await page.text();
    expect(text).not.toContain('shard="2"');
    expect(text).not.toContain('torc_peer_connected{');
    expect(text).toContain('torc_connections_total 9');
  });

  it('keeps the nodes of one process apart', async () => {
    const other: MetricsReading = { ...sampleReading(), ready: false };
    expect(await scrape()).toContain('torc_ready 1');
    expect(await scrape(other)).toContain('torc_ready 0');
  });
});
