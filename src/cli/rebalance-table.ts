/** Plans, their progress and their history, as text for a terminal. */
import type { PlanProposal, PlanReport, RebalanceReport, ShardBalance } from '../admin/rebalance.ts';
import { moveName } from '../topology/move-change.ts';
import { slotCountOf, type PlanRecord, type Transfer } from '../topology/rebalance.ts';
import { humanBytes, renderTable } from './table.ts';

type Cell = string | number;

const BAR_CELLS = 30;
const MOVE_HEAD = ['from', 'to', 'slots', 'ranges', 'keys', 'bytes'];
const UNDER_WAY_HEAD = ['move', 'from', 'to', 'slots', 'keys left', 'bytes left', ''];
const HISTORY_HEAD = ['began', 'took', 'outcome', 'by', 'asked for', 'slots', 'moved', 'from -> to (slots)'];
/** Pairs of shards that a row of the history names. */
const HISTORY_PAIRS = 4;

export function planText(proposal: PlanProposal, boxed: boolean): string {
  const { moves, slots, slotsLater, by, obstacle } = proposal;
  const sections = [balanceTable(proposal.shards, boxed, afterOf(proposal))];
  if (slots === 0) return joined([...sections, `Nothing is to move: all shards have their share by ${by}.`]);
  sections.push(renderTable(MOVE_HEAD, moveRows(proposal), boxed));
  const keys = moves.reduce((sum, move) => sum + move.keys, 0);
  const bytes = moves.reduce((sum, move) => sum + move.bytes, 0);
  const lines = [
    `${plural(slots, 'slot')} in ${plural(moves.length, 'move')}: ${plural(keys, 'key')}, ${humanBytes(bytes)}, in about ${humanTime(proposal.expectedMs)}.`,
  ];
  if (slotsLater > 0) lines.push(`${plural(slotsLater, 'more slot')} by the plans after this one.`);
  lines.push(...unknownLines(proposal.unknown));
  if (obstacle !== '') lines.push(`It cannot be begun now: ${obstacle}.`);
  return joined([...sections, lines.join('\n')]);
}

export function statusText(report: RebalanceReport, boxed: boolean): string {
  const { plan, obstacle } = report;
  const lines = [stateLine(report)];
  if (obstacle !== '') lines.push(`No move is begun: ${obstacle}.`);
  lines.push(...unknownLines(report.unknown));
  if (plan === null) return joined([lines.join('\n'), balanceTable(report.shards, boxed)]);
  lines.push(progressLine(plan, report.paused));
  const sections = [lines.join('\n')];
  if (plan.underWay.length > 0) sections.push(renderTable(UNDER_WAY_HEAD, underWayRows(plan), boxed));
  return joined([...sections, balanceTable(report.shards, boxed)]);
}

export function historyText({ history }: RebalanceReport, boxed: boolean): string {
  if (history.length === 0) return 'No plan has ended yet.\n';
  return joined([renderTable(HISTORY_HEAD, history.toReversed().map(historyRow), boxed)]);
}

/** `[#########---------------------]  31 %`: how many slots of a plan have gone over, and when the rest will have, unless it waits for somebody. */
export function progressLine(
  { slots, moved, elapsedMs, keysLeft, bytesLeft, aborting }: PlanReport,
  isPaused = false,
): string {
  const share = slots === 0 ? 1 : moved / slots;
  const full = Math.floor(share * BAR_CELLS);
  const bar = `[${'#'.repeat(full)}${'-'.repeat(BAR_CELLS - full)}]`;
  const waits = aborting ? 'none: being aborted' : 'none: paused';
  const left = moved === 0 ? 'unknown' : humanTime((elapsedMs / moved) * (slots - moved));
  return `${bar} ${Math.floor(share * 100)} %  ${moved} of ${plural(slots, 'slot')}, ${plural(keysLeft, 'key')} and ${humanBytes(bytesLeft)} left, ETA ${isPaused || aborting ? waits : left}`;
}

/** `1 h 2 min`, `3 min 20 s`, `4.2 s`. */
export function humanTime(timeMs: number): string {
  const seconds = timeMs / 1000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.floor(seconds % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

function stateLine({ plan, paused, isAutomatic, by }: RebalanceReport): string {
  const goal = plan?.by ?? by;
  const rule = isAutomatic ? `automatic, by ${goal}` : `when asked for, by ${goal}`;
  if (plan?.aborting === true) return `Plan ${moveName(plan.id)} is being aborted; rebalancing is paused.`;
  if (paused) return `Rebalancing is paused: torc rebalance resume goes on (${rule}).`;
  if (plan === null) return `No plan is under way (${rule}).`;
  const { id, underWay, movesLeft } = plan;
  return `Plan ${moveName(id)} is under way (${rule}): ${plural(underWay.length, 'move')} running, ${movesLeft} to begin.`;
}

function balanceTable(
  shards: readonly ShardBalance[],
  boxed: boolean,
  after: ReadonlyMap<number, number> | null = null,
): string {
  const head = ['shard', 'home', 'weight', 'slots', 'quota', 'keys', 'bytes', 'commands/s'];
  const rows = shards.map((row): Cell[] => [
    row.shard,
    row.node,
    row.weight,
    row.slots,
    row.quota,
    row.keys,
    humanBytes(row.bytes),
    row.operationsPerSecond,
    ...(after === null ? [] : [after.get(row.shard) ?? 0]),
  ]);
  return renderTable(after === null ? head : [...head, 'slots after'], rows, boxed);
}

function afterOf({ after }: PlanProposal): ReadonlyMap<number, number> {
  return new Map(after.map(({ shard, slots }) => [shard, slots]));
}

/** Moves of the same pair are one row. */
function moveRows({ moves }: PlanProposal): Cell[][] {
  const pairs = new Map<
    string,
    { source: number; target: number; slots: number; ranges: number; keys: number; bytes: number }
  >();
  for (const { source, target, slots, keys, bytes } of moves) {
    const name = `${source} ${target}`;
    const row = pairs.get(name) ?? { source, target, slots: 0, ranges: 0, keys: 0, bytes: 0 };
    row.slots += slotCountOf(slots);
    row.ranges += slots.length;
    row.keys += keys;
    row.bytes += bytes;
    pairs.set(name, row);
  }
  return [...pairs.values()].map((row) => [
    `shard ${row.source}`,
    `shard ${row.target}`,
    row.slots,
    row.ranges,
    row.keys,
    humanBytes(row.bytes),
  ]);
}

function underWayRows({ underWay }: PlanReport): Cell[][] {
  return underWay.map(({ id, source, target, slots, keys, bytes, aborting }) => [
    moveName(id),
    `shard ${source}`,
    `shard ${target}`,
    slots,
    keys,
    humanBytes(bytes),
    aborting ? 'being aborted' : '',
  ]);
}

function historyRow(record: PlanRecord): Cell[] {
  const { beganMs, endedMs, outcome, by, isAutomatic, slots, moved, transfers } = record;
  return [
    new Date(beganMs).toISOString().replace('T', ' ').slice(0, 19),
    humanTime(endedMs - beganMs),
    outcome,
    by,
    isAutomatic ? 'no' : 'yes',
    slots,
    moved,
    pairsText(transfers),
  ];
}

function pairsText(transfers: readonly Transfer[]): string {
  const named = transfers
    .slice(0, HISTORY_PAIRS)
    .map(({ source, target, slots }) => `${source} -> ${target} (${slots})`);
  return [...named, ...(transfers.length > HISTORY_PAIRS ? ['…'] : [])].join(', ');
}

function unknownLines(unknown: readonly number[]): string[] {
  if (unknown.length === 0) return [];
  return unknown.length === 1
    ? [`What the slots of shard ${unknown[0]} hold is not known: its leader did not answer.`]
    : [`What the slots of shards ${unknown.join(', ')} hold is not known: their leaders did not answer.`];
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

function joined(sections: readonly string[]): string {
  return `${sections.join('\n\n')}\n`;
}
