/** Rumours that wait to be passed on: one a member, each sent a bounded number of times, those sent least first. */
import { RUMOUR_BYTES_LEAST, rumourBytes } from './codec.ts';
import type { MemberName, Rumour } from './types.ts';

interface Broadcast {
  readonly rumour: Rumour;
  readonly sizeBytes: number;
}

/** How often each rumour is sent in a cluster of so many. */
export function retransmits(retransmitMult: number, members: number): number {
  return retransmitMult * Math.ceil(Math.log10(members + 1));
}

export class BroadcastQueue {
  /** By how often they were sent, then by age. */
  private readonly tiers: Map<MemberName, Broadcast>[] = [];
  private readonly tierOf = new Map<MemberName, number>();

  get size(): number {
    return this.tierOf.size;
  }

  /** What was said of the member before is out of date. */
  add(rumour: Rumour): void {
    this.remove(rumour.name);
    this.put(0, { rumour, sizeBytes: rumourBytes(rumour) });
  }

  remove(name: MemberName): void {
    const tier = this.tierOf.get(name);
    if (tier === undefined) return;
    this.tierOf.delete(name);
    this.tiers[tier].delete(name);
  }

  /**
   * Appends to `rumours` what fits into the budget, for one message, but what is said of `except`. What has been sent `most` times is
   * forgotten.
   */
  take(rumours: Rumour[], budgetBytes: number, most: number, except: MemberName | null): void {
    if (this.tierOf.size === 0) return;
    let leftBytes = budgetBytes;
    const taken: [number, Broadcast][] = [];
    for (const [tier, broadcasts] of this.tiers.entries()) {
      for (const broadcast of broadcasts.values()) {
        if (broadcast.sizeBytes > leftBytes || broadcast.rumour.name === except) continue;
        leftBytes -= broadcast.sizeBytes;
        taken.push([tier, broadcast]);
        if (leftBytes < RUMOUR_BYTES_LEAST) break;
      }
      if (leftBytes < RUMOUR_BYTES_LEAST) break;
    }
    for (const [tier, broadcast] of taken) {
      rumours.push(broadcast.rumour);
      this.remove(broadcast.rumour.name);
      if (tier + 1 < most) this.put(tier + 1, broadcast);
    }
  }

  private put(tier: number, broadcast: Broadcast): void {
    while (this.tiers.length <= tier) this.tiers.push(new Map());
    this.tiers[tier].set(broadcast.rumour.name, broadcast);
    this.tierOf.set(broadcast.rumour.name, tier);
  }
}
