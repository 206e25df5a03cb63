/** How much more a node may be given when others are lost: so that it keeps some of its memory and disk for what it has. */
import type { Disk, Env } from '../env/contracts.ts';
import { memoryShareBytes } from '../settings/derived.ts';
import type { Settings } from '../settings/rows.ts';
import type { Replica } from '../shard/replica.ts';

/** Of memory and disk. */
const MOST_USED = 0.85;
const SAMPLE_INTERVAL_MS = 5000;

export interface RoomHost {
  readonly disk: Pick<Disk, 'space'>;
  readonly directory: string;
  readonly memoryBytes: number;
  /** 0: no limit but the machine's memory. */
  maxmemoryBytes(): number;
  readonly replicas: readonly { machine: { keyspace: { usedBytes: number } } }[];
}

export function roomOf({
  env,
  settings,
  replicas,
}: {
  env: Env;
  settings: Settings;
  replicas: readonly Replica[];
}): Room {
  return new Room({
    disk: env.disk,
    directory: settings.dataDirectory,
    memoryBytes: memoryShareBytes(settings, env.machine.memoryBytes),
    maxmemoryBytes: () => settings.maxmemoryBytes,
    replicas,
  });
}

export class Room {
  private readonly host: RoomHost;
  private diskBytes = 0;
  private nextSampleMs = 0;

  constructor(host: RoomHost) {
    this.host = host;
  }

  /** Called now and then. */
  tend(nowMs: number): void {
    if (nowMs < this.nextSampleMs) return;
    this.nextSampleMs = nowMs + SAMPLE_INTERVAL_MS;
    void this.sample();
  }

  /** Of keys and values. Nothing, while it is not known. */
  get bytes(): number {
    const { memoryBytes, replicas } = this.host;
    const mostBytes = this.host.maxmemoryBytes();
    const usedBytes = replicas.reduce((sum, { machine }) => sum + machine.keyspace.usedBytes, 0);
    const memoryRoomBytes = (mostBytes === 0 ? memoryBytes : mostBytes) * MOST_USED - usedBytes;
    return Math.max(0, Math.floor(Math.min(memoryRoomBytes, this.diskBytes)));
  }

  private async sample(): Promise<void> {
    const { disk, directory } = this.host;
    try {
      const { totalBytes, freeBytes } = await disk.space(directory);
      this.diskBytes = totalBytes * MOST_USED - (totalBytes - freeBytes);
    } catch {
      // A file system that does not say how full it is gets nothing.
      this.diskBytes = 0;
    }
  }
}
