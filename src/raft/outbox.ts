import type {
  Message,
  ReadReady,
  SnapshotMeta,
  SnapshotRead,
  SnapshotWanted,
  SnapshotWrite,
} from './types.ts';

const NO_MESSAGES: readonly Message[] = [];
const NO_READS: readonly ReadReady[] = [];
const NO_SNAPSHOTS_WANTED: readonly SnapshotWanted[] = [];
const NO_SNAPSHOT_READS: readonly SnapshotRead[] = [];

/** Gathers effects, those on the disk apart (persistence.ts), until the driver takes them. */
export class Outbox {
  messages: Message[] = [];
  reads: ReadReady[] = [];
  readsLost = false;
  snapshotsWanted: SnapshotWanted[] = [];
  snapshotReads: SnapshotRead[] = [];
  snapshotWrite: SnapshotWrite | null = null;
  snapshotInstall: { snapshotId: number; snapshot: SnapshotMeta } | null = null;

  readonly send = (message: Message): void => {
    this.messages.push(message);
  };

  /** What is mostly empty is taken without a new array each time. */
  takeMessages(): readonly Message[] {
    const { messages } = this;
    if (messages.length === 0) return NO_MESSAGES;
    this.messages = [];
    return messages;
  }

  /** Those that see no more than what is applied up to `appliedIndex`; they were asked in the order of what they see. */
  takeReads(appliedIndex: number): readonly ReadReady[] {
    const { reads } = this;
    if (!this.hasReads(appliedIndex)) return NO_READS;
    const later = reads.findIndex(({ index }) => index > appliedIndex);
    this.reads = later < 0 ? [] : reads.splice(later);
    return reads;
  }

  hasReads(appliedIndex: number): boolean {
    return this.reads.length > 0 && this.reads[0].index <= appliedIndex;
  }

  takeSnapshotsWanted(): readonly SnapshotWanted[] {
    const { snapshotsWanted } = this;
    if (snapshotsWanted.length === 0) return NO_SNAPSHOTS_WANTED;
    this.snapshotsWanted = [];
    return snapshotsWanted;
  }

  takeSnapshotReads(): readonly SnapshotRead[] {
    const { snapshotReads } = this;
    if (snapshotReads.length === 0) return NO_SNAPSHOT_READS;
    this.snapshotReads = [];
    return snapshotReads;
  }

  /** What is not taken by one of the above. */
  clear(): void {
    this.readsLost = false;
    this.snapshotWrite = null;
    this.snapshotInstall = null;
  }

  /** But for reads. */
  get isEmpty(): boolean {
    return (
      this.messages.length === 0 &&
      !this.readsLost &&
      this.snapshotsWanted.length === 0 &&
      this.snapshotReads.length === 0 &&
      this.snapshotWrite === null &&
      this.snapshotInstall === null
    );
  }
}
