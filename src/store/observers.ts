/** Several observers at once, such as a snapshot and a hash of the state that begun at another index. */
import type { ChangeObserver } from './change-observer.ts';
import type { Handle } from './slab-pool.ts';
import type { SlotPart } from './slot-content.ts';

export class Observers implements ChangeObserver {
  private readonly all: readonly ChangeObserver[];

  constructor(all: readonly ChangeObserver[]) {
    this.all = all;
  }

  beforeKey(entry: Handle): void {
    for (const observer of this.all) observer.beforeKey(entry);
  }

  beforeField(table: Handle, field: Handle, hash: number): void {
    for (const observer of this.all) observer.beforeField(table, field, hash);
  }

  reads(block: Handle): boolean {
    return this.all.some((observer) => observer.reads(block));
  }

  slotLeft(part: SlotPart): void {
    for (const observer of this.all) observer.slotLeft(part);
  }

  slotArrives(part: SlotPart): void {
    for (const observer of this.all) observer.slotArrives(part);
  }

  /** Each is told, and accounts for it. Who lets go of the block releases it, and asks the others so: the last one frees it. */
  keeps(block: Handle): boolean {
    let isKept = false;
    for (const observer of this.all) if (observer.keeps(block)) isKept = true;
    return isKept;
  }
}
