/**
 * Snapshots of this node's replicas: made in slices when the log has grown, read for members that are behind, stored and loaded when this
 * member is. The bytes that go over the wire are those of the file, so that a transfer can go on where it broke off.
 */
import type { Timers } from '../env/contracts.ts';
import type { Log } from '../log.ts';
import type {
  GroupId,
  Instant,
  RaftCore,
  Ready,
  SnapshotMeta,
  SnapshotRead,
  SnapshotWrite,
} from '../raft/types.ts';
import type { SnapshotFileReader, SnapshotFiles, SnapshotFileWriter, Wal } from '../wal/types.ts';
import type { Replica } from './replica.ts';
import { StateLoad, StateSnapshot } from './state-snapshot.ts';

/** One slice: about a millisecond. */
const SLICE_BYTES = 64 * 1024;
const LOAD_BYTES = 256 * 1024;
/** What a replica keeps of its log in memory for members that are a little behind. */
const LOG_KEPT_BYTES = 32 * 1024 * 1024;
const LOG_KEPT_ENTRIES = 1000;
/** What a leader keeps, as long as members that are there still lack it: a snapshot would cost them far more than the rest of the log. */
const LOG_KEPT_FOR_MEMBERS_BYTES = 256 * 1024 * 1024;
/** A member that has answered within this time is there. */
const MEMBER_THERE_MS = 3000;

export interface SnapshotterSettings {
  /** A snapshot is made once a group has logged so much since the last one, and no less than its data takes. */
  snapshotAfterBytes: number;
}

export interface SnapshotterHost {
  readonly now: Instant;
  readClock(): Instant;
  wake(): void;
  fatal(error: unknown): void;
}

interface Incoming {
  id: number;
  meta: SnapshotMeta;
  writer: Promise<SnapshotFileWriter>;
}

interface Serving {
  id: number;
  reader: SnapshotFileReader;
}

class Group {
  readonly replica: Replica;
  /** Made by the log since the last snapshot. */
  loggedBytes = 0;
  making: Promise<void> | null = null;
  incoming: Incoming | null = null;
  serving: Serving | null = null;
  /** What is being done to files of this group: one thing after the other. */
  work: Promise<void> = Promise.resolve();

  constructor(replica: Replica) {
    this.replica = replica;
  }
}

export class Snapshotter {
  private readonly groups = new Map<GroupId, Group>();
  private readonly files: SnapshotFiles;
  private readonly wal: Wal;
  private readonly timers: Timers;
  private readonly host: SnapshotterHost;
  private readonly settings: SnapshotterSettings;
  private readonly log: Log;
  private readonly newId: () => number;
  private isStopped = false;
  /** When the last one was finished, by the wall clock; 0 before. */
  lastFinishedWallMs = 0;

  constructor(
    files: SnapshotFiles,
    wal: Wal,
    timers: Timers,
    host: SnapshotterHost,
    settings: SnapshotterSettings,
    newId: () => number,
    log: Log,
  ) {
    this.files = files;
    this.wal = wal;
    this.timers = timers;
    this.host = host;
    this.settings = settings;
    this.newId = newId;
    this.log = log;
  }

  get isMaking(): boolean {
    for (const group of this.groups.values()) if (group.making !== null) return true;
    return false;
  }

  add(replica: Replica): void {
    this.groups.set(replica.raft.group, new Group(replica));
  }

  /** Loads a recovered snapshot into the replica's state machine. */
  async restore(replica: Replica['machine'], group: GroupId): Promise<void> {
    const reader = await this.files.open(group);
    if (reader !== null) await this.load(replica, reader);
  }

  /** What a Ready asks for. */
  handle(replica: Replica, ready: Ready): void {
    const group = this.groups.get(replica.raft.group);
    if (group === undefined) return;
    for (const entry of ready.entries) group.loggedBytes += entry.bytes.length;
    for (const wanted of ready.snapshotsWanted)
      this.queue(group, () => this.offer(group, wanted.to, wanted.minIndex));
    for (const read of ready.snapshotReads) this.queue(group, () => this.serve(group, read));
    const { snapshotWrite, snapshotInstall } = ready;
    if (snapshotWrite !== null) this.queue(group, () => this.store(group, snapshotWrite));
    if (snapshotInstall !== null) {
      this.queue(group, () => this.install(group, snapshotInstall.snapshotId, snapshotInstall.snapshot));
    }
  }

  /** Called now and then: lets memory go, and starts what is due. */
  maintain(): void {
    const pressed = new Set(this.wal.oldestSegmentGroups());
    for (const group of this.groups.values()) {
      this.compactMemory(group);
      const { replica } = group;
      const dueBytes = Math.max(this.settings.snapshotAfterBytes, replica.machine.keyspace.usedBytes / 2);
      const isDue = group.loggedBytes >= dueBytes || (pressed.has(replica.raft.group) && this.holdsTooMuch());
      if (isDue && group.making === null && group.incoming === null) void this.make(group);
      if (isObsolete(group)) this.queue(group, () => this.forget(group));
    }
  }

  private async forget(group: Group): Promise<void> {
    const { incoming } = group;
    if (incoming === null || !isObsolete(group)) return;
    group.incoming = null;
    await (await incoming.writer).abandon();
  }

  async stop(): Promise<void> {
    this.isStopped = true;
    for (const group of this.groups.values()) {
      await group.making;
      await group.work;
      await group.serving?.reader.close();
    }
  }

  /** The log on disk may hold this many times what one snapshot's interval logs, over all groups. */
  private holdsTooMuch(): boolean {
    const allowed = this.settings.snapshotAfterBytes * (this.groups.size + 1);
    return this.wal.stats.bytesOnDisk > allowed;
  }

  private compactMemory(group: Group): void {
    const { raft, machine } = group.replica;
    if (raft.logBytes <= LOG_KEPT_BYTES) return;
    const entries = raft.lastIndex - raft.firstIndex + 1;
    const excess = Math.ceil(entries * (1 - LOG_KEPT_BYTES / 2 / raft.logBytes));
    const spared = Math.min(machine.appliedIndex, raft.firstIndex + excess, raft.lastIndex - 1);
    const upTo = raft.logBytes > LOG_KEPT_FOR_MEMBERS_BYTES ? spared : Math.min(spared, this.heldByAll(raft));
    if (upTo >= raft.firstIndex && entries > LOG_KEPT_ENTRIES / 100) raft.compact(upTo);
  }

  /** Up to here all members that are there and go by the log have it. */
  private heldByAll(raft: RaftCore): number {
    const sinceMs = this.host.now.monotonicMs - MEMBER_THERE_MS;
    let index = Infinity;
    for (const { state, match, lastHeardMs } of raft.progress())
      if (state !== 'snapshot' && lastHeardMs >= sinceMs) index = Math.min(index, match);
    return index;
  }

  private queue(group: Group, run: () => Promise<void>): void {
    group.work = group.work.then(async () => {
      if (this.isStopped) return;
      try {
        await run();
      } catch (error) {
        this.host.fatal(error);
      }
      this.host.wake();
    });
  }

  private make(group: Group): Promise<void> {
    const run = async (): Promise<void> => {
      try {
        await this.write(group);
      } catch (error) {
        this.host.fatal(error);
      }
      group.making = null;
    };
    group.making ??= run();
    return group.making;
  }

  private async write(group: Group): Promise<void> {
    const { replica } = group;
    const { machine, raft } = replica;
    if (machine.appliedIndex === 0) return;
    const meta: SnapshotMeta = {
      index: machine.appliedIndex,
      term: machine.appliedTerm,
      membership: raft.membership,
    };
    group.loggedBytes = 0;
    const snapshot = new StateSnapshot(machine);
    const startedMs = this.host.readClock().monotonicMs;
    const writer = await this.files.create(raft.group, meta);
    for (let slice = snapshot.next(SLICE_BYTES); slice !== null; slice = snapshot.next(SLICE_BYTES)) {
      await writer.append(slice);
      await this.turn();
      if (this.isStopped || machine.appliedIndex < meta.index) {
        snapshot.abandon();
        await writer.abandon();
        return;
      }
    }
    await writer.commit();
    this.wal.release(raft.group, meta.index);
    const now = this.host.readClock();
    this.lastFinishedWallMs = now.wallMs;
    this.log.info('snapshot-made', {
      shard: replica.shard,
      index: meta.index,
      sizeBytes: writer.sizeBytes,
      durationMs: Math.round(now.monotonicMs - startedMs),
    });
  }

  /** Lets a turn of the event loop pass. */
  private turn(): Promise<void> {
    return new Promise((resolve) => {
      this.timers.endOfTurn(resolve);
    });
  }

  private async offer(group: Group, to: number, minIndex: number): Promise<void> {
    const { raft } = group.replica;
    let reader = await this.files.open(raft.group);
    if (reader === null || reader.meta.index < minIndex) {
      await reader?.close();
      await this.make(group);
      reader = await this.files.open(raft.group);
    }
    if (reader === null || reader.meta.index < minIndex) {
      await reader?.close();
      raft.snapshotFailed(to, this.host.readClock());
      return;
    }
    if (group.serving !== null && group.serving.reader.meta.index === reader.meta.index) {
      await reader.close();
    } else {
      await group.serving?.reader.close();
      group.serving = { id: this.newId(), reader };
    }
    const { id, reader: served } = group.serving;
    raft.offerSnapshot(to, served.meta, id, served.totalBytes, this.host.readClock());
  }

  private async serve(group: Group, read: SnapshotRead): Promise<void> {
    const { serving, replica } = group;
    if (serving === null || serving.id !== read.snapshotId) {
      replica.raft.snapshotFailed(read.to, this.host.readClock());
      return;
    }
    const data = await serving.reader.read(read.offset, read.maxBytes);
    replica.raft.snapshotData(read.to, read.snapshotId, read.offset, data, this.host.readClock());
  }

  private async store(group: Group, write: SnapshotWrite): Promise<void> {
    const { raft } = group.replica;
    if (write.offset === 0) {
      if (group.incoming !== null) await (await group.incoming.writer).abandon();
      // A snapshot of our own that is being written must not be committed over the one that comes in.
      await group.making;
      group.incoming = {
        id: write.snapshotId,
        meta: write.snapshot,
        writer: this.files.create(raft.group, write.snapshot),
      };
    }
    if (group.incoming?.id !== write.snapshotId) {
      // It was forgotten: to be sent anew.
      raft.snapshotStored(write.snapshotId, 0, this.host.readClock());
      return;
    }
    const writer = await group.incoming.writer;
    if (writer.sizeBytes === write.offset) await writer.append(write.data);
    raft.snapshotStored(write.snapshotId, writer.sizeBytes, this.host.readClock());
  }

  private async install(group: Group, snapshotId: number, meta: SnapshotMeta): Promise<void> {
    const { replica, incoming } = group;
    if (incoming === null || incoming.id !== snapshotId) return;
    await (await incoming.writer).commit();
    const reader = await this.files.open(replica.raft.group);
    if (reader === null) throw new Error(`the snapshot of group ${replica.raft.group} is gone`);
    await this.load(replica.machine, reader);
    replica.time.observe(replica.machine.timeMs);
    this.wal.release(replica.raft.group, meta.index);
    // Only now: nobody may make a snapshot of a state that is being loaded.
    group.incoming = null;
    group.loggedBytes = 0;
    replica.raft.snapshotInstalled(snapshotId, this.host.readClock());
    this.log.info('snapshot-installed', {
      shard: replica.shard,
      index: meta.index,
      sizeBytes: reader.totalBytes,
    });
  }

  private async load(machine: Replica['machine'], reader: SnapshotFileReader): Promise<void> {
    const load = new StateLoad(machine, reader.meta.index, reader.meta.term);
    for (let offset = 0; offset < reader.totalBytes;) {
      const bytes = await reader.read(offset, LOAD_BYTES);
      load.feed(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
      offset += bytes.length;
      await this.turn();
    }
    load.finish();
    await reader.close();
  }
}

/** A snapshot that was coming in and is not needed any more would keep its group from making its own. */
function isObsolete({ incoming, replica }: Group): boolean {
  return incoming !== null && (replica.isLeader || replica.machine.appliedIndex >= incoming.meta.index);
}
