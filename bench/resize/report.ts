/** The table of `npm run bench:resize`. */
import Table from 'cli-table3';

import type { Row } from './types.ts';

export function rowsTable(rows: readonly Row[]): string {
  const table = new Table({ head: ['', 'figure', 'goal', ''], style: { head: [], border: [] } });
  for (const { what, figure, goal, isReached } of rows)
    table.push([what, figure, goal, verdictOf(isReached)]);
  return table.toString();
}

function verdictOf(isReached: boolean | null): string {
  if (isReached === null) return '';
  return isReached ? 'reached' : 'MISSED';
}
