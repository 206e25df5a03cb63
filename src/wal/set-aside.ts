import type { Disk } from '../env/contracts.ts';

const FOLDERS = ['log', 'snapshots'];
const LOCK = 'lock';

/** Moves all of a log's directory, but its lock, which the caller holds. Done again, it goes on. */
export async function setLogAside(disk: Disk, from: string, to: string): Promise<void> {
  for (const folder of ['', ...FOLDERS.map((name) => `/${name}`)]) {
    await disk.makeDirectory(`${to}${folder}`);
    for (const name of await disk.list(`${from}${folder}`)) {
      const isLeft = folder === '' && (FOLDERS.includes(name) || name.startsWith(LOCK));
      if (!isLeft) await disk.rename(`${from}${folder}/${name}`, `${to}${folder}/${name}`);
    }
  }
}
