import type { MemberState } from './state.ts';
import type { SnapshotChunk, SnapshotMeta, SnapshotResponse } from './types.ts';

interface Receipt {
  snapshotId: number;
  snapshot: SnapshotMeta;
  totalBytes: number;
  /** The bytes below are stored. */
  nextOffset: number;
  stage: 'waiting' | 'storing' | 'installing';
  /** Whom to answer: the newest chunk, since the leader may have changed while bytes were being stored. */
  request: SnapshotChunk;
}

/** The follower's side of snapshot installation (§7): chunks are stored in order, whoever sends them, and installed when all are there. */
export class SnapshotReceiver {
  private readonly state: MemberState;
  private receipt: Receipt | null = null;

  constructor(state: MemberState) {
    this.state = state;
  }

  /** The state machine is being replaced: nothing may be appended or applied beside it. */
  get isInstalling(): boolean {
    return this.receipt?.stage === 'installing';
  }

  onChunk(chunk: SnapshotChunk): void {
    if (this.holdsAlready(chunk.snapshot)) {
      this.receipt = null;
      this.state.commitTo(chunk.snapshot.index);
      this.respond(chunk, chunk.totalBytes, true);
      return;
    }
    const receipt = this.receiptOf(chunk);
    if (receipt === null) return this.respond(chunk, 0, false);
    receipt.request = chunk;
    if (receipt.stage === 'storing') return;
    if (chunk.offset !== receipt.nextOffset) return this.respond(chunk, receipt.nextOffset, false);
    receipt.stage = 'storing';
    this.state.outbox.snapshotWrite = {
      snapshotId: chunk.snapshotId,
      snapshot: chunk.snapshot,
      offset: chunk.offset,
      totalBytes: chunk.totalBytes,
      data: chunk.data,
    };
  }

  stored(snapshotId: number, nextOffset: number): void {
    const { receipt } = this;
    if (receipt === null || receipt.snapshotId !== snapshotId || receipt.stage !== 'storing') return;
    receipt.nextOffset = nextOffset;
    if (nextOffset < receipt.totalBytes) {
      receipt.stage = 'waiting';
      this.respond(receipt.request, nextOffset, false);
    } else if (this.holdsAlready(receipt.snapshot)) {
      this.receipt = null;
    } else {
      receipt.stage = 'installing';
      this.state.outbox.snapshotInstall = { snapshotId, snapshot: receipt.snapshot };
    }
  }

  installed(snapshotId: number): void {
    const { receipt, state } = this;
    if (receipt === null || receipt.snapshotId !== snapshotId || receipt.stage !== 'installing') return;
    const { snapshot, request } = receipt;
    this.receipt = null;
    state.installSnapshot(snapshot);
    this.respond(request, receipt.totalBytes, true);
  }

  /** What is committed, or matches the snapshot's last entry, need not be sent. */
  private holdsAlready({ index, term }: SnapshotMeta): boolean {
    return index <= this.state.commitIndex || this.state.log.matches(index, term);
  }

  /** The receipt that a chunk goes on with; a first chunk starts another; null when there is none to go on with. */
  private receiptOf(chunk: SnapshotChunk): Receipt | null {
    if (this.receipt !== null && this.receipt.snapshotId === chunk.snapshotId) return this.receipt;
    if (chunk.offset !== 0) return null;
    const { snapshot, snapshotId, totalBytes } = chunk;
    this.receipt = { snapshotId, snapshot, totalBytes, nextOffset: 0, stage: 'waiting', request: chunk };
    return this.receipt;
  }

  private respond(request: SnapshotChunk, nextOffset: number, installed: boolean): void {
    const { config, log, outbox, self, storage, term } = this.state;
    // Received in an earlier term: its leader is gone.
    if (request.term !== term) return;
    const response: SnapshotResponse = {
      kind: 'snapshot-response',
      group: config.group,
      from: self,
      to: request.from,
      term,
      session: request.session,
      round: request.round,
      promiseMs: config.electionTimeoutMs,
      snapshotId: request.snapshotId,
      nextOffset,
      installed,
      index: installed ? Math.min(log.lastIndex, request.snapshot.index) : 0,
    };
    storage.sendAfterAll(response, outbox.send);
  }
}
