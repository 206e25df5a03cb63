import { randomUUID } from 'node:crypto';
import { open, readdir, readFile, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

import type { DiskLock } from './contracts.ts';

/** Tells a process from a later one that was given the same number. */
interface ProcessIdentity {
  processId: number;
  startedAt: string;
}

const UNKNOWN_START = 'unknown';
/** In /proc/<pid>/stat, counted after the command's closing bracket. */
const START_TIME_FIELD = 19;

/**
 * A lock without help of the kernel: each claimant first makes a claim, a file of its own that names its process, and then looks at the
 * claims of others. Of two that come at once at least one sees the other, so both may be refused but never both admitted. A claim of a
 * dead process is swept away; one of a living process, this one too, refuses.
 */
export async function claimLock(path: string): Promise<DiskLock | null> {
  const self = await identityOf(process.pid);
  const claim = `${path}.${self.processId}.${self.startedAt}.${randomUUID()}`;
  const handle = await open(claim, 'wx');
  await handle.close();
  if (await othersHold(path, claim)) {
    await unlink(claim);
    return null;
  }
  return { release: () => removeClaim(claim) };
}

async function othersHold(path: string, ownClaim: string): Promise<boolean> {
  const prefix = `${basename(path)}.`;
  let held = false;
  for (const name of await readdir(dirname(path))) {
    if (!name.startsWith(prefix) || name === basename(ownClaim)) continue;
    const [processId, startedAt] = name.slice(prefix.length).split('.');
    if (await isAlive({ processId: Number(processId), startedAt })) held = true;
    else await removeClaim(join(dirname(path), name));
  }
  return held;
}

async function isAlive(claimant: ProcessIdentity): Promise<boolean> {
  try {
    process.kill(claimant.processId, 0);
  } catch (error) {
    // EPERM: it lives, and belongs to somebody else.
    if (!hasCode(error, 'EPERM')) return false;
  }
  const now = await identityOf(claimant.processId);
  return now.startedAt === claimant.startedAt;
}

async function identityOf(processId: number): Promise<ProcessIdentity> {
  try {
    const stat = await readFile(`/proc/${processId}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const bootId = await readFile('/proc/sys/kernel/random/boot_id', 'latin1');
    return { processId, startedAt: `${fields[START_TIME_FIELD]}-${bootId.slice(0, 8)}` };
  } catch {
    // No /proc on this system: the process number alone has to do.
    return { processId, startedAt: UNKNOWN_START };
  }
}

async function removeClaim(claim: string): Promise<void> {
  try {
    await unlink(claim);
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error;
  }
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
