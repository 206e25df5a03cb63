/**
 * Each client takes an open file of the process, and so do the log and its snapshots: clients must not take the last, or the log could not go
 * on and the node would stop.
 */
import { StartupError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Settings } from '../settings/rows.ts';

/** For the log, snapshots, ports, other nodes, those who scrape, and Node.js itself. */
const KEPT_FILES = 256;

/** The clients that a process which may open so many files can serve. */
export function clientsFor(openFilesMost: number): number {
  return openFilesMost - KEPT_FILES;
}

/** Lowers `maxclients` to what the system allows, and says so. */
export function fitMaxclients(settings: Settings, openFilesMost: number, log: Log): void {
  const most = clientsFor(openFilesMost);
  if (settings.maxclients <= most) return;
  if (most < 1) {
    throw new StartupError(
      'TORC_OPEN_FILES',
      `this process may open ${openFilesMost} files, and needs more than ${KEPT_FILES}: raise the limit (ulimit -n).`,
    );
  }
  log.warn('maxclients-lowered', { from: settings.maxclients, to: most, openFilesMost });
  Object.assign(settings, { maxclients: most });
}
