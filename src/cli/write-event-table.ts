/** `npm run docs:events`: writes the table of the log's events into the README of the current directory. */
import { readFileSync, writeFileSync } from 'node:fs';
import { withEventTable } from './event-table.ts';

const README = 'README.md';

writeFileSync(README, withEventTable(readFileSync(README, 'utf8')));
