import type { SimNetwork } from '../../../../src/env/sim/network.ts';

/** Directions of the network that are closed, some of them for several reasons at once: each is open again once the last has gone. */
export class Cuts {
  private readonly network: SimNetwork;
  private readonly counts = new Map<string, number>();

  constructor(network: SimNetwork) {
    this.network = network;
  }

  /** Returns what opens them again; to be called once. */
  cut(directions: readonly (readonly [from: string, to: string])[]): () => void {
    for (const [from, to] of directions) {
      const key = `${from}>${to}`;
      const count = this.counts.get(key) ?? 0;
      this.counts.set(key, count + 1);
      if (count === 0) this.network.block(from, to);
    }
    let isMended = false;
    return () => {
      if (isMended) return;
      isMended = true;
      for (const [from, to] of directions) this.mend(from, to);
    };
  }

  private mend(from: string, to: string): void {
    const key = `${from}>${to}`;
    const count = this.counts.get(key) ?? 0;
    this.counts.set(key, count - 1);
    if (count === 1) this.network.unblock(from, to);
  }
}

export function bothWays(a: string, b: string): (readonly [string, string])[] {
  return [
    [a, b],
    [b, a],
  ];
}
