/** The directory of `torc dev`: used by one at a time, and always for the same nodes, since addresses are kept in their data. */
import { join } from 'node:path';
import { z } from 'zod';
import type { Disk, DiskLock } from '../env/contracts.ts';
import { StartupError } from '../errors.ts';
import { logDirectory, logLock } from '../wal/directory.ts';

const LOCK = 'lock';
const DESCRIPTION = 'dev.json';
/** In the directory of a node. */
const NODE_FILE = 'cluster.json';
const NODE_DIRECTORY = /^node-\d+$/;

const CLUSTER = z.object({ nodes: z.number().int(), port: z.number().int(), host: z.string() });
/** What a kept cluster cannot change. */
export type DevCluster = z.infer<typeof CLUSTER>;

/** Throws StartupError when the directory is in use, or holds another cluster. With `fresh`, the old nodes' data is removed. */
export async function claimDirectory(
  disk: Disk,
  directory: string,
  cluster: DevCluster,
  fresh: boolean,
): Promise<DiskLock> {
  const lock = await lockOf(disk, directory);
  if (lock === null) throw inUse(directory, 'another torc dev');
  try {
    if (fresh) await removeNodes(disk, directory);
    await checkCluster(disk, directory, cluster);
  } catch (error) {
    await lock.release();
    throw error;
  }
  return lock;
}

async function lockOf(disk: Disk, directory: string): Promise<DiskLock | null> {
  try {
    await disk.makeDirectory(directory);
    return await disk.lock(join(directory, LOCK));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    const why = code === 'EEXIST' || code === 'ENOTDIR' ? 'it is no directory' : message;
    throw new StartupError('TORC_DATA_UNUSABLE', `${directory} cannot hold the data: ${why}.`, {
      cause: error,
    });
  }
}

async function removeNodes(disk: Disk, directory: string): Promise<void> {
  const nodes = (await disk.list(directory)).filter((name) => NODE_DIRECTORY.test(name));
  for (const name of nodes) await checkUnused(disk, join(directory, name));
  for (const name of nodes) await disk.removeTree(join(directory, name));
  await disk.remove(join(directory, DESCRIPTION));
  await disk.syncDirectory(directory);
}

/** A node of its own, started by `torc start`, may use the data, or one that an earlier `torc dev` has left behind. It locks its log. */
async function checkUnused(disk: Disk, directory: string): Promise<void> {
  const log = logDirectory(directory);
  if ((await disk.list(log)).length === 0) return;
  const lock = await disk.lock(logLock(log));
  if (lock === null) throw inUse(directory, 'a process that runs');
  await lock.release();
}

async function checkCluster(disk: Disk, directory: string, cluster: DevCluster): Promise<void> {
  const path = join(directory, DESCRIPTION);
  const bytes = await disk.readFile(path);
  if (bytes === null) {
    await checkNoNode(disk, directory);
    return disk.replaceFile(path, Buffer.from(`${JSON.stringify(cluster)}\n`));
  }
  const kept = parseCluster(Buffer.from(bytes).toString(), path);
  if (kept.nodes === cluster.nodes && kept.port === cluster.port && kept.host === cluster.host) return;
  throw new StartupError(
    'TORC_DATA_OTHER_CLUSTER',
    `${directory} holds a cluster of ${kept.nodes} nodes at ${kept.host}:${kept.port}, not of ${cluster.nodes} at ` +
      `${cluster.host}:${cluster.port}: start it as it was, give another --data, or --fresh to begin anew.`,
  );
}

/** A directory given by mistake: what lies there is the data of one node. */
async function checkNoNode(disk: Disk, directory: string): Promise<void> {
  if ((await disk.readFile(join(directory, NODE_FILE))) === null) return;
  throw new StartupError(
    'TORC_DATA_OTHER_CLUSTER',
    `${directory} holds the data of a single node: give another --data.`,
  );
}

function inUse(directory: string, by: string): StartupError {
  return new StartupError(
    'TORC_DATA_IN_USE',
    `${by} uses the data in ${directory}, or those of which they are a copy.`,
  );
}

function parseCluster(text: string, path: string): DevCluster {
  try {
    return CLUSTER.parse(JSON.parse(text));
  } catch (error) {
    throw new StartupError('TORC_DATA_DAMAGED', `${path} is damaged: --fresh begins anew.`, { cause: error });
  }
}
