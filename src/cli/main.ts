#!/usr/bin/env node
/** The entry of the `torc` command. */
import { fileURLToPath } from 'node:url';

import { loadLauncher } from './launch.ts';
import { createProgram } from './program.ts';

const program = createProgram({
  loadLauncher: () => loadLauncher(),
  self: [process.execPath, ...process.execArgv, fileURLToPath(import.meta.url)],
});
await program.parseAsync();
