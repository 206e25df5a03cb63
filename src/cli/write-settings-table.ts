/** `npm run docs:settings`: writes the table of the settings into the README of the current directory. */
import { readFileSync, writeFileSync } from 'node:fs';
import { withSettingsTable } from '../settings/readme-table.ts';

const README = 'README.md';

writeFileSync(README, withSettingsTable(readFileSync(README, 'utf8')));
