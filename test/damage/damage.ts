/** Ways in which a directory is damaged, one at a time. */
import { readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { SeededRandom } from '../../src/env/sim/random.ts';

export type Damage = { readonly path: string } & (
  | { readonly kind: 'flip'; readonly offset: number; readonly bit: number }
  | { readonly kind: 'truncate'; readonly sizeBytes: number }
  | { readonly kind: 'zero'; readonly offset: number; readonly sizeBytes: number }
  | { readonly kind: 'delete' }
);

export interface DamagedFile {
  /** Within the directory. */
  readonly path: string;
  readonly sizeBytes: number;
}

const BLOCKS = [8, 64, 512, 4096];

/** All files, whatever they are for. */
export async function filesOf(directory: string): Promise<DamagedFile[]> {
  const files: DamagedFile[] = [];
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    files.push({ path: path.slice(directory.length + 1), sizeBytes: (await readFile(path)).length });
  }
  return files.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** Small files, of which there are many kinds, as often as large ones. */
export function flipIn(files: readonly DamagedFile[], random: SeededRandom): Damage {
  const full = files.filter(({ sizeBytes }) => sizeBytes > 0);
  const { path, sizeBytes } = full[random.below(full.length)];
  return { kind: 'flip', path, offset: random.below(sizeBytes), bit: random.below(8) };
}

export function otherIn(files: readonly DamagedFile[], random: SeededRandom): Damage {
  const full = files.filter(({ sizeBytes }) => sizeBytes > 0);
  const { path, sizeBytes } = full[random.below(full.length)];
  switch (random.below(3)) {
    case 0:
      return { kind: 'truncate', path, sizeBytes: random.below(sizeBytes) };
    case 1: {
      const block = BLOCKS[random.below(BLOCKS.length)];
      const offset = Math.floor(random.below(sizeBytes) / block) * block;
      return { kind: 'zero', path, offset, sizeBytes: Math.min(block, sizeBytes - offset) };
    }
    default:
      return { kind: 'delete', path };
  }
}

export async function inflict(directory: string, damage: Damage): Promise<void> {
  const path = join(directory, damage.path);
  if (damage.kind === 'delete') await rm(path);
  else if (damage.kind === 'truncate') await truncate(path, damage.sizeBytes);
  else {
    const bytes = await readFile(path);
    if (damage.kind === 'flip') bytes[damage.offset] ^= 1 << damage.bit;
    else bytes.fill(0, damage.offset, damage.offset + damage.sizeBytes);
    await writeFile(path, bytes);
  }
}
