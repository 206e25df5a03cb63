import { describe, expect, it } from 'vitest';

import type { Timer, Timers } from '../../src/env/contracts.ts';
import { ReplicaWait } from '../../src/server/replica-wait.ts';

class Rig {
  readonly connection = { hasWrites: false, hasEnded: false, setBlocked: () => {} };
  held = 1;
  ended = 0;
  answer: number | 'unblocked' | null = null;
  readonly planned = new Set<() => void>();
  readonly wait: ReplicaWait;

  constructor(wanted: number) {
    const timers = {
      after: (_: number, run: () => void): Timer => {
        this.planned.add(run);
        return { cancel: () => this.planned.delete(run) };
      },
    };
    const progress = { held: () => this.held, refresh: () => {}, end: () => (this.ended += 1) };
    this.wait = new ReplicaWait(
      this.connection,
      timers as unknown as Timers,
      progress,
      wanted,
      (held) => (this.answer = held),
    );
  }
}

describe('a WAIT without a timeout', () => {
  it('ends with what is held when its client sends no more', () => {
    const rig = new Rig(2);
    rig.wait.start(0);
    expect(rig.answer).toBeNull();
    rig.connection.hasEnded = true;
    rig.wait.check();
    expect(rig.answer).toBe(1);
    expect(rig.ended).toBe(1);
    expect(rig.planned.size).toBe(0);
  });

  it('does so at once where the client had ended before, but not before its writes are answered', () => {
    const rig = new Rig(2);
    Object.assign(rig.connection, { hasEnded: true, hasWrites: true });
    rig.wait.start(0);
    expect(rig.answer).toBeNull();
    rig.connection.hasWrites = false;
    rig.held = 2;
    rig.wait.check();
    expect(rig.answer).toBe(2);
    const late = new Rig(2);
    late.connection.hasEnded = true;
    late.wait.start(0);
    expect(late.answer).toBe(1);
  });
});
