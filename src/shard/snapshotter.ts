/**
 * Snapshots of this node's replicas: made in slices when the log has grown, read for members that are behind, stored and loaded when this
 * member is. The bytes that go over the wire are those of the file, so that a transfer can go on where it broke off.
 */
import type { Timers } from '../env/contracts.ts';
import type { Log } from '../log.ts';
import type { GroupId, Instant, Ready, SnapshotMeta, SnapshotRead, SnapshotWrite } from '../raft/types.ts';
import type { SnapshotFileReader, SnapshotFiles, SnapshotFileWriter, Wal } from '../wal/types.ts';
import { forgettableIndex, type LogRetention } from './log-retention.ts';
import type { Replica } from './replica.ts';
import { applyLast } from './successor-state.ts';
import { writeState } from './state-writer.ts';
import { StateLoad, StateSnapshot } from './state-snapshot.ts';

/** One slice: about a millisecond. */
const SLICE_BYTES = 64 * 1024;
const LOAD_BYTES = 256 * 1024;
/** While more than this waits of before-images, slices are longer. */
const PENDING_MUCH_BYTES = 1024 * 1024;
const LONG_SLICE_BYTES = 4 * SLICE_BYTES;
/** What writes may leave behind, as before-images, for a snapshot to take: above, it is given up and made anew a while later. */
const PENDING_MAX_BYTES = 64 * 1024 * 1024;
const RETRY_AFTER_MS = 5000;

const NO_SLICE = Buffer.alloc(0);

export interface SnapshotterSettings {
  /** A snapshot is made once a group has logged so much since the last one, and no less than its data takes. */
  snapshotAfterBytes: number;
  /** Of the log in memory, when not the usual. */
  logRetention?: LogRetention | undefined;
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
  /** Not before this, after one was given up. */
  retryAtMs = 0;
  making: Promise<void> | null = null;
  isRemoved = false;
  incoming: Incoming | null = null;
  serving: Serving | null = null;
  /** Members that a snapshot was offered to, until they have what it holds. */
  readonly offered = new Map<number, Serving>();
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
  isStopped = false;
  /** A last snapshot, or a first one, that is being written. */
  private writingWhole: Promise<unknown> = Promise.resolve();
  private segmentsFreed = 0;
  /** When the last one was finished, by the wall clock; 0 before. */
  lastFinishedWallMs = 0;
  /** Snapshots that too much was written for meanwhile. */
  givenUp = 0;

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

  /** Removes the replica's snapshot, and whatever is being done with it. */
  async remove({ raft }: Replica): Promise<void> {
    const group = this.groups.get(raft.group);
    if (group === undefined) return;
    this.groups.delete(raft.group);
    group.isRemoved = true;
    await group.making;
    await group.work;
    await group.serving?.reader.close();
    if (group.incoming !== null) await (await group.incoming.writer).abandon();
    await this.files.remove(raft.group);
  }

  /**
   * The replica acts no more: all of its log is applied, and its state is the group's snapshot from here on. Returns where the log ends, index 0 when
   * there is nothing in it; null when the node stops or fails first.
   */
  keep(replica: Replica): Promise<Pick<SnapshotMeta, 'index' | 'term'> | null> {
    const kept = this.keepLast(replica);
    this.writingWhole = Promise.allSettled([kept]);
    return kept;
  }

  private async keepLast(replica: Replica): Promise<Pick<SnapshotMeta, 'index' | 'term'> | null> {
    const { raft, machine } = replica;
    await this.letGo(replica);
    // What was coming in could not be loaded: the node fails.
    if (machine.isLoading) return null;
    machine.onMark = null;
    let unseenBytes = 0;
    for (const entry of raft.entriesAbove(machine.appliedIndex)) {
      if (this.isStopped) return null;
      applyLast(machine, entry);
      unseenBytes += entry.bytes.length;
      if (unseenBytes < SLICE_BYTES) continue;
      unseenBytes = 0;
      await this.turn();
    }
    const { appliedIndex: index, appliedTerm: term } = machine;
    if (index === 0) return { index, term };
    // What was seen expired stays so: whoever goes on with it begins above all times that this member has heard of (§5, "Time").
    machine.timeMs = Math.max(machine.timeMs, replica.time.highestMs());
    const writer = await this.files.create(raft.group, { index, term, membership: raft.membership });
    if (!(await this.writeWhole(machine, writer))) return null;
    this.wal.release(raft.group, index);
    return { index, term };
  }

  /** A new group begins with this state. False when the node stops first: then it has not begun. */
  begin(machine: Replica['machine'], group: GroupId, meta: SnapshotMeta): Promise<boolean> {
    const begun = this.files.create(group, meta).then((writer) => this.writeWhole(machine, writer));
    this.writingWhole = Promise.allSettled([begun]);
    return begun;
  }

  private writeWhole(machine: Replica['machine'], writer: SnapshotFileWriter): Promise<boolean> {
    return writeState(
      machine,
      writer,
      () => this.turn(),
      () => this.isStopped,
    );
  }

  /** What is being done with the replica's files is done to its end, but a snapshot that comes in: that has no sender any more. */
  private async letGo({ raft }: Replica): Promise<void> {
    const group = this.groups.get(raft.group);
    if (group === undefined) return;
    this.groups.delete(raft.group);
    await group.making;
    await group.work;
    group.isRemoved = true;
    await group.serving?.reader.close();
    if (group.incoming !== null) await (await group.incoming.writer).abandon();
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
    if (group.offered.size > 0) this.lookAtOffered(group);
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
      const mayTry = this.host.now.monotonicMs >= group.retryAtMs;
      const isDue = group.loggedBytes >= dueBytes || (pressed.has(replica.raft.group) && this.holdsTooMuch());
      if (isDue && mayTry && group.making === null && group.incoming === null) void this.make(group);
      if (isObsolete(group)) this.queue(group, () => this.forget(group));
    }
    const { segmentsFreed, bytesOnDisk } = this.wal.stats;
    if (segmentsFreed === this.segmentsFreed) return;
    const segments = segmentsFreed - this.segmentsFreed;
    this.log.info('log-compacted', { segments, diskBytes: bytesOnDisk });
    this.segmentsFreed = segmentsFreed;
  }

  /** Tells of the members that have it now; what a leadership that was lost had offered, the next leader offers anew. */
  private lookAtOffered({ replica, offered }: Group): void {
    const progress = replica.raft.progress();
    for (const [member, { reader }] of offered) {
      const peer = progress.find((row) => row.member === member);
      if (peer !== undefined && peer.match < reader.meta.index) continue;
      offered.delete(member);
      if (peer === undefined) continue;
      const { index } = reader.meta;
      const sizeBytes = reader.totalBytes;
      this.log.info('snapshot-sent', { shard: replica.shard, member, index, sizeBytes });
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
    await this.writingWhole;
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

  private compactMemory({ replica }: Group): void {
    const { logRetention } = this.settings;
    const { raft, machine } = replica;
    const index = forgettableIndex(raft, machine.appliedIndex, this.host.now.monotonicMs, logRetention);
    if (index > 0) raft.compact(index);
  }

  private queue(group: Group, run: () => Promise<void>): void {
    group.work = group.work.then(async () => {
      if (this.isStopped || group.isRemoved) return;
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
      membership: raft.membershipAt(machine.appliedIndex),
    };
    const { loggedBytes } = group;
    group.loggedBytes = 0;
    const snapshot = new StateSnapshot(machine, PENDING_MAX_BYTES);
    const startedMs = this.host.readClock().monotonicMs;
    const writer = await this.files.create(raft.group, meta);
    let slice: Buffer | null = NO_SLICE;
    while (slice !== null) {
      await this.turn();
      if (snapshot.overflowed) {
        group.loggedBytes += loggedBytes;
        this.giveUp(group, meta.index);
      } else if (this.isStopped || group.isRemoved || machine.appliedIndex < meta.index) snapshot.abandon();
      else {
        slice = snapshot.next(snapshot.pendingBytes > PENDING_MUCH_BYTES ? LONG_SLICE_BYTES : SLICE_BYTES);
        if (slice !== null) await writer.append(slice);
        continue;
      }
      await writer.abandon();
      return;
    }
    await writer.commit();
    const now = this.host.readClock();
    this.lastFinishedWallMs = now.wallMs;
    this.log.info('snapshot-made', {
      shard: replica.shard,
      index: meta.index,
      sizeBytes: writer.sizeBytes,
      durationMs: Math.round(now.monotonicMs - startedMs),
    });
    this.wal.release(raft.group, meta.index);
  }

  private giveUp(group: Group, index: number): void {
    this.givenUp += 1;
    group.retryAtMs = this.host.now.monotonicMs + RETRY_AFTER_MS;
    this.log.warn('snapshot-given-up', {
      shard: group.replica.shard,
      index,
      reason: 'more was written meanwhile than may wait for it',
      limitBytes: PENDING_MAX_BYTES,
      retryAfterMs: RETRY_AFTER_MS,
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
    group.offered.set(to, group.serving);
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
