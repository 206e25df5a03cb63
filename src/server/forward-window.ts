import type { Request } from './request.ts';

const INITIAL_WINDOW = 256;

function emptySlots(count: number): (Request | null)[] {
  return Array.from({ length: count }, () => null);
}

/**
 * What was sent over the present connection to the peer and is not answered, by correlation: numbers are not used twice. No more than half of its
 * slots are taken, and a number whose slot is taken is passed over: one that is not answered for long costs its slot alone.
 */
export class ForwardWindow {
  private slots = emptySlots(INITIAL_WINDOW);
  private nextCorrelation = 1;
  private taken = 0;

  add(request: Request): number {
    if (this.taken * 2 >= this.slots.length) this.grow();
    const { slots } = this;
    let correlation = this.nextCorrelation;
    while (slots[correlation & (slots.length - 1)] !== null) correlation = (correlation + 1) >>> 0;
    this.nextCorrelation = (correlation + 1) >>> 0;
    this.taken += 1;
    request.correlation = correlation;
    slots[correlation & (slots.length - 1)] = request;
    return correlation;
  }

  /** How many slots there are. */
  get size(): number {
    return this.slots.length;
  }

  peek(correlation: number): Request | null {
    const request = this.slots[correlation & (this.slots.length - 1)];
    return request?.correlation === correlation ? request : null;
  }

  take(correlation: number): Request | null {
    const at = correlation & (this.slots.length - 1);
    const request = this.slots[at];
    if (request === null || request.correlation !== correlation) return null;
    this.slots[at] = null;
    this.taken -= 1;
    return request;
  }

  remove(of: (request: Request) => boolean): void {
    const { slots } = this;
    for (let at = 0; at < slots.length && this.taken > 0; at++) {
      const request = slots[at];
      if (request === null || !of(request)) continue;
      slots[at] = null;
      this.taken -= 1;
      request.parcel?.cancel();
      request.parcel = null;
    }
  }

  /** Numbers that differ in the smaller window differ in the larger. */
  private grow(): void {
    const old = this.slots;
    this.slots = emptySlots(old.length * 2);
    for (const request of old) {
      if (request !== null) this.slots[request.correlation & (this.slots.length - 1)] = request;
    }
  }
}
