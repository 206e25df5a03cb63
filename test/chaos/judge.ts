/** What a round showed its clients, and whether that is what is promised. */
import { kindOf, type Placed } from '../e2e/clients/placed.ts';
import type { Failed, Recorder } from '../e2e/clients/recorder.ts';
import type { NetworkKind } from './network.ts';

/** Clients of spared nodes wait no longer: the time after which a shard without a leader is reported as such. */
const PROMISED_PAUSE_MS = 2000;
/** Where the harness gets no time for so long, or so many wait for each core, the machine stops more nodes than the fault did. */
const STARVED_MS = 1000;
const STARVED_LOAD = 4;
const SHOWN_PROBLEMS = 5;

export interface Round {
  number: number;
  fault: string;
  network: NetworkKind;
  what: string;
  spared: readonly number[];
  fromMs: number;
  /** How long the fault itself lasted. */
  struckMs: number;
  /** The longest time that the harness itself, and so all clients, stood still. */
  stalledMs: number;
  /** The longest that a small synced write took, beside the nodes' disks: told, and no excuse. */
  diskStalledMs: number;
  /** Of the last minute. */
  loadPerCore: number;
  /** All nodes are well and all clients are served again. */
  toMs: number;
}

/** No pause is promised then; loss, duplicates and the history are judged as ever. */
export function isStarved({ stalledMs, loadPerCore }: Round): boolean {
  return stalledMs > STARVED_MS || loadPerCore > STARVED_LOAD;
}

export interface Gap {
  fault: string;
  /** `node-redis, spared`. */
  client: string;
  gapMs: number;
}

export interface Seen {
  gaps: Gap[];
  /** Failures by their code. */
  errors: Map<string, number>;
  problems: string[];
  /** Why the round says little or nothing; null: it was judged. */
  unjudged: string | null;
}

export const STARVED = 'the machine had no time';
export const UNANSWERED = 'no command was answered';

export function judgeRound(recorder: Recorder, placed: readonly Placed[], round: Round): Seen {
  const { fault, fromMs, toMs } = round;
  const unjudged = whyUnjudged(recorder, placed, round);
  const seen: Seen = { gaps: [], errors: new Map(), problems: [], unjudged };
  const failures = recorder.failures.filter(({ atMs }) => atMs >= fromMs && atMs <= toMs);
  for (const failed of failures) {
    const code = codeOf(failed);
    seen.errors.set(code, (seen.errors.get(code) ?? 0) + 1);
  }
  for (const one of placed) {
    const { name } = one.worker.client;
    const isSpared = one.node !== null && round.spared.includes(one.node);
    const isPromised = isSpared && !isStarved(round);
    const gapMs = recorder.longestGapMs(name, fromMs, toMs);
    seen.gaps.push({ fault, client: `${kindOf(one)}${sideOf(one, isSpared)}`, gapMs });
    const own = failures.filter(({ client }) => client === name);
    // While the harness stood still nobody asked.
    if (isPromised && gapMs - round.stalledMs > PROMISED_PAUSE_MS)
      seen.problems.push(`${name}, client of a spared node, waited ${gapMs.toFixed()} ms`);
    const wrong = isPromised ? own : own.filter(({ failure }) => failure.kind === 'error');
    seen.problems.push(...shown(wrong, isPromised));
  }
  return seen;
}

function whyUnjudged(recorder: Recorder, placed: readonly Placed[], round: Round): string | null {
  if (isStarved(round)) return STARVED;
  const { fromMs, toMs } = round;
  const isAnswered = ({ worker }: Placed): boolean =>
    recorder.isAcknowledgedBetween(worker.client.name, fromMs, toMs);
  return placed.some(isAnswered) ? null : UNANSWERED;
}

/** Between rounds all nodes are well: their clients see no error. */
export function judgeBetween(
  recorder: Recorder,
  placed: readonly Placed[],
  rounds: readonly Round[],
): string[] {
  const outside = recorder.failures.filter(
    ({ atMs, client }) =>
      !rounds.some(({ fromMs, toMs }) => atMs >= fromMs && atMs <= toMs) &&
      placed.some(({ worker, node }) => node !== null && worker.client.name === client),
  );
  return shown(outside, true);
}

function sideOf({ node }: Placed, isSpared: boolean): string {
  if (node === null) return '';
  return isSpared ? ', spared' : ', struck';
}

function shown(failures: readonly Failed[], isSpared: boolean): string[] {
  const lines = failures
    .slice(0, SHOWN_PROBLEMS)
    .map(
      ({ client, command, failure }) =>
        `${client}${isSpared ? ', which was to see no error' : ''}: ${command}: ${failure.text}`,
    );
  if (failures.length > SHOWN_PROBLEMS) lines.push(`… and ${failures.length - SHOWN_PROBLEMS} more of it`);
  return lines;
}

/** The code that begins a node's error; what a library says of a lost connection has none. */
function codeOf({ failure }: Failed): string {
  const code = /^[A-Z]{3,}(?= )/.exec(failure.text)?.[0];
  if (code !== undefined) return code;
  return failure.kind === 'not-run' ? 'not sent' : 'connection lost';
}
