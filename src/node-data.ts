/** A node's data directory: who the node is, the topology that it knows, and its log. What cannot be believed is refused, and nothing changed. */
import type { Env } from './env/contracts.ts';
import { HOW_TO_REBUILD, StartupError } from './errors.ts';
import { isOwnRecord } from './node-replicas.ts';
import { ownPeerAddress } from './settings/derived.ts';
import type { Settings } from './settings/rows.ts';
import { CLUSTER_FILE_NAME, ClusterFile } from './topology/cluster-file.ts';
import { checkAmongSeeds } from './topology/membership.ts';
import { StoredRegister, topologyPath } from './topology/register.ts';
import { DamagedError } from './wal/errors.ts';
import { openWal, type OpenedWal, type WalSettings } from './wal/open.ts';

export interface NodeData {
  file: ClusterFile;
  register: StoredRegister;
  opened: OpenedWal;
}

/** All that is handed back is durable. Throws StartupError. */
export async function openNodeData(
  env: Env,
  settings: Settings,
  hooks: Pick<WalSettings, 'observe' | 'onLocked' | 'onFailure'>,
): Promise<NodeData> {
  const { dataDirectory } = settings;
  const known = await knownFile(env, settings);
  const register = await openRegister(env, dataDirectory, known);
  const { current } = register;
  const opened = await openWal(env, {
    ...hooks,
    directory: `${dataDirectory}/log`,
    durability: settings.durability,
    mustExist: known !== null && !known.isReturning,
    isOurs:
      known === null || current === null
        ? undefined
        : (group, member) => isOwnRecord(current, known.node, group, member),
    segmentBytes: settings.walSegmentBytes,
    promiseMs: settings.electionTimeoutMs,
  });
  try {
    const file = known ?? (await ClusterFile.open(env.disk, env.random, dataDirectory));
    await file.returned();
    return { file, register, opened };
  } catch (error) {
    await opened.wal.close(opened.recovery.timeCeilingMs);
    throw error;
  }
}

/** Null when no node has begun in this directory before. Seeds that cannot be those of a new one are told before it leaves anything there. */
async function knownFile({ disk, random }: Env, settings: Settings): Promise<ClusterFile | null> {
  if (await ClusterFile.exists(disk, settings.dataDirectory))
    return ClusterFile.open(disk, random, settings.dataDirectory);
  checkAmongSeeds(ownPeerAddress(settings), settings.seeds);
  return null;
}

async function openRegister(
  { disk }: Env,
  directory: string,
  known: ClusterFile | null,
): Promise<StoredRegister> {
  const register = await StoredRegister.open(disk, directory);
  if (known?.hasTopology === true && register.current === null)
    throw new DamagedError(topologyPath(directory), 0, 'the file is missing');
  const isNamed = register.current?.nodes.some(({ id }) => id === known?.node);
  if (known?.isReturning === true && isNamed !== true)
    throw new StartupError(
      'TORC_REPAIR_UNFINISHED',
      'this node was being repaired and is not in the cluster yet: run torc repair --discard-replica again, with its settings',
    );
  if (known === null && register.current !== null)
    throw new StartupError(
      'TORC_CLUSTER_FILE',
      `${directory}/${CLUSTER_FILE_NAME} is missing, which says who this node is, and a topology is there: ${HOW_TO_REBUILD}`,
    );
  if (isNamed === false) throw removedFrom(directory);
  return register;
}

/** The node is not in its cluster's topology any more. */
export function removedFrom(directory: string): StartupError {
  return new StartupError(
    'TORC_REMOVED',
    `the node of ${directory} was taken out of its cluster, and its members are replaced: ` +
      'remove the directory, or run torc repair --discard-replica where its place is to be taken by a new one',
  );
}
