/** Messages in bytes: what was written is read, and what was not is refused with one kind of error. */
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeMessage, encodeMessage, messageBytes } from '../../src/gossip/codec.ts';
import { MalformedGossipError } from '../../src/gossip/malformed.ts';
import { metadataOf } from '../sim/gossip/world.ts';
import { message, u32 } from './arbitrary.ts';

const RUNS = 500;

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

  test('that was read can be passed on, whatever its bytes: texts that are none, incarnations past the last', () => {
    fc.assert(
      fc.property(
        message,
        fc.array(fc.tuple(u32, fc.nat({ max: 255 })), { maxLength: 8 }),
        (sent, changes) => {
          const bytes = encodeMessage(sent);
          for (const [place, byte] of changes) bytes[place % bytes.length] = byte;
          if (refusal(bytes) !== null) return;
          const read = decodeMessage(bytes);
          const again = encodeMessage(read);
          expect(again.length).toBe(messageBytes(read));
          expect(decodeMessage(again)).toEqual(read);
        },
      ),
      { numRuns: RUNS * 4 },
    );
    const long = { ...metadataOf('x'), label: 'x'.repeat(200) };
    const rumour = { kind: 'alive', name: 'a'.repeat(40), incarnation: 1, metadata: long } as const;
    const bytes = encodeMessage({ kind: 'gossip', epoch: { generation: 1, epoch: 1 }, rumours: [rumour] });
    bytes.fill(0xff, bytes.indexOf('xxxx'), bytes.indexOf('xxxx') + 200);
    expect(refusal(bytes)).toBeInstanceOf(MalformedGossipError);
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
