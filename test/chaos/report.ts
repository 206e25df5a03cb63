/** What is printed: a line for each fault as it is over, and tables at the end. */
import { quantile } from '../e2e/clients/recorder.ts';
import { isStarved, UNANSWERED, type Gap, type Round, type Seen } from './judge.ts';

const FAULT_WIDTH = 14;

export function roundLine(startMs: number, round: Round, { gaps, errors, problems, unjudged }: Seen): string {
  const spared = gaps.filter(({ client }) => client.endsWith(', spared')).map(({ gapMs }) => gapMs);
  const all = gaps.map(({ gapMs }) => gapMs);
  const told = [
    spared.length > 0 ? `gap of spared clients ${most(spared)}` : '',
    `of all ${most(all)}`,
    errors.size > 0 ? [...errors].map(([code, count]) => `${count} ${code}`).join(', ') : 'no error',
  ].filter((text) => text !== '');
  const head = `${seconds(round.fromMs - startMs).padStart(8)}  ${round.fault.padEnd(FAULT_WIDTH)}`;
  const lines = [
    `${head}${round.what} (${seconds(round.struckMs)}, well again after ${seconds(round.toMs - round.fromMs)}): ${told.join('; ')}`,
  ];
  if (isStarved(round))
    lines.push(
      `          the machine has no time (load ${round.loadPerCore.toFixed(1)} a core, the harness stood still for ${seconds(round.stalledMs)}): pauses are not judged`,
    );
  if (unjudged === UNANSWERED) lines.push(`          not judged: ${UNANSWERED}`);
  if (problems.length > 0)
    lines.push(`          a synced write beside the nodes' disks took up to ${seconds(round.diskStalledMs)}`);
  for (const problem of problems) lines.push(`          PROBLEM: ${problem}`);
  return lines.join('\n');
}

export function gapTable(gaps: readonly Gap[]): string {
  const groups = new Map<string, number[]>();
  for (const { fault, client, gapMs } of gaps) {
    const name = `${fault.padEnd(FAULT_WIDTH)}  ${client.padEnd(22)}`;
    groups.set(name, [...(groups.get(name) ?? []), gapMs]);
  }
  const lines = [...groups].map(([name, gapsMs]) => {
    const figures = [0.5, 0.99, 1].map((share) => quantile(gapsMs, share).toFixed().padStart(7));
    return `${name}${figures.join('')}${String(gapsMs.length).padStart(7)}`;
  });
  const head = `${'fault'.padEnd(FAULT_WIDTH)}  ${'client'.padEnd(22)}${['p50', 'p99', 'max', 'count'].map((name) => name.padStart(7)).join('')}`;
  return ['Longest gap of each client in each round, in ms:', head, ...lines.toSorted()].join('\n');
}

export function errorTable(errors: ReadonlyMap<string, ReadonlyMap<string, number>>): string {
  const lines = [...errors].map(([fault, codes]) => {
    const counts = [...codes].map(([code, count]) => `${count} ${code}`).join(', ');
    return `${fault.padEnd(FAULT_WIDTH)}  ${counts === '' ? 'none' : counts}`;
  });
  return ['Errors by code:', ...lines].join('\n');
}

export function seconds(timeMs: number): string {
  return `${(timeMs / 1000).toFixed(1)} s`;
}

function most(gapsMs: readonly number[]): string {
  return `${Math.max(...gapsMs).toFixed()} ms`;
}
