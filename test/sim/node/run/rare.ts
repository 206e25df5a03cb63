/** Rare situations that a node's own counters tell of, and those that only its parts see. */
import type { NodeParts } from '../../../../src/observe/parts.ts';
import type { Counters } from './counters.ts';

/** Of a process that ends. */
export function countParts({ replicas, forwarding, router, mover }: NodeParts, counters: Counters): void {
  for (const { counters: counted } of replicas) {
    counters.sometimes('read under the lease', counted.readsLease);
    counters.sometimes('read by read index', counted.readsIndex);
    counters.sometimes('read behind a write', counted.readsRiding);
  }
  counters.sometimes('command forwarded', forwarding.sent);
  counters.sometimes('request held for a move', router.holds.counters.parked);
  const { done, aborted, failed } = mover.figures.ends;
  counters.sometimes('move ended', done);
  counters.sometimes('move ended without all slots', aborted + failed);
}

/** Of one that begins to serve: looks on at its routes. `held`: a command waits, since its slot is between two shards. */
export function watchParts({ router }: NodeParts, counters: Counters, held: (slot: number) => void): void {
  const { holds } = router;
  const hold = holds.hold.bind(holds);
  holds.hold = (slot, source) => {
    hold(slot, source);
    held(slot);
  };
  for (const { route } of router.ways) {
    const [dispatch, pump] = [route.dispatch.bind(route), route.pump.bind(route)];
    route.dispatch = (request) => {
      dispatch(request);
      if (route.hasUnsent) counters.sometimes('request parked');
    };
    route.pump = () => {
      const hadUnsent = route.hasUnsent && route.hasTarget;
      pump();
      if (hadUnsent && !route.hasUnsent) counters.sometimes('parked request served');
    };
  }
}
