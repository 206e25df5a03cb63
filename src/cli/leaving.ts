/** `torc node decommission` and `torc node remove --dead`: has a node leave, and waits until it holds nothing any more. */
import { loadTokenHash, type TokenHash } from '../../ring/index.ts';
import { StartupError } from '../errors.ts';
import { formatAddress } from '../settings/kinds.ts';
import type { NodeEntry, NodeId, Topology } from '../topology/types.ts';
import {
  isAlive,
  surveyByHttp,
  whyAwaited,
  whyCrowded,
  whyNeeded,
  whyUnled,
  type Survey,
} from './cluster-survey.ts';
import { ExitCode } from './exit-code.ts';
import { namedNode } from './named-node.ts';
import { proposeChange, type ChangeTarget } from './propose-change.ts';
import { reportOf } from './rebalance.ts';

const POLL_MS = 1000;
/** Where nothing has gone for so many polls, it is said what that waits for. */
const STILL_POLLS = 5;

export interface LeavingOptions extends ChangeTarget {
  /** As a person calls it. */
  readonly node: string;
  readonly waits: boolean;
  /** Also where those that stay would be fuller than they are to be. */
  readonly evenIfFull: boolean;
}

/** What a node that leaves still holds. */
export interface Rest {
  slots: number;
  replicas: number;
}

/** Resolves with the exit code. Throws StartupErrors. */
export async function decommission(options: LeavingOptions): Promise<number> {
  const node = await named(options);
  const hash = await loadTokenHash();
  const note = await beginLeave(options, node, (survey) => {
    if (!survey.reports.has(node.id))
      return 'it does not answer: start it, or torc node remove --dead takes it out as it is';
    // What is begun goes on: the wait says what for.
    const isBegun = isLeavingIn(survey.topology, node.id);
    return whyUnled(node.id, survey) ?? (isBegun ? null : whyAwaited(node.id, survey, hash));
  });
  say(`Node ${nameOf(node)} leaves: its slots and replicas go to the others.${note}`);
  return finish(
    options,
    node,
    (rest) => rest === null || (rest.slots === 0 && rest.replicas === 0),
    'holds nothing any more. Its process may stop now.',
  );
}

/** Resolves with the exit code. Throws StartupErrors. */
export async function removeDead(options: LeavingOptions): Promise<number> {
  const node = await named(options);
  const note = await beginLeave(options, node, (survey) =>
    survey.reports.has(node.id)
      ? 'it answers: torc node decommission takes it out while it runs'
      : whyNeeded(node.id, survey),
  );
  say(`Node ${nameOf(node)} is taken out: its slots and replicas go to the others.${note}`);
  return finish(options, node, (rest) => rest === null, 'is removed. Its directory is of no use any more.');
}

/** It stays after all. */
export async function cancelLeave(options: LeavingOptions): Promise<number> {
  const { topology, reports } = await surveyByHttp(options);
  const { id } = namedNode(options.node, topology, reports);
  await proposeChange(options, () => ({ kind: 'cancel-leave', node: id }));
  say(`Node ${options.node} stays.`);
  return ExitCode.OK;
}

/**
 * What there is to say of those that stay. `whyNot` is asked of the topology that the node's leaving is decided on, so that two who take nodes out at
 * once cannot both count on the other's.
 */
async function beginLeave(
  options: LeavingOptions,
  node: NodeEntry,
  whyNot: (survey: Survey) => string | null,
): Promise<string> {
  const hash = await loadTokenHash();
  let isLeaving = false;
  const check = async (): Promise<Topology> => {
    const survey = await surveyByHttp(options);
    const { topology } = survey;
    isLeaving = isLeavingIn(topology, node.id);
    const isFull = (): string | null =>
      isLeaving || options.evenIfFull ? null : whyCrowded(node.id, survey, hash);
    const why = whyNot(survey) ?? isFull();
    if (why !== null) throw refusal(node, why);
    return topology;
  };
  const before = await check();
  // What is begun goes on.
  if (isLeaving) return whatStays(before);
  const change = { kind: 'begin-leave', node: node.id } as const;
  return whatStays(await proposeChange(options, () => check().then(() => change)));
}

/** Of fewer nodes than three nobody may be lost. */
export function whatStays({ nodes }: Topology): string {
  const staying = nodes.filter(({ leaving }) => leaving !== true).length;
  if (staying > 2) return '';
  return staying === 2
    ? ' Two nodes stay: a voter and a learner a shard, which is not fault tolerant.'
    : ' One node stays: it holds the only copy of everything.';
}

async function finish(
  options: LeavingOptions,
  { id, host, clientPort }: NodeEntry,
  isDone: (rest: Rest | null) => boolean,
  then: string,
): Promise<number> {
  const name = formatAddress({ host, port: clientPort });
  if (!options.waits) return ExitCode.OK;
  const hash = await loadTokenHash();
  for (let said = '', before = '', polls = 0; ;) {
    const survey = await surveyByHttp(options);
    const { topology } = survey;
    const rest = restOf(topology, id);
    if (isDone(rest)) {
      say(`Node ${name} ${then}`);
      return ExitCode.OK;
    }
    if (topology.nodes.some((node) => node.id === id && node.leaving !== true))
      throw new StartupError('TORC_NODE_STAYS', `node ${name} stays: somebody has cancelled its leaving`);
    const count = restText(rest);
    polls = count === before ? polls + 1 : 0;
    before = count;
    const why = await whyHeld({ ...options, hash }, id, rest, survey, polls >= STILL_POLLS);
    const line = why === '' ? count : `${count}; ${why}`;
    // What was said to hold it may be said no more before the count changes.
    if (line !== said && (why !== '' || polls === 0)) say(`${name}: ${line}`);
    said = line;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/** What its slots and replicas wait for, as far as can be told; empty when they go, or may. */
export async function whyHeld(
  options: Pick<LeavingOptions, 'address' | 'timeoutMs'> & { hash: TokenHash },
  node: NodeId,
  rest: Rest | null,
  survey: Survey,
  isStill: boolean,
): Promise<string> {
  const slots = rest?.slots ?? 0;
  if (slots > 0 && survey.topology.rebalance?.paused === true)
    return 'rebalancing is paused: torc rebalance resume goes on with it';
  // A node stays in the register as long as it lives, whoever takes it for dead.
  if (rest !== null && slots + rest.replicas === 0 && isAlive(node, survey.reports))
    return 'waiting: its process runs: stop it';
  if (!isStill) return '';
  if ((rest?.replicas ?? 0) > 0) {
    const why = whyUnled(node, survey);
    if (why !== null) return `waiting: ${why}`;
  }
  const obstacle = slots === 0 ? '' : (await reportOf(options)).obstacle;
  const why = obstacle === '' ? whyAwaited(node, survey, options.hash) : obstacle;
  return why === null ? '' : `waiting: ${why}`;
}

/** Of each node that leaves, what it still holds and what that waits for. */
export async function leavingNotes(target: Pick<LeavingOptions, 'address' | 'timeoutMs'>): Promise<string[]> {
  const survey = await surveyByHttp(target);
  const { topology } = survey;
  const hash = await loadTokenHash();
  const notes: string[] = [];
  for (const node of topology.nodes.filter(({ leaving }) => leaving === true)) {
    const rest = restOf(topology, node.id);
    const why = await whyHeld({ ...target, hash }, node.id, rest, survey, true);
    const name = survey.reports.get(node.id)?.node.name ?? nameOf(node);
    notes.push(`Node ${name} leaves: ${restText(rest)}${why === '' ? '' : `; ${why}`}.`);
  }
  return notes;
}

function restText(rest: Rest | null): string {
  const { slots, replicas } = rest ?? { slots: 0, replicas: 0 };
  if (slots === 0 && replicas === 0) return 'it holds nothing any more';
  return `${slots} slots and ${replicas} replicas to go`;
}

function isLeavingIn({ nodes }: Topology, node: NodeId): boolean {
  return nodes.some(({ id, leaving }) => id === node && leaving === true);
}

/** Null when the node is not in the register any more. */
export function restOf({ nodes, shards, slots }: Topology, node: NodeId): Rest | null {
  if (!nodes.some(({ id }) => id === node)) return null;
  const homes = shards.filter(({ home }) => home === node).map(({ id }) => id);
  return {
    slots: slots
      .filter(({ shard }) => homes.includes(shard))
      .reduce((sum, { from, to }) => sum + to - from + 1, 0),
    replicas: shards.filter(({ replicas }) => replicas.some((row) => row.node === node)).length,
  };
}

async function named(options: LeavingOptions): Promise<NodeEntry> {
  const { topology, reports } = await surveyByHttp(options);
  return namedNode(options.node, topology, reports);
}

function nameOf({ host, clientPort }: NodeEntry): string {
  return formatAddress({ host, port: clientPort });
}

function refusal(node: NodeEntry, why: string): StartupError {
  return new StartupError('TORC_NODE_NEEDED', `node ${nameOf(node)} cannot leave now: ${why}.`);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
