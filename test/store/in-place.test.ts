/** Values written over in place, from the desk and from elsewhere, against a keyspace in which each was written but once. */
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { onDesk } from '../../src/store/desk.ts';
import { Encoding, type Keyspace, type Ref } from '../../src/store/types.ts';
import { digestOf, newKeyspace, slotOf } from './model.ts';

const MAX_KEY_BYTES = 80;
const MAX_VALUE_BYTES = 600;
const { EMBSTR, RAW } = Encoding;

/** Where an argument lies: on the desk, as while an entry is applied, or in a buffer of its own. */
function source(bytes: Buffer, isOnDesk: boolean): Buffer {
  return isOnDesk ? onDesk(bytes) : bytes;
}

/** `before` bytes, the key, the value: as in an entry, at any offset. */
function store(
  keyspace: Keyspace,
  key: string,
  value: Buffer,
  expireAtMs: number,
  encoding: Encoding,
  before: number,
  isOnDesk: boolean,
): Ref {
  const bytes = Buffer.concat([Buffer.alloc(before, 0x5a), Buffer.from(key), value, Buffer.from('tail')]);
  const args = source(bytes, isOnDesk);
  const keyEnd = before + key.length;
  const valueEnd = keyEnd + value.length;
  const slot = slotOf(key);
  const ref = keyspace.find(0, slot, args, before, keyEnd);
  if (ref !== 0 && expireAtMs === 0 && keyspace.overwriteString(ref, args, keyEnd, valueEnd, encoding))
    return ref;
  return keyspace.setString(0, slot, args, before, keyEnd, args, keyEnd, valueEnd, expireAtMs, encoding);
}

function loaded(slices: readonly Buffer[]): Keyspace {
  const keyspace = newKeyspace();
  keyspace.at(1, 0, false);
  const loading = keyspace.beginLoad();
  for (const slice of slices) loading.feed(slice);
  loading.finish();
  return keyspace;
}

function pattern(length: number, seed: number): Buffer {
  return Buffer.from(Uint8Array.from({ length }, (_, i) => (i * 7 + seed * 13 + (i >>> 3)) & 0xff));
}

function keyOf(length: number): string {
  return 'k'.repeat(Math.max(0, length - 1)) + (length > 0 ? String.fromCharCode(65 + (length % 26)) : '');
}

describe('values written in place', () => {
  test('of every length, under keys of every length, are as if written anew, also while a snapshot is taken', () => {
    for (const isOnDesk of [true, false]) {
      const keyspace = newKeyspace();
      const fresh = newKeyspace();
      keyspace.at(1, 1, true);
      for (let keyBytes = 0; keyBytes <= MAX_KEY_BYTES; keyBytes += 1) {
        for (let i = 0; i < 3; i += 1)
          store(keyspace, keyOf(keyBytes), pattern((keyBytes * 7 + i) % 601, i), 0, RAW, i, isOnDesk);
      }
      let version = 1;
      let snapshot = keyspace.beginSnapshot();
      let digest = digestOf(keyspace, 1000);
      let slices: Buffer[] = [];
      for (let length = 0; length <= MAX_VALUE_BYTES; length += 1) {
        const key = keyOf(length % (MAX_KEY_BYTES + 1));
        version += 1;
        keyspace.at(1, version, true);
        // Of another length, then twice of this one: the last goes in place.
        const before = length % 9;
        store(keyspace, key, pattern(length + 9, 1), 0, EMBSTR, before, isOnDesk);
        store(keyspace, key, pattern(length, 2), 0, EMBSTR, before, isOnDesk);
        const ref = store(keyspace, key, pattern(length, 3), 0, RAW, before, isOnDesk);
        fresh.at(1, version, true);
        store(fresh, key, pattern(length, 3), 0, RAW, 0, false);
        const { bytes, view, start, end } = keyspace.string(ref);
        expect(bytes.subarray(start, end).equals(pattern(length, 3))).toBe(true);
        if (length > 0) expect(view.getUint8(start)).toBe(bytes[start]);
        const slice = snapshot.next(700);
        if (slice !== null) {
          slices.push(slice);
          continue;
        }
        const copy = loaded(slices);
        expect(digestOf(copy, 1000)).toBe(digest);
        digest = digestOf(keyspace, 1000);
        snapshot = keyspace.beginSnapshot();
        slices = [];
      }
      snapshot.abandon();
      expect(digestOf(keyspace, 1000)).toBe(digestOf(fresh, 1000));
      expect(keyspace.usedBytes).toBe(fresh.usedBytes);
    }
  });

  test('keep expiry, fields and accounting as a fresh keyspace has them', () => {
    const write = fc.record({
      kind: fc.constantFrom(
        'string',
        'string',
        'field',
        'field',
        'field',
        'unset',
        'remove',
        'snapshot',
        'slice',
      ),
      key: fc.nat(3),
      field: fc.nat(3),
      length: fc.oneof(
        fc.constantFrom(0, 5, 12, 13),
        fc.constantFrom(5, 12),
        fc.nat(24),
        fc.constantFrom(16, 17, 200),
      ),
      before: fc.nat(8),
      expires: fc.boolean(),
      isOnDesk: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(write, { maxLength: 120, size: 'max' }), (writes) => {
        const keyspace = newKeyspace();
        let version = 0;
        let snapshot = keyspace.beginSnapshot();
        let slices: Buffer[] = [];
        let digest = digestOf(keyspace, 1000);
        let usedBytes = 0;
        for (const { kind, key, field, length, before, expires, isOnDesk } of writes) {
          version += 1;
          keyspace.at(1, version, true);
          if (kind === 'string') {
            store(keyspace, `s${key}`, pattern(length, version), expires ? 9e9 : 0, RAW, before, isOnDesk);
          } else if (kind === 'slice' || kind === 'snapshot') {
            const slice = snapshot.next(kind === 'slice' ? 60 : 1e6);
            if (slice !== null) {
              slices.push(slice);
              continue;
            }
            const copy = loaded(slices);
            expect(digestOf(copy, 1000)).toBe(digest);
            expect(copy.usedBytes).toBe(usedBytes);
            snapshot = keyspace.beginSnapshot();
            slices = [];
            digest = digestOf(keyspace, 1000);
            ({ usedBytes } = keyspace);
          } else {
            writeHash(
              keyspace,
              kind,
              `h${key}`,
              `field${field}`,
              pattern(length, version),
              before,
              expires,
              isOnDesk,
            );
          }
        }
        snapshot.abandon();
        // A snapshot puts each key into a block of its own size: what it accounts for depends on the content alone.
        snapshot = keyspace.beginSnapshot();
        slices = [];
        for (let slice = snapshot.next(1e6); slice !== null; slice = snapshot.next(1e6)) slices.push(slice);
        const copy = loaded(slices);
        expect(digestOf(copy, 1000)).toBe(digestOf(keyspace, 1000));
        expect(copy.usedBytes).toBe(keyspace.usedBytes);
      }),
      { numRuns: 150 },
    );
  });
});

function writeHash(
  keyspace: Keyspace,
  kind: string,
  key: string,
  field: string,
  value: Buffer,
  before: number,
  expires: boolean,
  isOnDesk: boolean,
): void {
  const bytes = Buffer.concat([
    Buffer.alloc(before, 0x5a),
    Buffer.from(key + field),
    value,
    Buffer.from('t'),
  ]);
  const args = source(bytes, isOnDesk);
  const keyEnd = before + key.length;
  const fieldEnd = keyEnd + field.length;
  const slot = slotOf(key);
  let ref = keyspace.find(0, slot, args, before, keyEnd);
  if (kind === 'remove' || kind === 'unset') {
    if (ref === 0) return;
    if (kind === 'unset') keyspace.hashDelete(ref, args, keyEnd, fieldEnd);
    if (kind === 'remove' || keyspace.hashLength(ref) === 0) keyspace.remove(ref);
    return;
  }
  if (ref === 0) ref = keyspace.createHash(0, slot, args, before, keyEnd);
  ref = keyspace.hashSet(ref, args, keyEnd, fieldEnd, args, fieldEnd, fieldEnd + value.length);
  if (expires) ref = keyspace.setExpireAt(ref, 9e9);
  expect(keyspace.hashGet(ref, args, keyEnd, fieldEnd)).toBe(true);
  const { bytes: found, view, start, end } = keyspace.window;
  expect(found.subarray(start, end).equals(value)).toBe(true);
  if (end > start) expect(view.getUint8(start)).toBe(found[start]);
}
