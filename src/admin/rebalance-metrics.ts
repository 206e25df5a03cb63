/** Metrics of shares, plans and replicas: how even the shards are, and what is done about it. */
import type { MetricRow, ValueRow } from './metric-rows.ts';
import type { MetricsReading, RebalanceReading, ReplicaReading } from './metrics-source.ts';

export const REBALANCE: readonly MetricRow[] = [
  gauge(
    'ring_balance_ratio',
    "Greatest ratio of a shard's slots to its fair share by weight; 1 is perfect.",
    ({ balanceRatio }) => balanceRatio,
  ),
  {
    name: 'torc_shard_weight',
    type: 'gauge',
    help: "Share of the slots that the shard should have, relative to the others': its home's weight.",
    labels: ['shard'],
    read: ({ rebalance }, sample) => rebalance.shares.forEach(({ shard, weight }) => sample(weight, shard)),
  },
  {
    name: 'torc_shard_quota_slots',
    type: 'gauge',
    help: 'Hash slots that the shard should own, by weight.',
    labels: ['shard'],
    read: ({ rebalance }, sample) => rebalance.shares.forEach(({ shard, quota }) => sample(quota, shard)),
  },
  leaderGauge(
    'shard_commands_per_second',
    'Commands run on slots of the shard, lately, told by the leader.',
    ({ commandsPerSecond }) => commandsPerSecond,
  ),
  leaderGauge(
    'replicas_missing',
    'Replicas that the shard should have, as far as there are nodes, and that do not keep up with it; told by the leader.',
    ({ missingReplicas }) => missingReplicas,
  ),
  leaderGauge(
    'shard_failures_tolerated',
    'Voters more of the shard that may be lost before it has no majority any more: 0 is not fault tolerant; told by the leader.',
    ({ failuresTolerated }) => failuresTolerated,
  ),
  gauge('rebalance_plan_active', 'Whether a plan of moves is under way.', ({ hasPlan }) => (hasPlan ? 1 : 0)),
  gauge('rebalance_paused', 'Whether an operator has paused rebalancing.', ({ paused }) => (paused ? 1 : 0)),
  gauge(
    'rebalance_obstructed',
    'Whether no move may be begun now: a shard lacks its majority, slots move without a plan, or a node of a shard that is to take slots is not reached.',
    ({ obstructed }) => (obstructed ? 1 : 0),
  ),
  gauge(
    'rebalance_slots_planned',
    'Hash slots that the plan under way moves.',
    ({ slotsPlanned }) => slotsPlanned,
  ),
  gauge(
    'rebalance_slots_left',
    'Hash slots that the plan under way has still to move.',
    ({ slotsLeft }) => slotsLeft,
  ),
  gauge(
    'rebalance_moves_running',
    'Moves that the register has under way.',
    ({ movesRunning }) => movesRunning,
  ),
  {
    name: 'torc_rebalance_plans_ended_total',
    type: 'counter',
    help: 'Plans of moves that ended, by outcome (done, partly, superseded or aborted).',
    labels: ['outcome'],
    read: ({ rebalance }, sample) => {
      for (const [outcome, count] of rebalance.ended) sample(count, outcome);
    },
  },
];

function gauge(name: string, help: string, value: (reading: RebalanceReading) => number): ValueRow {
  return {
    name: `torc_${name}`,
    type: 'gauge',
    help,
    labels: [],
    read: ({ rebalance }: MetricsReading, sample) => sample(value(rebalance)),
  };
}

/** Told of the shards that the node leads. */
function leaderGauge(
  name: string,
  help: string,
  value: (replica: ReplicaReading) => number | null,
): ValueRow {
  return {
    name: `torc_${name}`,
    type: 'gauge',
    help,
    labels: ['shard'],
    read: ({ replicas }, sample) => {
      for (const replica of replicas) {
        const told = value(replica);
        if (told !== null) sample(told, replica.shard);
      }
    },
  };
}
