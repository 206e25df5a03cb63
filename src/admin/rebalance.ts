/**
 * /api/rebalance: what is planned and under way, and /api/rebalance/plan: what would be planned now. Both only tell: plans are begun, paused and
 * aborted by changes of the topology (/api/topology), by whoever may make them.
 */
import type { HttpRequest, HttpResponse } from '../env/contracts.ts';
import type { PlanId, PlannedMove, PlanRecord, RebalanceBy, Transfer } from '../topology/rebalance.ts';
import { rebalanceBy } from '../topology/rebalance-schema.ts';
import type { ClusterId, Epoch, MoveId, ShardId } from '../topology/types.ts';

export interface RebalanceSource {
  /** Null before the founding. */
  readRebalance(): Promise<RebalanceReport | null>;
  /** `by`: null for the cluster's setting. */
  proposePlan(by: RebalanceBy | null): Promise<PlanProposal | null>;
}

interface Head extends Epoch {
  clusterId: ClusterId;
}

export interface RebalanceReport extends Head {
  /** Settings of the cluster. */
  isAutomatic: boolean;
  by: RebalanceBy;
  paused: boolean;
  /** Why no move may be begun now; empty when one may. */
  obstacle: string;
  plan: PlanReport | null;
  /** The oldest first. */
  history: readonly PlanRecord[];
  shards: readonly ShardBalance[];
  /** Shards whose leader did not say what they hold. */
  unknown: readonly ShardId[];
}

export interface PlanReport {
  id: PlanId;
  by: RebalanceBy;
  isAutomatic: boolean;
  aborting: boolean;
  beganMs: number;
  /** Without the time that it was paused. */
  elapsedMs: number;
  slots: number;
  /** Those that went over, those of moves under way, too. */
  moved: number;
  transfers: readonly Transfer[];
  underWay: readonly MoveReport[];
  /** Moves that are still to be begun. */
  movesLeft: number;
  /** At the sources. */
  keysLeft: number;
  bytesLeft: number;
}

export interface MoveReport {
  id: MoveId;
  source: ShardId;
  target: ShardId;
  /** Still at the source, and what is in them. */
  slots: number;
  slotsGone: number;
  aborting: boolean;
  keys: number;
  bytes: number;
}

export interface ShardBalance {
  shard: ShardId;
  /** Its home. */
  node: string;
  weight: number;
  slots: number;
  /** What it should have, by weight. */
  quota: number;
  keys: number;
  bytes: number;
  operationsPerSecond: number;
}

export interface PlanProposal extends Head {
  by: RebalanceBy;
  /** Why it cannot be begun now; empty when it can. */
  obstacle: string;
  moves: readonly (PlannedMove & { keys: number; bytes: number })[];
  slots: number;
  /** Slots for which there is no room in this plan. */
  slotsLater: number;
  expectedMs: number;
  shards: readonly ShardBalance[];
  /** Once it is done. */
  after: readonly { shard: ShardId; slots: number }[];
  unknown: readonly ShardId[];
}

export async function rebalanceResponse(source: RebalanceSource): Promise<HttpResponse> {
  return answer(await source.readRebalance());
}

export async function planResponse(source: RebalanceSource, { query }: HttpRequest): Promise<HttpResponse> {
  const given = query.get('by');
  const by = given === null ? null : rebalanceBy.safeParse(given).data;
  if (by === undefined) return text(400, 'by is slots, bytes or ops.');
  return answer(await source.proposePlan(by));
}

function answer(content: RebalanceReport | PlanProposal | null): HttpResponse {
  if (content === null) return text(503, 'The cluster is not founded yet.');
  return {
    status: 200,
    contentType: 'application/json; charset=utf-8',
    body: `${JSON.stringify(content)}\n`,
  };
}

function text(status: number, line: string): HttpResponse {
  return { status, contentType: 'text/plain; charset=utf-8', body: `${line}\n` };
}
