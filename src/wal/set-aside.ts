import type { Disk } from '../env/contracts.ts';
import { FAILURE_MARK_NAME } from './failure-mark.ts';
import { readStartFile, START_FILE_NAME, writeStartFile } from './start-file.ts';

const FOLDERS = ['log', 'snapshots'];
const LOCK = 'lock';

/**
 * Moves all of a log's directory, but its lock, which the caller holds. Done again, it goes on. Broken off anywhere, it leaves nothing that a node
 * starts from as if nothing had been: first goes what every start needs, last what forbids one.
 */
export async function setLogAside(disk: Disk, from: string, to: string): Promise<void> {
  for (const folder of ['', ...FOLDERS]) await disk.makeDirectory(join(to, folder));
  const top = (await disk.list(from)).filter((name) => !FOLDERS.includes(name) && !name.startsWith(LOCK));
  const move = (name: string): Promise<void> => disk.rename(join(from, name), join(to, name));
  for (const name of top.filter((name) => name === START_FILE_NAME)) await move(name);
  for (const folder of FOLDERS) {
    for (const name of await disk.list(join(from, folder))) await move(`${folder}/${name}`);
  }
  const isLast = (name: string): boolean => name === FAILURE_MARK_NAME;
  for (const name of top.filter((name) => name !== START_FILE_NAME && !isLast(name))) await move(name);
  for (const name of top.filter(isLast)) await move(name);
}

/**
 * Moves what a log's directory holds of its members, so that it is as one that nothing was written to: its starts are counted on, since what the node
 * does besides is known by them. Done again, it goes on.
 */
export async function setMembersAside(disk: Disk, from: string, to: string): Promise<void> {
  for (const folder of ['', ...FOLDERS]) await disk.makeDirectory(join(to, folder));
  for (const folder of FOLDERS) {
    for (const name of await disk.list(join(from, folder)))
      await disk.rename(join(from, `${folder}/${name}`), join(to, `${folder}/${name}`));
  }
  const start = await readStartFile(disk, join(from, START_FILE_NAME));
  if (start !== null)
    await writeStartFile(disk, join(from, START_FILE_NAME), {
      ...start,
      logBorn: start.start + 1,
      mark: 0,
      cleanStop: true,
    });
}

function join(directory: string, name: string): string {
  return name === '' ? directory : `${directory}/${name}`;
}
