/** Messages in bytes: what was written is read, and what was not is refused with one kind of error. */
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeMessage, encodeMessage, messageBytes } from '../../src/gossip/codec.ts';
import { MalformedGossipError } from '../../src/gossip/malformed.ts';
import { BUCKETS } from '../../src/gossip/member.ts';
import { LEADS_MOST } from '../../src/gossip/metadata.ts';
import type { Message, Metadata, Rumour } from '../../src/gossip/types.ts';

const RUNS = 500;

const count = fc.maxSafeNat();
const u32 = fc.nat({ max: 2 ** 32 - 1 });
const port = fc.nat({ max: 65_535 });
const name = fc
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

const rumour: fc.Arbitrary<Rumour> = fc.oneof(
  fc.record({ kind: fc.constant('alive' as const), name, incarnation: count, metadata }),
  fc.record({
    kind: fc.constantFrom('suspect' as const, 'dead' as const, 'left' as const),
    name,
    incarnation: count,
    from: name,
  }),
);

const rumours = fc.array(rumour, { maxLength: 20 });
const hashes = fc
  .array(u32, { minLength: BUCKETS, maxLength: BUCKETS })
  .map((words) => Uint32Array.from(words));

const message: fc.Arbitrary<Message> = fc.oneof(
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

/** Null when the bytes are a message. */
function refusal(bytes: Buffer): unknown {
  try {
    decodeMessage(bytes);
    return null;
  } catch (error) {
    return error;
  }
}

describe('a message', () => {
  test('that was written is read', () => {
    fc.assert(
      fc.property(message, (sent) => {
        const bytes = encodeMessage(sent);
        expect(bytes.length).toBe(messageBytes(sent));
        expect(decodeMessage(bytes)).toEqual(sent);
      }),
      { numRuns: RUNS },
    );
  });

  test('is read from the midst of others', () => {
    fc.assert(
      fc.property(message, fc.nat({ max: 20 }), (sent, before) => {
        const bytes = encodeMessage(sent);
        const among = Buffer.concat([Buffer.alloc(before, 0xff), bytes, Buffer.alloc(7, 0xff)]);
        expect(decodeMessage(among, before, before + bytes.length)).toEqual(sent);
      }),
      { numRuns: RUNS / 5 },
    );
  });

  test('of random bytes is refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        expect(refusal(Buffer.from(bytes))).toSatisfy(
          (error) => error === null || error instanceof MalformedGossipError,
        );
      }),
      { numRuns: RUNS * 4 },
    );
  });

  test('with changed bytes is read or refused, and with a part of them refused', () => {
    fc.assert(
      fc.property(message, u32, fc.integer({ min: 1, max: 255 }), (sent, place, change) => {
        const bytes = encodeMessage(sent);
        const cut = refusal(bytes.subarray(0, place % bytes.length));
        expect(cut).toBeInstanceOf(MalformedGossipError);
        bytes[place % bytes.length] ^= change;
        expect(refusal(bytes)).toSatisfy((error) => error === null || error instanceof MalformedGossipError);
      }),
      { numRuns: RUNS * 4 },
    );
  });

  test('that is too large is refused before it is read', () => {
    const error = refusal(Buffer.alloc(64 * 1024 + 1, 1));
    expect(error).toBeInstanceOf(MalformedGossipError);
    expect(error).toMatchObject({ code: 'TORC_MALFORMED_GOSSIP' });
  });
});
