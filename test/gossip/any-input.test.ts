/** Whatever others say, and whenever: nothing is thrown, limits hold, and a member lives as long as it says so. */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { MESSAGE_BYTES_MOST, messageBytes } from '../../src/gossip/codec.ts';
import { Gossip } from '../../src/gossip/gossip.ts';
import { PRESETS } from '../../src/gossip/presets.ts';
import { SeededRandom } from '../sim/raft/random.ts';
import { metadataOf } from '../sim/gossip/world.ts';
import { message } from './arbitrary.ts';

const NAMES = Array.from({ length: 6 }, (_, at) => String(at).repeat(40));
const [SELF] = NAMES;

/** Rumours about few members meet each other. */
const told = fc
  .record({ message, names: fc.infiniteStream(fc.constantFrom(...NAMES)) })
  .map(({ message: drawn, names }) => {
    const named = (): string => names.next().value as string;
    const rumours = drawn.rumours.map((rumour) =>
      rumour.kind === 'alive'
        ? { ...rumour, name: named(), incarnation: rumour.incarnation % 2 ** 26 }
        : { ...rumour, name: named(), from: named(), incarnation: rumour.incarnation % 2 ** 26 },
    );
    return drawn.kind === 'ping-request' ? { ...drawn, target: named(), rumours } : { ...drawn, rumours };
  });

const step = fc.oneof(
  fc.record({ kind: fc.constant('message' as const), from: fc.constantFrom(...NAMES), message: told }),
  fc.record({
    kind: fc.constant('time' as const),
    durationMs: fc.nat({ max: 20_000 }),
    delayMs: fc.nat({ max: 2000 }),
  }),
  fc.record({ kind: fc.constantFrom('open' as const, 'close' as const), name: fc.constantFrom(...NAMES) }),
  fc.record({ kind: fc.constant('topology' as const), names: fc.subarray(NAMES) }),
);

test('any messages, delays, connections and topologies', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), fc.nat(), (steps, seed) => {
      const random = new SeededRandom(seed);
      const config = {
        self: SELF,
        start: 1,
        metadata: metadataOf('self'),
        settings: PRESETS.lan,
        lifeguard: true,
      };
      const gossip = new Gossip({ ...config, random: () => random.uint32() }, 0);
      let nowMs = 0;
      let incarnation = 0;
      for (const one of steps) {
        switch (one.kind) {
          case 'message':
            gossip.step(one.from, one.message, nowMs);
            break;
          case 'open':
            gossip.connected(one.name, nowMs);
            break;
          case 'close':
            gossip.disconnected(one.name, nowMs);
            break;
          case 'topology':
            gossip.expect(one.names, nowMs);
            break;
          case 'time':
            nowMs += one.durationMs;
            gossip.tick(nowMs, one.delayMs);
        }
        const self = gossip.member(SELF);
        expect(self?.state).toBe('alive');
        expect(self?.incarnation).toBeGreaterThanOrEqual(incarnation);
        incarnation = self?.incarnation ?? 0;
        expect(gossip.localHealth).toBeLessThan(PRESETS.lan.awarenessMax);
        expect(gossip.members.length).toBeLessThanOrEqual(NAMES.length);
        expect(gossip.queued).toBeLessThanOrEqual(NAMES.length);
        for (const outgoing of gossip.takeOutgoing())
          expect(messageBytes(outgoing.message)).toBeLessThanOrEqual(MESSAGE_BYTES_MOST);
        gossip.takeEvents();
      }
    }),
    { numRuns: 300 },
  );
});
