/** Slots that go from one keyspace of a node to another, while snapshots and hashes are taken. */
import { array, assert, constantFrom, property, record } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createKeyspace } from '../../src/store/keyspace.ts';
import { createSlabPool } from '../../src/store/slab-pool.ts';
import { Encoding, NO_REF, type KeyspaceSnapshot, type SlotKeyspace } from '../../src/store/types.ts';

const LIMITS = { hashMaxListpackEntries: 4, hashMaxListpackValueBytes: 32 };
const SLOTS = [3, 7, 8];

function set(keyspace: SlotKeyspace, slot: number, key: string, value: string, expireAtMs = 0, db = 0): void {
  const k = Buffer.from(key);
  const v = Buffer.from(value);
  keyspace.setString(db, slot, k, 0, k.length, v, 0, v.length, expireAtMs, Encoding.RAW);
}

function setField(keyspace: SlotKeyspace, slot: number, key: string, field: string, value: string): void {
  const [k, f, v] = [key, field, value].map((text) => Buffer.from(text));
  let ref = keyspace.find(0, slot, k, 0, k.length);
  if (ref === NO_REF) ref = keyspace.createHash(0, slot, k, 0, k.length);
  keyspace.hashSet(ref, f, 0, f.length, v, 0, v.length);
}

function remove(keyspace: SlotKeyspace, slot: number, key: string): void {
  const k = Buffer.from(key);
  const ref = keyspace.find(0, slot, k, 0, k.length);
  if (ref !== NO_REF) keyspace.remove(ref);
}

function hashOf(keyspace: SlotKeyspace): string {
  const hash = keyspace.beginHash();
  let hex: string | null = null;
  while (hex === null) hex = hash.next(Infinity);
  return hex;
}

function rest(snapshot: KeyspaceSnapshot, sizeBytes = 512): Buffer[] {
  const slices: Buffer[] = [];
  for (let slice = snapshot.next(sizeBytes); slice !== null; slice = snapshot.next(sizeBytes))
    slices.push(Buffer.from(slice));
  return slices;
}

function loaded(slices: readonly Buffer[]): SlotKeyspace {
  const keyspace = createKeyspace({ slabs: createSlabPool(), limits: LIMITS });
  const load = keyspace.beginLoad();
  for (const slice of slices) load.feed(slice);
  load.finish();
  return keyspace;
}

/** Of one slot. */
function copySlot(from: SlotKeyspace, slot: number, to: SlotKeyspace): void {
  const load = to.beginSlotLoad();
  for (const slice of rest(from.beginCut(slot, Infinity))) load.feed(slice);
  expect(load.isEnded).toBe(true);
  load.finish();
}

function filled(): SlotKeyspace {
  const keyspace = createKeyspace({ slabs: createSlabPool(), limits: LIMITS });
  keyspace.at(0, 1, true);
  for (const slot of SLOTS) {
    for (let i = 0; i < 40; i += 1) set(keyspace, slot, `k${i}`, `v${i}`, i % 3 === 0 ? 5000 + i : 0, i % 2);
    set(keyspace, slot, 'long', 'x'.repeat(50_000));
    for (let i = 0; i < 40; i += 1) setField(keyspace, slot, 'hash', `f${i}`, `value ${i}`);
    setField(keyspace, slot, 'hash', 'long', 'y'.repeat(20_000));
  }
  return keyspace;
}

describe('a slot', () => {
  it('is handed over with all that it holds, and accounted for where it is', () => {
    const keyspace = filled();
    const before = hashOf(keyspace);
    const used = keyspace.usedBytes;
    const inSlot = keyspace.bytesInSlot(7);
    const staging = keyspace.createStaging(LIMITS);
    staging.attachSlot(keyspace.detachSlot(7), 1);
    expect(keyspace.keyCountInSlot(7)).toBe(0);
    expect(keyspace.usedBytes).toBe(used - inSlot);
    expect(staging.usedBytes).toBe(inSlot);
    expect(staging.keyCountInSlot(7)).toBe(42);
    expect(staging.volatileKeyCount(0) + staging.volatileKeyCount(1)).toBe(14);
    keyspace.attachSlot(staging.detachSlot(7), 1);
    expect(hashOf(keyspace)).toBe(before);
    expect(keyspace.usedBytes).toBe(used);
  });

  it('is told with all others, over all databases', () => {
    const keyspace = filled();
    set(keyspace, 9, 'alone', 'in another database', 0, 2);
    const keys = new Float64Array(16_384);
    const bytes = new Float64Array(16_384);
    keyspace.contentsOfSlots(keys, bytes);
    const slots = [...keys.keys()];
    expect([...keys]).toEqual(slots.map((slot) => keyspace.keyCountInSlot(slot)));
    expect([...bytes]).toEqual(slots.map((slot) => keyspace.bytesInSlot(slot)));
    expect(keys[9]).toBe(1);
    expect(bytes.reduce((sum, size) => sum + size, 0)).toBe(keyspace.usedBytes);
  });

  it('cut and loaded elsewhere is the same', () => {
    const from = filled();
    const to = createKeyspace({ slabs: createSlabPool(), limits: LIMITS });
    const staging = to.createStaging(LIMITS);
    copySlot(from, 7, staging);
    to.attachSlot(staging.detachSlot(7), 1);
    from.flushSlot(-1, 3);
    from.flushSlot(-1, 8);
    expect(hashOf(to)).toBe(hashOf(from));
    while (from.reclaim(1000));
    expect(from.usedBytes).toBe(to.usedBytes);
  });

  it('is cut as it was, whatever is written meanwhile, there and in other slots', () => {
    const from = filled();
    const cut = from.beginCut(7, Infinity);
    const slices: Buffer[] = [];
    slices.push(Buffer.from(cut.next(700) ?? ''));
    from.at(0, 2, true);
    for (const slot of SLOTS) {
      for (let i = 0; i < 40; i += 2) set(from, slot, `k${i}`, 'another');
      set(from, slot, 'long', 'z');
      setField(from, slot, 'hash', 'f1', 'another');
      setField(from, slot, 'hash', 'new', 'one');
      remove(from, slot, 'k1');
    }
    slices.push(...rest(cut));
    const at = filled();
    at.flushSlot(-1, 3);
    at.flushSlot(-1, 8);
    expect(hashOf(loaded(slices))).toBe(hashOf(at));
  });

  it('that is half loaded goes on elsewhere from a snapshot of it', () => {
    const slices = rest(filled().beginCut(7, Infinity), 3000);
    for (const half of [0, 1, 4, 8, slices.length - 2]) {
      const staging = filled().createStaging(LIMITS);
      const load = staging.beginSlotLoad();
      for (const slice of slices.slice(0, half)) load.feed(slice);
      const state = load.state();
      const other = filled().createStaging(LIMITS);
      const again = other.beginLoad();
      for (const slice of rest(staging.beginSnapshot())) again.feed(slice);
      again.finish();
      const goesOn = other.beginSlotLoad();
      goesOn.restore(state);
      for (const slice of slices.slice(half)) {
        load.feed(slice);
        goesOn.feed(slice);
      }
      load.finish();
      goesOn.finish();
      expect(hashOf(other)).toBe(hashOf(staging));
    }
  });

  it('that goes on being loaded when a snapshot of it has begun is in it as it was then', () => {
    const from = filled();
    // Fields that go over alone, and a long one.
    for (let i = 0; i < 40; i++)
      setField(from, 7, 'table', `field-${i}`, 'v'.repeat(i === 20 ? 20_000 : 200));
    const slices = rest(from.beginCut(7, Infinity), 600);
    for (let half = 1; half < slices.length - 1; half++) {
      const staging = createKeyspace({ slabs: createSlabPool(), limits: LIMITS }).createStaging(LIMITS);
      const load = staging.beginSlotLoad();
      for (const slice of slices.slice(0, half)) load.feed(slice);
      const state = load.state();
      const snapshot = staging.beginSnapshot();
      for (const slice of slices.slice(half)) load.feed(slice);
      load.finish();
      const other = createKeyspace({ slabs: createSlabPool(), limits: LIMITS }).createStaging(LIMITS);
      const again = other.beginLoad();
      for (const slice of rest(snapshot)) again.feed(slice);
      again.finish();
      const goesOn = other.beginSlotLoad();
      goesOn.restore(state);
      for (const slice of slices.slice(half)) goesOn.feed(slice);
      goesOn.finish();
      expect(hashOf(other)).toBe(hashOf(staging));
    }
  });

  it('that leaves or arrives during a snapshot or a hash is what it was when they began', () => {
    assert(
      property(
        array(
          record({
            step: constantFrom('leave', 'arrive', 'write', 'flush', 'reclaim', 'take', 'take', 'take'),
            slot: constantFrom(...SLOTS),
          }),
          { maxLength: 30 },
        ),
        (steps) => {
          const keyspace = filled();
          const staging = keyspace.createStaging(LIMITS);
          keyspace.at(0, 2, true);
          const before = hashOf(keyspace);
          const snapshot = keyspace.beginSnapshot();
          const hash = keyspace.beginHash();
          const slices: Buffer[] = [];
          let hex: string | null = null;
          let version = 3;
          for (const { step, slot } of steps) {
            keyspace.at(0, (version += 1), true);
            if (step === 'leave') keyspace.flushSlot(-1, slot);
            else if (step === 'arrive' && keyspace.keyCountInSlot(slot) === 0) {
              staging.at(0, 2, true);
              set(staging, slot, 'k1', 'came');
              set(staging, slot, 'k40', 'came');
              keyspace.attachSlot(staging.detachSlot(slot), version);
            } else if (step === 'write') {
              set(keyspace, slot, 'k2', `written ${version}`);
              set(keyspace, slot, 'long', `written ${version}`);
              setField(keyspace, slot, 'hash', 'f2', `written ${version}`);
            } else if (step === 'flush') keyspace.flush(0);
            else if (step === 'reclaim') keyspace.reclaim(50);
            else {
              const slice = snapshot.next(2000);
              if (slice !== null) slices.push(Buffer.from(slice));
              hex ??= hash.next(5);
            }
          }
          slices.push(...rest(snapshot));
          while (hex === null) hex = hash.next(100);
          expect(hex).toBe(before);
          expect(hashOf(loaded(slices))).toBe(before);
          while (keyspace.reclaim(1000));
        },
      ),
      { numRuns: 60 },
    );
  });

  it('in a staging area is hashed and copied right though versions do not rise', () => {
    const staging = filled().createStaging(LIMITS);
    staging.at(0, 900, true);
    set(staging, 3, 'a', 'first');
    for (let i = 0; i < 40; i += 1) setField(staging, 3, 'hash', `f${i}`, 'first');
    const before = hashOf(staging);
    const hash = staging.beginHash();
    staging.at(0, 5, true);
    set(staging, 3, 'a', 'second');
    setField(staging, 3, 'hash', 'f7', 'second');
    setField(staging, 3, 'hash', 'g', 'second');
    set(staging, 8, 'b', 'new');
    let hex: string | null = null;
    while (hex === null) hex = hash.next(1);
    expect(hex).toBe(before);
    const short = staging.beginHash();
    staging.detachSlot(3);
    expect(short.overflowed).toBe(true);
  });

  it('is copied and hashed in vain once as many were begun as it can tell apart', () => {
    const staging = filled().createStaging(LIMITS);
    for (let begun = 1; begun < 2 ** 16; begun++) staging.beginHash().abandon();
    for (const late of [staging.beginHash(), staging.beginSnapshot()]) {
      expect(late.overflowed).toBe(true);
      late.abandon();
    }
    staging.at(0, 900, true);
    set(staging, 3, 'a', 'still taken in');
  });
});
