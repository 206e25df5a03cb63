/** `torc rebalance …` and `torc node weight`: what moves, and what an operator wants to move. */
import type { PlanProposal, RebalanceReport } from '../admin/rebalance.ts';
import type { StatusReport } from '../admin/status.ts';
import type { Address } from '../env/contracts.ts';
import { StartupError } from '../errors.ts';
import { formatAddress } from '../settings/kinds.ts';
import type { TopologyChange } from '../topology/change.ts';
import { moveName } from '../topology/move-change.ts';
import type { RebalanceBy } from '../topology/rebalance.ts';
import { beginPlan } from '../topology/rebalance-step.ts';
import { jsonOf } from '../topology/topology-codec.ts';
import type { NodeId, Topology } from '../topology/types.ts';
import { askAll, NO_TORC, reasonOf } from './ask-node.ts';
import { ExitCode } from './exit-code.ts';
import { httpGet } from './http-get.ts';
import { namedNode } from './named-node.ts';
import { proposeChange, type ChangeTarget } from './propose-change.ts';
import { historyText, planText, statusText } from './rebalance-table.ts';

export interface RebalanceOptions {
  /** The admin port of any node. */
  readonly address: Address;
  readonly timeoutMs: number;
  readonly json: boolean;
}

const HTTP_OK = 200;

/** Each resolves with the exit code, and throws StartupErrors. */
export async function showPlan(options: RebalanceOptions, by: RebalanceBy | null): Promise<number> {
  const proposal = await proposalOf(options, by);
  return print(options, proposal, () => planText(proposal, process.stdout.isTTY));
}

export async function showRebalance(options: RebalanceOptions): Promise<number> {
  const report = await reportOf(options);
  return print(options, report, () => statusText(report, process.stdout.isTTY));
}

export async function showHistory(options: RebalanceOptions): Promise<number> {
  const report = await reportOf(options);
  return print(options, report.history, () => historyText(report, process.stdout.isTTY));
}

/** What is begun is what is printed. */
export async function applyPlan(target: ChangeTarget, by: RebalanceBy | null): Promise<number> {
  let begun: PlanProposal | null = null;
  const topology = await proposeChange(target, async () => {
    begun = await proposalOf(target, by);
    if (begun.slots === 0) throw refused(`nothing is to move: all shards have their share by ${begun.by}`);
    if (begun.obstacle !== '') throw refused(begun.obstacle);
    const steps = begun.moves.map(({ source, target: to, slots }) => ({ source, target: to, slots }));
    return beginPlan(begun.by, steps, false, Date.now());
  });
  const text = begun === null ? '' : planText(begun, process.stdout.isTTY);
  process.stdout.write(`${text}\n${planOf(topology)} is begun: torc rebalance status shows how far it is.\n`);
  return ExitCode.OK;
}

export async function pauseRebalance(target: ChangeTarget): Promise<number> {
  const { rebalance } = await proposeChange(target, () => ({ kind: 'pause-rebalance', atMs: Date.now() }));
  const rest =
    rebalance?.plan === undefined ? '' : ' Slots that are on their way still go over, a few from each shard.';
  process.stdout.write(`Rebalancing is paused: no slot is sent until torc rebalance resume.${rest}\n`);
  return ExitCode.OK;
}

export async function resumeRebalance(target: ChangeTarget): Promise<number> {
  await proposeChange(target, () => ({ kind: 'resume-rebalance', atMs: Date.now() }));
  process.stdout.write('Rebalancing goes on.\n');
  return ExitCode.OK;
}

export async function abortRebalance(target: ChangeTarget): Promise<number> {
  const topology = await proposeChange(target, abortChange);
  process.stdout.write(
    `${planOf(topology)} is being aborted: what has gone over stays, moves under way go back if they still can. ` +
      'Rebalancing is paused until torc rebalance resume.\n',
  );
  return ExitCode.OK;
}

export async function setNodeWeight(target: ChangeTarget, name: string, weight: number): Promise<number> {
  const { answers } = await askAll(target.address, target.timeoutMs);
  const reports = new Map<NodeId, StatusReport>();
  for (const { report } of answers)
    if (report !== null && report.node.id !== null) reports.set(report.node.id, report);
  let before = 0;
  await proposeChange(target, (topology) => {
    const node = namedNode(name, topology, reports);
    before = node.weight;
    return { kind: 'set-weight', node: node.id, weight };
  });
  process.stdout.write(
    `The weight of ${name} is ${weight} now; it was ${before}. torc rebalance plan shows what that moves.\n`,
  );
  return ExitCode.OK;
}

/** It may have come to its end already. */
function planOf({ rebalance }: Topology): string {
  const id = rebalance?.plan?.id ?? rebalance?.history.at(-1)?.id;
  return id === undefined ? 'The plan' : `Plan ${moveName(id)}`;
}

function abortChange({ rebalance }: Topology): TopologyChange {
  const plan = rebalance?.plan;
  if (plan === undefined) throw refused('no plan is under way');
  return { kind: 'abort-plan', plan: plan.id };
}

function proposalOf(
  options: { address: Address; timeoutMs: number },
  by: RebalanceBy | null,
): Promise<PlanProposal> {
  return read<PlanProposal>(options, `/api/rebalance/plan${by === null ? '' : `?by=${by}`}`);
}

/** What is under way, and what keeps it from going on. */
export function reportOf(options: Pick<RebalanceOptions, 'address' | 'timeoutMs'>): Promise<RebalanceReport> {
  return read<RebalanceReport>(options, '/api/rebalance');
}

async function read<Told>(
  { address, timeoutMs }: { address: Address; timeoutMs: number },
  path: string,
): Promise<Told> {
  const answer = await httpGet(address, path, timeoutMs).catch((error: NodeJS.ErrnoException) => {
    throw new StartupError(
      'TORC_NO_ANSWER',
      `no node answers at ${formatAddress(address)}: ${reasonOf(error)}. --address takes the admin port of any node.`,
    );
  });
  if (answer.status !== HTTP_OK)
    throw new StartupError(
      'TORC_NO_ANSWER',
      `${formatAddress(address)} tells nothing of rebalancing: ${answer.body.trim()}`,
    );
  const told = jsonOf(Buffer.from(answer.body));
  if (typeof told !== 'object' || told === null)
    throw new StartupError(
      'TORC_NO_ANSWER',
      `${formatAddress(address)} tells nothing of rebalancing: ${NO_TORC}`,
    );
  return told as Told;
}

function print({ json }: RebalanceOptions, content: unknown, text: () => string): number {
  process.stdout.write(json ? `${JSON.stringify(content, null, 2)}\n` : text());
  return ExitCode.OK;
}

function refused(why: string): StartupError {
  return new StartupError('TORC_CHANGE_REFUSED', `nothing is changed: ${why}`);
}
