/** Any message that can be. */
import * as fc from 'fast-check';
import { BUCKETS, INCARNATION_MOST } from '../../src/gossip/member.ts';
import { LEADS_MOST } from '../../src/gossip/metadata.ts';
import type { Message, Metadata, Rumour } from '../../src/gossip/types.ts';

const count = fc.maxSafeNat();
export const u32 = fc.nat({ max: 2 ** 32 - 1 });
const port = fc.nat({ max: 65_535 });
export const name = fc
  .uint8Array({ minLength: 20, maxLength: 20 })
  .map((bytes) => Buffer.from(bytes).toString('hex'));
const text = fc.string({ unit: 'grapheme', maxLength: 16 }).filter((value) => Buffer.byteLength(value) <= 64);
const epoch = fc.record({ generation: u32, epoch: count });

const metadata: fc.Arbitrary<Metadata> = fc.record({
  label: text,
  host: text,
  clientPort: port,
  redirectPort: port,
  peerPort: port,
  adminPort: port,
  zone: text,
  machine: text,
  weight: fc.double({ min: 0.01, max: 1000, noNaN: true }),
  version: text,
  load: u32,
  epoch,
  leads: fc.array(fc.record({ shard: u32, term: count }), { maxLength: LEADS_MOST }),
});

const incarnation = count.map((value) => Math.min(value, INCARNATION_MOST));
const rumour: fc.Arbitrary<Rumour> = fc.oneof(
  fc.record({ kind: fc.constant('alive' as const), name, incarnation, metadata }),
  fc.record({
    kind: fc.constantFrom('suspect' as const, 'dead' as const, 'left' as const),
    name,
    incarnation,
    from: name,
  }),
);

const rumours = fc.array(rumour, { maxLength: 20 });
const hashes = fc
  .array(u32, { minLength: BUCKETS, maxLength: BUCKETS })
  .map((words) => Uint32Array.from(words));

export const message: fc.Arbitrary<Message> = fc.oneof(
  fc.record({
    kind: fc.constantFrom('ping' as const, 'ack' as const, 'nack' as const),
    epoch,
    sequence: u32,
    rumours,
  }),
  fc.record({ kind: fc.constant('ping-request' as const), epoch, sequence: u32, target: name, rumours }),
  fc.record({ kind: fc.constant('gossip' as const), epoch, rumours }),
  fc.record({ kind: fc.constant('sync' as const), epoch, hashes, rumours }),
  fc.record({ kind: fc.constant('sync-rows' as const), epoch, hashes, wantsRows: fc.boolean(), rumours }),
);
