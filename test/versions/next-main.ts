/** The `torc` command of a build of the next version. */
import { fileURLToPath } from 'node:url';

import { loadLauncher } from '../../src/cli/launch.ts';
import { createProgram } from '../../src/cli/program.ts';
import { NEXT } from './next-rules.ts';

const program = createProgram({
  loadLauncher: () => loadLauncher({ rules: NEXT }),
  self: [process.execPath, ...process.execArgv, fileURLToPath(import.meta.url)],
});
await program.parseAsync();
