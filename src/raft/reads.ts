import type { ReadReady } from './types.ts';

const NOT_YET = 0;

interface ReadBatch {
  id: number;
  /** The commit index when the last of its reads was asked; NOT_YET before the own-term no-op has committed. */
  index: number;
  /** The round sent after the asking; NOT_YET until it is. */
  round: number;
}

/** ReadIndex (§6.4): reads asked for between two Readies share a batch; a batch waits for one round of its own, or a later one. */
export class ReadQueue {
  /** The last batch takes more reads until its round is sent. */
  private batches: ReadBatch[] = [];
  private isOpen = false;

  /** Reads that wait for their round to be sent. */
  get needsRound(): boolean {
    return this.isOpen;
  }

  get isEmpty(): boolean {
    return this.batches.length === 0;
  }

  /** Returns the batch's id. `nextId` is used when a new one starts: no id is ever used twice (correctness.md 1.2, #3). */
  ask(nextId: () => number, isReadable: boolean, commitIndex: number): number {
    if (!this.isOpen) {
      this.batches.push({ id: nextId(), index: NOT_YET, round: NOT_YET });
      this.isOpen = true;
    }
    const batch = this.batches[this.batches.length - 1];
    batch.index = isReadable ? commitIndex : NOT_YET;
    return batch.id;
  }

  roundSent(round: number): void {
    if (!this.isOpen) return;
    this.batches[this.batches.length - 1].round = round;
    this.isOpen = false;
  }

  /** The own-term no-op has committed: from now on the commit index covers all that earlier leaders committed. */
  becameReadable(commitIndex: number): void {
    for (const batch of this.batches) if (batch.index === NOT_YET) batch.index = commitIndex;
  }

  /** Moves the batches that a quorum's acknowledgement of `round` confirms into `confirmed`. */
  confirm(round: number, roundTimeMs: number, confirmed: ReadReady[]): void {
    let count = 0;
    for (const batch of this.batches) {
      if (batch.round === NOT_YET || batch.round > round || batch.index === NOT_YET) break;
      confirmed.push({ id: batch.id, index: batch.index, roundTimeMs });
      count++;
    }
    if (count > 0) this.batches.splice(0, count);
  }
}
