/** Where `torc repair` keeps what was in a node's directory, until the node has caught up: one numbered directory for each time. */
import type { Disk } from '../env/contracts.ts';
import { CLUSTER_FILE_NAME } from './cluster-file.ts';

const DIRECTORY_NAME = 'set-aside';

export function setAsidePath(directory: string): string {
  return `${directory}/${DIRECTORY_NAME}`;
}

/** The next one that is free. Each begins with a cluster file. */
export async function nextSetAside(disk: Pick<Disk, 'readFile'>, directory: string): Promise<string> {
  for (let number = 1; ; number++) {
    const path = `${setAsidePath(directory)}/${number}`;
    if ((await disk.readFile(`${path}/${CLUSTER_FILE_NAME}`)) === null) return path;
  }
}

export async function hasSetAside(disk: Pick<Disk, 'readFile'>, directory: string): Promise<boolean> {
  return (await disk.readFile(`${setAsidePath(directory)}/1/${CLUSTER_FILE_NAME}`)) !== null;
}
