/** `npm run docs:commands`: writes the list of the commands into the README of the current directory. */
import { readFileSync, writeFileSync } from 'node:fs';
import { withCommandList } from '../commands/readme-list.ts';

const README = 'README.md';

writeFileSync(README, withCommandList(readFileSync(README, 'utf8')));
