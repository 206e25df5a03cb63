import { assert } from '../assert.ts';
import type { Progress } from './progress.ts';
import type { Round } from './rounds.ts';
import type { SnapshotSender } from './snapshot-sender.ts';
import type { MemberState } from './state.ts';
import type { AppendResponse } from './types.ts';
import { UNKNOWN_TERM } from './log.ts';

/** The leader's side of log replication (§5.3): batches first, then a shallow pipeline. */
export class Replication {
  private readonly state: MemberState;
  private readonly snapshots: SnapshotSender;
  private readonly round: () => Round;

  constructor(state: MemberState, snapshots: SnapshotSender, round: () => Round) {
    this.state = state;
    this.snapshots = snapshots;
    this.round = round;
  }

  /** There is something to send, and the limits let it through. */
  canSend(peer: Progress): boolean {
    if (peer.state === 'snapshot') return peer.transfer?.stage === 'loaded';
    if (peer.isCheckDue) return true;
    if (peer.state === 'probe') return !peer.isProbeSent;
    if (peer.next > this.state.log.lastIndex || peer.inflight.isFull) return false;
    return !peer.isSpared || this.state.nowMonotonicMs >= peer.dueMs;
  }

  flush(peer: Progress): void {
    while (this.canSend(peer)) {
      if (peer.state === 'snapshot') this.snapshots.flush(peer, this.round);
      else if (this.state.log.termAt(peer.next - 1) === UNKNOWN_TERM) this.snapshots.begin(peer);
      else this.sendAppend(peer);
    }
  }

  onResponse(peer: Progress, response: AppendResponse): void {
    if (!response.accepted) {
      const hint = this.state.log.agreementHint(response.hintIndex, response.hintTerm);
      peer.refused(response.index, hint);
      return;
    }
    assert(response.index <= this.state.log.lastIndex, 'a follower accepts only what was sent');
    const isNew = peer.accepted(response.index);
    // A probe that is answered has found where the logs agree, even if it taught nothing new.
    if (peer.state === 'probe' && (isNew || response.index === peer.match)) peer.becomeReplicate();
    else if (peer.state === 'snapshot' && peer.match + 1 >= this.state.log.firstIndex) peer.becomeProbe();
  }

  /** The peer lives. Whatever it lacks may have been lost on its way: find out, one append a heartbeat. */
  onHeartbeatResponse(peer: Progress, round: number): void {
    if (round <= peer.appendRound) return;
    if (peer.state === 'probe') peer.isProbeSent = false;
    else if (peer.state === 'replicate' && peer.match < this.state.log.lastIndex) peer.isCheckDue = true;
  }

  private sendAppend(peer: Progress): void {
    const { config, log, self, term, commitIndex, outbox } = this.state;
    const isFull = peer.state === 'replicate' && peer.inflight.isFull;
    const entries = isFull
      ? []
      : log.batch(peer.next, config.maxEntriesPerMessage, config.maxBytesPerMessage);
    const prevIndex = peer.next - 1;
    const { number, timeMs } = this.round();
    outbox.send({
      kind: 'append',
      group: config.group,
      from: self,
      to: peer.member,
      term,
      session: peer.session,
      round: number,
      timeMs,
      prevIndex,
      prevTerm: log.termAt(prevIndex),
      commit: commitIndex,
      entries,
    });
    peer.isCheckDue = false;
    peer.appendRound = number;
    if (peer.state === 'probe') peer.isProbeSent = true;
    else if (entries.length > 0) this.advance(peer, entries);
  }

  private advance(peer: Progress, entries: readonly { bytes: Uint8Array }[]): void {
    let sizeBytes = 0;
    for (const entry of entries) sizeBytes += entry.bytes.length;
    peer.next += entries.length;
    peer.inflight.add(peer.next - 1, sizeBytes);
  }
}
