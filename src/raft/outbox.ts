import type {
  Message,
  ReadReady,
  SnapshotMeta,
  SnapshotRead,
  SnapshotWanted,
  SnapshotWrite,
} from './types.ts';

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

  clear(): void {
    this.messages = [];
    this.reads = [];
    this.readsLost = false;
    this.snapshotsWanted = [];
    this.snapshotReads = [];
    this.snapshotWrite = null;
    this.snapshotInstall = null;
  }

  get isEmpty(): boolean {
    return (
      this.messages.length === 0 &&
      this.reads.length === 0 &&
      !this.readsLost &&
      this.snapshotsWanted.length === 0 &&
      this.snapshotReads.length === 0 &&
      this.snapshotWrite === null &&
      this.snapshotInstall === null
    );
  }
}
