/** The answers of all nodes side by side, as rows of tables. */
import type { ReplicaStatus } from '../admin/status.ts';
import type { NodeId, ShardId } from '../topology/types.ts';
import type { Answer } from './ask-node.ts';
import { humanBytes } from './table.ts';

type Cell = string | number;

export const NODE_HEAD = [
  'node',
  'state',
  'shards led',
  'keys',
  'memory',
  'term',
  'commit',
  'applied',
  'lag',
];
export const SHARD_HEAD = ['shard', 'leader', 'slots', 'keys', 'term', 'commit', 'replicas (lag)'];

/**
 * One row a node. `keys`: of the shards that it leads, so that the column adds up to the cluster's. `term` is the highest of its replicas,
 * `commit` and `applied` are their sums, and `lag` is the greatest number of entries that one of them is behind its leader's commit.
 */
export function nodeRows(answers: readonly Answer[]): Cell[][] {
  const commits = leaderCommits(answers);
  return answers.map((answer) => {
    if (answer.report === null) return [answer.address, 'unreachable', ...Array<Cell>(7).fill('-')];
    const { node, replicas, memory } = answer.report;
    const led = replicas.filter(({ role }) => role === 'leader');
    return [
      node.name,
      node.state,
      led.map(({ shard }) => shard).join(',') || 'none',
      total(led, ({ keys }) => keys),
      humanBytes(memory.usedBytes),
      Math.max(0, ...replicas.map(({ term }) => term)),
      total(replicas, ({ commit }) => commit),
      total(replicas, ({ applied }) => applied),
      Math.max(0, ...replicas.map((replica) => lagOf(replica, commits))),
    ];
  });
}

/** One row a shard, as its leader tells it; those without one say so. */
export function shardRows(answers: readonly Answer[]): Cell[][] {
  const names = nodeNames(answers);
  const commits = leaderCommits(answers);
  const shards = new Map<ShardId, { replica: ReplicaStatus; node: string }[]>();
  for (const { report } of answers) {
    for (const replica of report?.replicas ?? []) {
      const others = shards.get(replica.shard) ?? [];
      shards.set(replica.shard, [...others, { replica, node: report?.node.name ?? '' }]);
    }
  }
  return [...shards]
    .sort(([a], [b]) => a - b)
    .map(([shard, members]) => {
      const leader = newestLeader(members.map(({ replica }) => replica));
      const told = leader ?? members[0].replica;
      const leaderName = leader === null ? 'none' : (names.get(leader.leader ?? '') ?? leader.leader ?? '?');
      const replicas = members.map(({ replica, node }) => {
        const learns = told.learners.includes(replica.member) ? ', learning' : '';
        return `${node} (${lagOf(replica, commits)}${learns})`;
      });
      return [shard, leaderName, told.slots, told.keys, told.term, told.commit, replicas.join(', ')];
    });
}

/** Of the shards that the loss of one node more would stop, as their leaders tell; null: there are none. */
export function toleranceNote(answers: readonly Answer[]): string | null {
  const replicas = answers.flatMap(({ report }) => report?.replicas ?? []);
  const shards = [...new Set(replicas.map(({ shard }) => shard))].toSorted((a, b) => a - b);
  const alone: ShardId[] = [];
  const lacking: ShardId[] = [];
  for (const shard of shards) {
    const leader = newestLeader(replicas.filter((replica) => replica.shard === shard));
    if (leader?.failuresTolerated !== 0) continue;
    (leader.voters.length === 1 ? alone : lacking).push(shard);
  }
  const notes: string[] = [];
  if (alone.length > 0)
    notes.push(
      `${named(alone, 'has', 'have')} one voter. Three voters need three nodes, and replication-factor 3.`,
    );
  if (lacking.length > 0)
    notes.push(
      `${named(lacking, 'loses its', 'lose their')} majority with one node more. Start the nodes that are away, or wait for replicas that catch up.`,
    );
  return notes.length === 0 ? null : notes.map((note) => `Not fault tolerant: ${note}`).join('\n');
}

function named(shards: readonly ShardId[], one: string, many: string): string {
  return shards.length === 1 ? `shard ${shards[0]} ${one}` : `shards ${shards.join(', ')} ${many}`;
}

function leaderCommits(answers: readonly Answer[]): ReadonlyMap<ShardId, number> {
  const commits = new Map<ShardId, number>();
  const replicas = answers.flatMap(({ report }) => report?.replicas ?? []);
  for (const { shard } of replicas) {
    const leader = newestLeader(replicas.filter((replica) => replica.shard === shard));
    if (leader !== null) commits.set(shard, leader.commit);
  }
  return commits;
}

/** An old leader that was cut off may still think that it leads. */
function newestLeader(replicas: readonly ReplicaStatus[]): ReplicaStatus | null {
  const leaders = replicas.filter(({ role }) => role === 'leader');
  return leaders.reduce<ReplicaStatus | null>(
    (newest, leader) => (newest === null || leader.term > newest.term ? leader : newest),
    null,
  );
}

/** The nodes are not asked at the same instant: a replica can have applied more than its leader had committed when asked. */
function lagOf(replica: ReplicaStatus, commits: ReadonlyMap<ShardId, number>): number {
  const commit = commits.get(replica.shard);
  return commit === undefined ? replica.lagEntries : Math.max(0, commit - replica.applied);
}

function nodeNames(answers: readonly Answer[]): ReadonlyMap<NodeId, string> {
  return new Map(
    answers.flatMap(({ report }) => (report?.node.id == null ? [] : [[report.node.id, report.node.name]])),
  );
}

function total(replicas: readonly ReplicaStatus[], count: (replica: ReplicaStatus) => number): number {
  return replicas.reduce((sum, replica) => sum + count(replica), 0);
}
