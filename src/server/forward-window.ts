import type { Request } from './request.ts';

const INITIAL_WINDOW = 256;

function emptySlots(count: number): (Request | null)[] {
  return Array.from({ length: count }, () => null);
}

/** What was sent over the present connection to the peer and is not answered, by correlation: numbers are not used twice. */
export class ForwardWindow {
  private slots = emptySlots(INITIAL_WINDOW);
  private nextCorrelation = 1;

  add(request: Request): number {
    let correlation = this.nextCorrelation;
    while (this.slots[correlation & (this.slots.length - 1)] !== null) {
      this.grow();
      correlation = this.nextCorrelation;
    }
    this.nextCorrelation = (correlation + 1) >>> 0;
    request.correlation = correlation;
    this.slots[correlation & (this.slots.length - 1)] = request;
    return correlation;
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
    return request;
  }

  remove(of: (request: Request) => boolean): void {
    for (const [at, request] of this.slots.entries()) {
      if (request === null || !of(request)) continue;
      this.slots[at] = null;
      request.parcel?.cancel();
      request.parcel = null;
    }
  }

  private grow(): void {
    const old = this.slots;
    this.slots = emptySlots(old.length * 2);
    for (const request of old) {
      if (request !== null) this.slots[request.correlation & (this.slots.length - 1)] = request;
    }
  }
}
