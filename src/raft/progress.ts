import { Inflight } from './inflight.ts';
import type { LogHint } from './log.ts';
import type { SnapshotTransfer } from './snapshot-sender.ts';
import type { MemberId, ProgressStatus, RaftConfig } from './types.ts';

/**
 * What a leader knows of one peer.
 *
 * probe: where the logs agree is unknown; one append at a time.
 * replicate: the logs agree up to `match`; appends are sent ahead, up to the limits of `inflight`.
 * snapshot: the peer needs entries that are compacted away; nothing but heartbeats and chunks is sent.
 */
export class Progress {
  readonly member: MemberId;
  /** Drawn for this term and peer: a response from before carries another (correctness.md 1.2, #13). */
  readonly session: number;
  readonly inflight: Inflight;
  state: ProgressStatus['state'] = 'probe';
  /** Durable at the peer and equal to ours up to here. Invariant: match < next. */
  match = 0;
  next: number;
  /** The append of the probe state is under way. */
  isProbeSent = false;
  /** An append, even an empty one, is to find out whether one that went before was lost. */
  isCheckDue = false;
  /** The round of the newest append: the answer to an older heartbeat says nothing of its fate. */
  appendRound = 0;
  /** No commit waits for this member: it gets entries at `dueMs`, not at once (thrift.ts). */
  isSpared = false;
  dueMs = 0;
  /** In a row, a spared member was ahead of this one. */
  timesLate = 0;
  heardMs: number;
  ackedRound = 0;
  promiseMs = 0;
  transfer: SnapshotTransfer | null = null;

  constructor(member: MemberId, session: number, next: number, config: RaftConfig, nowMs: number) {
    this.member = member;
    this.session = session;
    this.next = next;
    this.heardMs = nowMs;
    this.inflight = new Inflight(config.maxMessagesInFlight, config.maxBytesInFlight);
  }

  becomeProbe(): void {
    this.state = 'probe';
    this.next = this.match + 1;
    this.reset();
  }

  becomeReplicate(): void {
    this.state = 'replicate';
    this.next = this.match + 1;
    this.reset();
  }

  becomeSnapshot(transfer: SnapshotTransfer): void {
    this.state = 'snapshot';
    this.reset();
    this.transfer = transfer;
  }

  /** The peer's log equals ours up to `index`. False: nothing new. */
  accepted(index: number): boolean {
    this.inflight.freeTo(index);
    if (index <= this.match) return false;
    this.match = index;
    this.next = Math.max(this.next, index + 1);
    return true;
  }

  /** Backs up to where the logs may agree; false when the answer is an old one. */
  refused(prevIndex: number, hint: LogHint): boolean {
    if (prevIndex <= this.match) return false;
    if (this.state === 'replicate') {
      this.becomeProbe();
      return true;
    }
    if (this.state !== 'probe' || prevIndex !== this.next - 1) return false;
    this.next = Math.max(Math.min(prevIndex, hint.index + 1), this.match + 1);
    this.isProbeSent = false;
    return true;
  }

  status(): ProgressStatus {
    return {
      member: this.member,
      state: this.state,
      match: this.match,
      next: this.next,
      inFlightMessages: this.inflight.messages,
      inFlightBytes: this.inflight.bytes,
      snapshotIndex: this.transfer?.snapshot.index ?? 0,
      lastHeardMs: this.heardMs,
    };
  }

  private reset(): void {
    this.isProbeSent = false;
    this.isCheckDue = false;
    this.inflight.clear();
    this.transfer = null;
  }
}
