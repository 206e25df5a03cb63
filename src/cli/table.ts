/** Tables for the terminal: boxed for people, plain columns for what reads them further. */
import Table from 'cli-table3';

type Cell = string | number;

const PLAIN = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: '  ',
};

/** Numbers are set right. */
export function renderTable(
  head: readonly string[],
  rows: readonly (readonly Cell[])[],
  boxed: boolean,
): string {
  const colAligns = head.map((_, column) =>
    rows.length > 0 && rows.every((row) => typeof row[column] === 'number') ? 'right' : 'left',
  );
  const table = new Table({
    head: [...head],
    colAligns,
    // Colours are left to those who know what the output is.
    style: boxed
      ? { head: [], border: [], compact: true }
      : { head: [], border: [], compact: true, 'padding-left': 0, 'padding-right': 0 },
    ...(boxed ? {} : { chars: PLAIN }),
  });
  table.push(...rows.map((row) => [...row]));
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .filter((line) => line !== '')
    .join('\n');
}

const STEPS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const;

/** `1.5 GiB`. */
export function humanBytes(bytes: number): string {
  const step = bytes < 1024 ? 0 : Math.min(Math.floor(Math.log2(bytes) / 10), STEPS.length - 1);
  const value = bytes / 1024 ** step;
  return `${step === 0 ? value : value.toFixed(1)} ${STEPS[step]}`;
}

/** By its greatest unit and the next: `12 s`, `3 min 20 s`, `5 h 2 min`, `8 d 4 h`. */
export function humanDuration(durationMs: number): string {
  const seconds = Math.floor(durationMs / 1000);
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  if (minutes === 0) return `${seconds} s`;
  if (hours === 0) return `${minutes} min ${seconds % 60} s`;
  return hours < 24 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}
