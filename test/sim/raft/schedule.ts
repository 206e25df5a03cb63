interface Scheduled {
  atMs: number;
  order: number;
  run: () => void;
}

/** The simulation's time: a heap of what is to happen, by time and then by the order of asking. */
export class Schedule {
  nowMs = 0;
  private heap: Scheduled[] = [];
  private asked = 0;

  after(delayMs: number, run: () => void): void {
    this.push({ atMs: this.nowMs + Math.max(0, delayMs), order: this.asked++, run });
  }

  /** Runs the next; false when there is none up to `untilMs`. */
  step(untilMs: number): boolean {
    if (this.heap.length === 0 || this.heap[0].atMs > untilMs) {
      this.nowMs = Math.max(this.nowMs, untilMs);
      return false;
    }
    const next = this.pop();
    this.nowMs = next.atMs;
    next.run();
    return true;
  }

  private push(item: Scheduled): void {
    const { heap } = this;
    let at = heap.push(item) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (isBefore(heap[parent], item)) break;
      heap[at] = heap[parent];
      at = parent;
    }
    heap[at] = item;
  }

  private pop(): Scheduled {
    const { heap } = this;
    const top = heap[0];
    const last = heap.pop() as Scheduled;
    if (heap.length > 0) this.sink(last);
    return top;
  }

  private sink(item: Scheduled): void {
    const { heap } = this;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1], heap[child])) child++;
      if (isBefore(item, heap[child])) break;
      heap[at] = heap[child];
      at = child;
    }
    heap[at] = item;
  }
}

function isBefore(a: Scheduled, b: Scheduled): boolean {
  return a.atMs === b.atMs ? a.order < b.order : a.atMs < b.atMs;
}
