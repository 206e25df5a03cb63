import type { Progress } from './progress.ts';
import type { MemberState } from './state.ts';
import type { SnapshotMeta, SnapshotResponse } from './types.ts';

/**
 * wanted: the driver was asked for a snapshot. reading: it was asked for the next bytes. loaded: they wait to be sent.
 * sent: they are under way. failed: the driver has none; it is asked again later.
 */
type TransferStage = 'wanted' | 'reading' | 'loaded' | 'sent' | 'failed';

/** A snapshot on its way to one peer (§7), a chunk at a time. */
export interface SnapshotTransfer {
  stage: TransferStage;
  snapshot: SnapshotMeta;
  snapshotId: number;
  totalBytes: number;
  offset: number;
  data: Uint8Array;
  /** When to read and send the chunk again, or to ask for a snapshot again. */
  retryMs: number;
}

const NO_BYTES = new Uint8Array(0);

/** The leader's side of snapshot installation. */
export class SnapshotSender {
  private readonly state: MemberState;

  constructor(state: MemberState) {
    this.state = state;
  }

  /** The peer needs an entry that is compacted away. */
  begin(peer: Progress): void {
    const snapshot = { index: 0, term: 0, membership: this.state.membership };
    const transfer: SnapshotTransfer = {
      stage: 'wanted',
      snapshot,
      snapshotId: 0,
      totalBytes: 0,
      offset: 0,
      data: NO_BYTES,
      retryMs: Infinity,
    };
    peer.becomeSnapshot(transfer);
    this.want(peer, transfer);
  }

  offer(peer: Progress, snapshot: SnapshotMeta, snapshotId: number, totalBytes: number): void {
    const transfer = peer.transfer;
    if (transfer === null || transfer.stage !== 'wanted') return;
    // Compacted further since it was asked for: this one would leave a gap.
    if (snapshot.index < this.state.log.firstIndex - 1) return this.want(peer, transfer);
    transfer.snapshot = snapshot;
    transfer.snapshotId = snapshotId;
    transfer.totalBytes = totalBytes;
    this.read(peer, transfer, 0);
  }

  data(peer: Progress, snapshotId: number, offset: number, data: Uint8Array): void {
    const transfer = peer.transfer;
    if (transfer === null || transfer.stage !== 'reading') return;
    if (transfer.snapshotId !== snapshotId || transfer.offset !== offset) return;
    transfer.data = data;
    transfer.stage = 'loaded';
  }

  failed(peer: Progress): void {
    const transfer = peer.transfer;
    if (transfer === null) return;
    transfer.stage = 'failed';
    transfer.retryMs = this.state.nowMonotonicMs + this.state.config.electionTimeoutMs;
  }

  /** Sends the chunk that is loaded, if there is one. */
  flush(peer: Progress, round: () => { number: number; timeMs: number }): void {
    const transfer = peer.transfer;
    if (transfer === null || transfer.stage !== 'loaded') return;
    const { config, term, self, outbox, nowMonotonicMs } = this.state;
    const { number, timeMs } = round();
    outbox.send({
      kind: 'snapshot',
      group: config.group,
      from: self,
      to: peer.member,
      term,
      session: peer.session,
      round: number,
      timeMs,
      snapshot: transfer.snapshot,
      snapshotId: transfer.snapshotId,
      offset: transfer.offset,
      totalBytes: transfer.totalBytes,
      data: transfer.data,
    });
    transfer.stage = 'sent';
    transfer.data = NO_BYTES;
    transfer.retryMs = nowMonotonicMs + config.electionTimeoutMs;
  }

  /** The receiver says where to go on: after a loss, or when it held a part already, that is elsewhere than expected. */
  onResponse(peer: Progress, response: SnapshotResponse): void {
    const transfer = peer.transfer;
    if (transfer === null || transfer.snapshotId !== response.snapshotId) return;
    if (response.installed) {
      peer.accepted(response.index);
      peer.becomeProbe();
      return;
    }
    if (transfer.stage !== 'sent' && transfer.stage !== 'reading') return;
    // The chunk wanted is on its way already: an old answer, or one that was duplicated.
    if (response.nextOffset === transfer.offset) return;
    this.read(peer, transfer, response.nextOffset);
  }

  tick(peer: Progress): void {
    const transfer = peer.transfer;
    if (transfer === null || this.state.nowMonotonicMs < transfer.retryMs) return;
    if (transfer.stage === 'failed') this.want(peer, transfer);
    else if (transfer.stage === 'sent') this.read(peer, transfer, transfer.offset);
  }

  private want(peer: Progress, transfer: SnapshotTransfer): void {
    transfer.stage = 'wanted';
    transfer.retryMs = Infinity;
    this.state.outbox.snapshotsWanted.push({ to: peer.member, minIndex: this.state.log.firstIndex - 1 });
  }

  private read(peer: Progress, transfer: SnapshotTransfer, offset: number): void {
    transfer.stage = 'reading';
    transfer.offset = offset;
    transfer.retryMs = Infinity;
    this.state.outbox.snapshotReads.push({
      to: peer.member,
      snapshotId: transfer.snapshotId,
      offset,
      maxBytes: this.state.config.maxSnapshotChunkBytes,
    });
  }
}
