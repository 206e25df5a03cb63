/** Where a node's directory keeps what it was before it was repaired, or replaced while it was away, until the node has caught up: numbered. */
import type { Disk } from '../env/contracts.ts';
import { logDirectory } from '../wal/directory.ts';
import { setMembersAside } from '../wal/set-aside.ts';
import { CLUSTER_FILE_NAME } from './cluster-file.ts';

const DIRECTORY_NAME = 'set-aside';

export function setAsidePath(directory: string): string {
  return `${directory}/${DIRECTORY_NAME}`;
}

/** The next one that is free: without a cluster file. */
export async function nextSetAside(disk: Pick<Disk, 'readFile'>, directory: string): Promise<string> {
  for (let number = 1; ; number++) {
    const path = `${setAsidePath(directory)}/${number}`;
    if ((await disk.readFile(`${path}/${CLUSTER_FILE_NAME}`)) === null) return path;
  }
}

export async function hasSetAside(disk: Pick<Disk, 'readFile'>, directory: string): Promise<boolean> {
  return (await disk.readFile(`${setAsidePath(directory)}/1/${CLUSTER_FILE_NAME}`)) !== null;
}

/** What a node holds of members that were replaced while it was away. Resolves with where it is. Broken off, it is done again. */
export async function setReplacedAside(disk: Disk, directory: string): Promise<string> {
  const to = await nextSetAside(disk, directory);
  await setMembersAside(disk, logDirectory(directory), logDirectory(to));
  const file = await disk.readFile(`${directory}/${CLUSTER_FILE_NAME}`);
  await disk.replaceFile(`${to}/${CLUSTER_FILE_NAME}`, file ?? Buffer.from('\n'));
  return to;
}
