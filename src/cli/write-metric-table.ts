/** `npm run docs:metrics`: writes the table of the metrics into the README of the current directory. */
import { readFileSync, writeFileSync } from 'node:fs';
import { withMetricTable } from './metric-table.ts';

const README = 'README.md';

writeFileSync(README, withMetricTable(readFileSync(README, 'utf8')));
