/** What moves look like from outside: one reading of the driver of a node and of the requests that waited for moves. */
import type { MovesReading } from '../admin/metrics-source.ts';
import type { Mover } from '../server/moves/mover.ts';
import type { HoldCounters } from '../server/slot-holds.ts';

export function readMoves(mover: Mover, requests: HoldCounters): MovesReading {
  const { figures, running } = mover;
  return {
    running: running.length,
    stuck: mover.stuck,
    ends: figures.ends,
    moved: figures.moved,
    left: running.map((move) => {
      const { source, target } = move.entry;
      const { moves } = move.replica.machine;
      const slots = move.slotsLeft();
      return {
        source,
        target,
        slots: slots.length,
        keys: slots.reduce((sum, slot) => sum + moves.keysIn(slot), 0),
        bytes: slots.reduce((sum, slot) => sum + moves.bytesIn(slot), 0),
      };
    }),
    pauses: figures.pauses,
    longestPauseMs: figures.longestPauseMs,
    durations: figures.durations,
    bytesPerSecond: mover.bytesPerSecond,
    throttleBytesPerSecond: mover.throttle.bytesPerSecond,
    requests,
  };
}
