import type { Clock, Disk, DiskFile, Machine, Random, Timers } from '../env/contracts.ts';
import type { GroupId, HardState, MemberId } from '../raft/types.ts';
import { logLock } from './directory.ts';
import {
  diskErrorOf,
  DirectoryInUseError,
  LogLostError,
  startupErrorOf,
  UncleanStopError,
} from './errors.ts';
import { FailureMark } from './failure-mark.ts';
import { SegmentedLog } from './log.ts';
import { readLog, type IsOurs, type LogContent } from './recovery.ts';
import { SegmentFiles, syncOf, writeTo } from './segment-files.ts';
import { SnapshotDirectory } from './snapshots.ts';
import { readStartFile, START_FILE_NAME, writeStartFile, type StartFile } from './start-file.ts';
import type { Durability, RecoveredGroup, SnapshotFiles, Wal, WalObserver, WalRecovery } from './types.ts';

const SEGMENT_BYTES = 16 * 1024 * 1024;
const BUFFERED_SYNC_DELAY_MS = 20;
const REWRITE_BYTES = 1024 * 1024;

export interface WalComponents {
  disk: Disk;
  clock: Pick<Clock, 'monotonicMs'>;
  timers: Timers;
  random: Pick<Random, 'uint32'>;
  machine: Pick<Machine, 'bootId'>;
}

export interface WalSettings {
  /** Belongs to the log alone; made when absent. */
  directory: string;
  durability: Durability;
  /** The size of a file of the log. Default: 16 MiB. */
  segmentBytes?: number;
  /** In `buffered`, how long after a write its sync begins. Default: 20. */
  bufferedSyncDelayMs?: number;
  observe?: WalObserver;
  /** For how long the members of this start promise to vote for no other: the next start has to know. Default: 0. */
  promiseMs?: number;
  /** This node has had a log here before: without one it has forgotten what it voted for and acknowledged. Default: false. */
  mustExist?: boolean;
  /** Whose records count. Default: all. */
  isOurs?: IsOurs | undefined;
  /** The directory is this process's alone; reading the log, which can take long, comes next. */
  onLocked?: () => void;
  /** A write or sync failed: the node has to stop, since it cannot know what reached the disk. Called once. */
  onFailure: (error: Error) => void;
}

export interface OpenedWal {
  wal: Wal;
  snapshots: SnapshotFiles;
  recovery: WalRecovery;
}

/** Opens the log and reads what is there. All that is handed back is durable. Refusals are StartupErrors. */
export async function openWal(components: WalComponents, settings: WalSettings): Promise<OpenedWal> {
  const { disk } = components;
  const { directory } = settings;
  try {
    await disk.makeDirectory(directory);
    const lock = await disk.lock(logLock(directory));
    if (lock === null) throw new DirectoryInUseError(directory);
    try {
      settings.onLocked?.();
      return await new WalOpening(components, settings, () => lock.release()).open();
    } catch (error) {
      await lock.release();
      throw error;
    }
  } catch (error) {
    throw startupErrorOf(directory, error);
  }
}

class WalOpening {
  readonly #components: WalComponents;
  readonly #settings: WalSettings;
  readonly #unlock: () => Promise<void>;
  readonly #startPath: string;
  readonly #logDirectory: string;

  constructor(components: WalComponents, settings: WalSettings, unlock: () => Promise<void>) {
    this.#components = components;
    this.#settings = settings;
    this.#unlock = unlock;
    this.#startPath = `${settings.directory}/${START_FILE_NAME}`;
    this.#logDirectory = `${settings.directory}/log`;
  }

  async open(): Promise<OpenedWal> {
    const { disk, random } = this.#components;
    const before = await readStartFile(disk, this.#startPath);
    if (before !== null) this.#refuseUncleanStop(before);
    else if (this.#settings.mustExist === true) throw new LogLostError(this.#settings.directory);
    const failureMark = await FailureMark.open(disk, this.#settings.directory);
    const snapshots = new SnapshotDirectory(disk, random, `${this.#settings.directory}/snapshots`);
    const metas = await snapshots.recover();
    await disk.makeDirectory(this.#logDirectory);
    const isOurs = this.#settings.isOurs ?? ((): boolean => true);
    const content = await readLog(disk, this.#logDirectory, metas, before, isOurs);
    for (const group of metas.keys()) if (!content.groups.has(group)) await snapshots.remove(group);
    await this.#makeDurable(content);
    const start = await this.#beginStart(before, content);
    const recovery = recoveryOf(content, start, before?.promiseMs ?? 0);
    const wal = await this.#openLog(content, start, recovery, failureMark);
    return { wal, snapshots, recovery };
  }

  /** What had been written may be gone if the system stopped, and what a failed sync dropped is gone even if it did not. */
  #refuseUncleanStop(before: StartFile): void {
    if (before.durability !== 'buffered' || before.cleanStop) return;
    if (before.bootId === this.#components.machine.bootId) return;
    const cause =
      'the machine stopped before all of it was synced (another boot id, and no mark of a clean stop)';
    throw new UncleanStopError(this.#settings.directory, cause);
  }

  /** What was read may lie in the page cache only: all past the mark is written anew and synced before it counts (§4). */
  async #makeDurable(content: LogContent): Promise<void> {
    const { disk } = this.#components;
    for (const segment of content.segments) {
      const from = Math.max(content.mark - segment.base, 0);
      const next = content.segments[content.segments.indexOf(segment) + 1];
      const to = next === undefined ? content.end - segment.base : segment.sizeBytes;
      if (from >= to) continue;
      await rewrite(segment.file, from, to);
      await syncOf(segment.file);
    }
    // The last one first, each durably: what is left is always consecutive, and a gap is a file that was lost.
    for (const path of [...content.leftovers].reverse()) {
      await disk.remove(path);
      await disk.syncDirectory(this.#logDirectory);
    }
  }

  /** From here on the directory is this start's, and marked as not cleanly stopped. */
  async #beginStart(before: StartFile | null, content: LogContent): Promise<StartFile> {
    const timeMs = before?.timeMs ?? 0;
    const start: StartFile = {
      start: (before?.start ?? 0) + 1,
      logBorn: before?.logBorn ?? 1,
      durability: this.#settings.durability,
      bootId: this.#components.machine.bootId,
      mark: content.end,
      timeMs: before?.cleanStop === true ? timeMs : Math.max(timeMs, content.ceilingMs),
      cleanStop: false,
      promiseMs: Math.max(this.#settings.promiseMs ?? 0, before?.promiseMs ?? 0),
    };
    await writeStartFile(this.#components.disk, this.#startPath, start);
    return start;
  }

  async #openLog(
    content: LogContent,
    start: StartFile,
    recovery: WalRecovery,
    failureMark: FailureMark,
  ): Promise<Wal> {
    const { disk, clock, timers } = this.#components;
    const { durability, bufferedSyncDelayMs, segmentBytes, observe, onFailure } = this.#settings;
    const openedMs = clock.monotonicMs();
    const files = new SegmentFiles(
      disk,
      this.#logDirectory,
      segmentBytes ?? SEGMENT_BYTES,
      content.segments,
      (error) => log.fail(diskErrorOf('cannot prepare a file of the log', error)),
    );
    const log = new SegmentedLog(
      { clock, timers, files },
      {
        durability,
        bufferedSyncDelayMs: bufferedSyncDelayMs ?? BUFFERED_SYNC_DELAY_MS,
        start: start.start,
        end: content.end,
        hardStates: hardStatesOf(content),
        members: membersOf(content),
        lastIndexes: lastIndexesOf(content),
        timeCeilingMs: recovery.timeCeilingMs,
        observe: observe ?? (() => undefined),
        onFailure: (error) => {
          if (durability === 'buffered') failureMark.set();
          onFailure(error);
        },
        onClosed: async (stop) => {
          await failureMark.close();
          if (stop !== null) {
            const promiseMs = this.#promiseAfter(start.promiseMs, clock.monotonicMs() - openedMs);
            await writeStartFile(disk, this.#startPath, { ...start, ...stop, promiseMs, cleanStop: true });
          }
          await this.#unlock();
        },
      },
    );
    for (const [group, { snapshot }] of recovery.groups) files.release(group, snapshot?.index ?? 0);
    files.synced(content.end);
    if (files.active === undefined) await files.firstSpare();
    files.keepUp();
    return log;
  }

  /** What earlier starts promised has run out when this one has lasted for as long. */
  #promiseAfter(promiseMs: number, lastedMs: number): number {
    return lastedMs >= promiseMs ? (this.#settings.promiseMs ?? 0) : promiseMs;
  }
}

function recoveryOf(content: LogContent, start: StartFile, promiseMs: number): WalRecovery {
  const groups = new Map<GroupId, RecoveredGroup>();
  for (const [group, log] of content.groups) {
    const { hardState, member, snapshot } = log;
    groups.set(group, { group, member, hardState, snapshot, entries: log.entries() });
  }
  return {
    groups,
    start: start.start,
    logBorn: start.logBorn,
    logEnd: content.end,
    timeCeilingMs: start.timeMs,
    promiseMs,
    tornBytes: content.tornBytes,
  };
}

function hardStatesOf(content: LogContent): Map<GroupId, HardState> {
  const hardStates = new Map<GroupId, HardState>();
  for (const [group, { hardState }] of content.groups) hardStates.set(group, hardState);
  return hardStates;
}

function membersOf(content: LogContent): Map<GroupId, MemberId> {
  const members = new Map<GroupId, MemberId>();
  for (const [group, { member }] of content.groups) if (member !== 0) members.set(group, member);
  return members;
}

function lastIndexesOf(content: LogContent): Map<GroupId, number> {
  const lastIndexes = new Map<GroupId, number>();
  for (const [group, { lastIndex }] of content.groups) if (lastIndex > 0) lastIndexes.set(group, lastIndex);
  return lastIndexes;
}

async function rewrite(file: DiskFile, from: number, to: number): Promise<void> {
  const bytes = Buffer.allocUnsafe(Math.min(REWRITE_BYTES, to - from));
  let position = from;
  while (position < to) {
    const length = await file.read(bytes.subarray(0, Math.min(bytes.length, to - position)), position);
    if (length === 0) return;
    await writeTo(file, bytes.subarray(0, length), position);
    position += length;
  }
}
