/** The disks of the nodes: small ones of their own, that can be filled, slowed and held, where the machine allows it. */
import { constants } from 'node:fs';
import { access, mkdir, open, rm, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { run, runAll } from './command-line.ts';

/** Room for the log, the state and two snapshots of it, for one episode. */
const SIZE_BYTES = 512 * 1024 * 1024;
const FILLER = 'filler';
const FILLER_STEPS_BYTES = [1024 * 1024, 4096];
const THROTTLE = '/sys/fs/cgroup/blkio';
const WRITES_PER_S = 'blkio.throttle.write_iops_device';
const PROBE_WRITES_PER_S = 10;
/** Five synced writes at ten a second. */
const PROBE_LEAST_MS = 200;

export type DiskKind = 'image' | 'tmpfs' | 'plain';

/** An ext4 image on a loop device can do all; a tmpfs can be filled; a plain directory nothing. */
export interface DiskAbilities {
  kind: DiskKind;
  canFill: boolean;
  canSlow: boolean;
  canHold: boolean;
  /** Why not more. */
  lacks: string[];
}

/** Finds out by trying, in a directory that is removed again. */
export async function probeDisks(directory: string): Promise<DiskAbilities> {
  const abilities: DiskAbilities = {
    kind: 'plain',
    canFill: false,
    canSlow: false,
    canHold: false,
    lacks: [],
  };
  await mkdir(directory, { recursive: true });
  for (const kind of ['image', 'tmpfs'] as const) {
    const disk = new Disk(join(directory, kind), kind, `probe-${kind}`);
    try {
      await disk.mount();
      abilities.kind = kind;
      abilities.canFill = true;
      abilities.canHold = kind === 'image';
      if (kind === 'image') await probeThrottle(disk, abilities);
      break;
    } catch (error) {
      abilities.lacks.push(`${kind}: ${firstLine(error)}`);
    } finally {
      await disk.unmount();
    }
  }
  await rm(directory, { recursive: true });
  return abilities;
}

async function probeThrottle(disk: Disk, abilities: DiskAbilities): Promise<void> {
  try {
    if (!(await exists(join(THROTTLE, WRITES_PER_S)))) throw new Error(`${THROTTLE} has no ${WRITES_PER_S}`);
    await disk.slow(null, PROBE_WRITES_PER_S);
    const write = `dd if=/dev/zero of=${join(disk.directory, 'probe')} bs=4096 count=5 oflag=dsync`;
    const fromMs = performance.now();
    await run('sh', '-c', `echo $$ > ${disk.group}/cgroup.procs && exec ${write}`);
    const tookMs = performance.now() - fromMs;
    if (tookMs < PROBE_LEAST_MS) throw new Error(`a limit of writes has no effect (${tookMs.toFixed()} ms)`);
    abilities.canSlow = true;
  } catch (error) {
    abilities.lacks.push(`slow disk: ${firstLine(error)}`);
  }
}

export class Disk {
  /** Where the node's data goes. */
  readonly directory: string;
  readonly group: string;
  private readonly kind: DiskKind;
  private device = '';
  private isMounted = false;
  private isHeld = false;

  constructor(directory: string, kind: DiskKind, name: string) {
    this.directory = directory;
    this.kind = kind;
    this.group = join(THROTTLE, `torc-chaos-${process.pid}-${name}`);
  }

  async mount(): Promise<void> {
    await mkdir(this.directory, { recursive: true });
    if (this.kind === 'plain') return;
    if (this.kind === 'tmpfs') {
      await run('mount', '-t', 'tmpfs', '-o', `size=${SIZE_BYTES}`, 'tmpfs', this.directory);
    } else {
      const image = await open(this.image, 'w');
      await image.truncate(SIZE_BYTES);
      await image.close();
      await run('mkfs.ext4', '-q', '-m', '0', this.image);
      this.device = (await run('losetup', '--find', '--show', this.image)).trim();
      await run('mount', this.device, this.directory);
    }
    this.isMounted = true;
  }

  /** What it held is gone. */
  async unmount(): Promise<void> {
    await this.release();
    if (this.isMounted) await runAll([['umount', this.directory]]);
    this.isMounted = false;
    if (this.device !== '') await runAll([['losetup', '--detach', this.device]]);
    this.device = '';
    await rm(this.image, { force: true });
    if (await exists(this.group)) await runAll([['rmdir', this.group]]);
  }

  /** Nothing is left of it until `free`. */
  async fill(): Promise<void> {
    const filler = await open(join(this.directory, FILLER), 'w');
    try {
      for (const stepBytes of FILLER_STEPS_BYTES) {
        const zeros = Buffer.alloc(stepBytes);
        while (await writes(() => filler.appendFile(zeros)));
      }
      await filler.sync();
    } finally {
      await filler.close();
    }
  }

  async free(): Promise<void> {
    await rm(join(this.directory, FILLER));
  }

  async freeBytes(): Promise<number> {
    const { bavail, bsize } = await statfs(this.directory);
    return bavail * bsize;
  }

  /** The process's writes to this disk take their turn, so many a second. */
  async slow(pid: number | null, writesPerS: number): Promise<void> {
    await mkdir(this.group, { recursive: true });
    await this.limit(writesPerS);
    if (pid !== null) await writeFile(join(this.group, 'cgroup.procs'), String(pid));
  }

  async unslow(): Promise<void> {
    await this.limit(0);
  }

  /** Whoever writes to it waits until `release`. */
  async hold(): Promise<void> {
    this.isHeld = true;
    await run('fsfreeze', '--freeze', this.directory);
  }

  async release(): Promise<void> {
    if (!this.isHeld) return;
    this.isHeld = false;
    await run('fsfreeze', '--unfreeze', this.directory);
  }

  private get image(): string {
    return `${this.directory}.img`;
  }

  private async limit(writesPerS: number): Promise<void> {
    const number = (await run('lsblk', '--noheadings', '--output', 'MAJ:MIN', this.device)).trim();
    await writeFile(join(this.group, WRITES_PER_S), `${number} ${writesPerS}`);
  }
}

function firstLine(error: unknown): string {
  return (error as Error).message.split('\n')[0];
}

async function writes(write: () => Promise<void>): Promise<boolean> {
  try {
    await write();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOSPC') return false;
    throw error;
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path, constants.F_OK).then(
    () => true,
    () => false,
  );
}
