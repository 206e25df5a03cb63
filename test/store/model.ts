/** A plain model of the keyspace's content, and a driver that does the same to both and compares. */
import { expect } from 'vitest';
import { createKeyspace } from '../../src/store/keyspace.ts';
import { createSlabPool, type SlabPool } from '../../src/store/slab-pool.ts';
import { roundedSize } from '../../src/store/size-classes.ts';
import { Encoding, type Keyspace, NO_REF, type Ref, ValueType } from '../../src/store/types.ts';

const LIMITS = { hashMaxListpackEntries: 8, hashMaxListpackValueBytes: 16 };
const INDEX_SHARE_BYTES = 10;

export interface ModelKey {
  db: number;
  slot: number;
  key: string;
  value: string | Map<string, string>;
  table: boolean;
  encoding: Encoding;
  expireAtMs: number;
  version: number;
}

/** Any function of the key will do for a slot. */
export function slotOf(key: string): number {
  let slot = 7;
  for (const char of key) slot = (slot * 31 + char.charCodeAt(0)) % 16384;
  return slot;
}

export function newKeyspace(slabs: SlabPool = createSlabPool(), hashSeed = 0): Keyspace {
  return createKeyspace({ slabs, limits: LIMITS, hashSeed });
}

function varint(length: number): number {
  return length < 128 ? 1 : length < 16384 ? 2 : 3;
}

/** What a key must account for, worked out from its content alone. */
function expectedBytes(model: ModelKey): number {
  const key = Buffer.byteLength(model.key);
  let value = 0;
  let table = 0;
  if (typeof model.value === 'string') value = Buffer.byteLength(model.value);
  else if (!model.table) {
    value = 4;
    for (const [field, text] of model.value) {
      const lengths = [Buffer.byteLength(field), Buffer.byteLength(text)];
      for (const length of lengths) value += varint(length) + length;
    }
  } else {
    table = 24;
    for (const [field, text] of model.value) {
      table += roundedSize(16 + Buffer.byteLength(field) + Buffer.byteLength(text)) + INDEX_SHARE_BYTES;
    }
  }
  const content = Math.ceil((24 + key + value) / 8) * 8;
  const volatile = model.expireAtMs !== 0;
  return roundedSize(content + (volatile ? 8 : 0)) + INDEX_SHARE_BYTES * (volatile ? 2 : 1) + table;
}

export class Twin {
  readonly model = new Map<string, ModelKey>();
  readonly keyspace: Keyspace;
  timeMs = 1000;
  version = 1;

  constructor(keyspace: Keyspace = newKeyspace()) {
    this.keyspace = keyspace;
    this.tick(0);
  }

  /** Another entry of the log. */
  tick(passedMs: number): void {
    this.timeMs += passedMs;
    this.version += 1;
    this.keyspace.at(this.timeMs, this.version, true);
  }

  find(db: number, key: string): Ref {
    const bytes = Buffer.from(key);
    const ref = this.keyspace.find(db, slotOf(key), bytes, 0, bytes.length);
    const model = this.live(db, key);
    expect(ref !== NO_REF).toBe(model !== undefined);
    return ref;
  }

  live(db: number, key: string): ModelKey | undefined {
    const model = this.model.get(`${db}/${key}`);
    if (model !== undefined && model.expireAtMs !== 0 && this.timeMs > model.expireAtMs) {
      this.model.delete(`${db}/${key}`);
      return undefined;
    }
    return model;
  }

  private put(model: Omit<ModelKey, 'slot' | 'version'>): void {
    this.model.set(`${model.db}/${model.key}`, { ...model, slot: slotOf(model.key), version: this.version });
  }

  setString(db: number, key: string, value: string, expireAtMs: number): void {
    const bytes = Buffer.from(`xx${key}y`);
    const valueBytes = Buffer.from(`z${value}`);
    const end = bytes.length - 1;
    const slot = slotOf(key);
    const { length } = valueBytes;
    const encoding = Encoding.EMBSTR;
    this.keyspace.setString(db, slot, bytes, 2, end, valueBytes, 1, length, expireAtMs, encoding);
    this.put({ db, key, value, table: false, encoding, expireAtMs });
  }

  resize(db: number, key: string, length: number): void {
    const ref = this.find(db, key);
    const model = this.live(db, key);
    if (ref === NO_REF || model === undefined || typeof model.value !== 'string') return;
    this.keyspace.resizeString(ref, length);
    const value = model.value.slice(0, length).padEnd(length, '\0');
    this.put({ ...model, value, encoding: Encoding.RAW });
  }

  expire(db: number, key: string, expireAtMs: number): void {
    const ref = this.find(db, key);
    const model = this.live(db, key);
    if (ref === NO_REF || model === undefined) return;
    const moved = this.keyspace.setExpireAt(ref, expireAtMs);
    expect(this.keyspace.expireAtMs(moved)).toBe(expireAtMs);
    this.put({ ...model, expireAtMs });
  }

  remove(db: number, key: string): void {
    const ref = this.find(db, key);
    if (ref === NO_REF) return;
    this.keyspace.remove(ref);
    this.model.delete(`${db}/${key}`);
  }

  rename(db: number, key: string, toDb: number, toKey: string): void {
    const ref = this.find(db, key);
    const model = this.live(db, key);
    if (ref === NO_REF || model === undefined) return;
    const bytes = Buffer.from(toKey);
    this.keyspace.rename(ref, toDb, slotOf(toKey), bytes, 0, bytes.length);
    if (db === toDb && key === toKey) return;
    this.model.delete(`${db}/${key}`);
    this.put({ ...model, db: toDb, key: toKey });
  }

  copy(db: number, key: string, toDb: number, toKey: string): void {
    const ref = this.find(db, key);
    const model = this.live(db, key);
    if (ref === NO_REF || model === undefined || this.find(toDb, toKey) !== NO_REF) return;
    const bytes = Buffer.from(toKey);
    this.keyspace.copy(ref, toDb, slotOf(toKey), bytes, 0, bytes.length);
    const value = typeof model.value === 'string' ? model.value : new Map(model.value);
    this.put({ ...model, value, db: toDb, key: toKey });
  }

  hashSet(db: number, key: string, field: string, value: string): void {
    let ref = this.find(db, key);
    let model = this.live(db, key);
    if (model !== undefined && typeof model.value === 'string') return;
    const bytes = Buffer.from(key);
    if (ref === NO_REF) ref = this.keyspace.createHash(db, slotOf(key), bytes, 0, bytes.length);
    const fields = model === undefined ? new Map<string, string>() : (model.value as Map<string, string>);
    const fieldBytes = Buffer.from(field);
    const valueBytes = Buffer.from(value);
    const { length } = valueBytes;
    ref = this.keyspace.hashSet(ref, fieldBytes, 0, fieldBytes.length, valueBytes, 0, length);
    expect(this.keyspace.hashCreated).toBe(!fields.has(field));
    fields.set(field, value);
    const longest = Math.max(fieldBytes.length, length);
    const table =
      model?.table === true ||
      longest > LIMITS.hashMaxListpackValueBytes ||
      fields.size > LIMITS.hashMaxListpackEntries;
    const encoding = table ? Encoding.HASHTABLE : Encoding.LISTPACK;
    model = { ...(model ?? { db, key, expireAtMs: 0 }), value: fields, table, encoding } as ModelKey;
    this.put(model);
  }

  hashDelete(db: number, key: string, field: string): void {
    const ref = this.find(db, key);
    const model = this.live(db, key);
    if (ref === NO_REF || model === undefined || typeof model.value === 'string') return;
    const bytes = Buffer.from(field);
    const removed = this.keyspace.hashDelete(ref, bytes, 0, bytes.length);
    expect(removed).toBe(model.value.delete(field));
    if (removed) this.put(model);
    if (model.value.size > 0) return;
    this.keyspace.remove(ref);
    this.model.delete(`${db}/${key}`);
  }

  flush(db: number): void {
    this.keyspace.flush(db);
    for (const [name, model] of this.model) {
      if (db === -1 || model.db === db) this.model.delete(name);
    }
  }

  check(): void {
    checkContent(this.keyspace, this.model);
  }
}

/** Compares everything that can be asked; `timeMs` of the keyspace hides nothing that the model holds. */
export function checkContent(keyspace: Keyspace, model: ReadonlyMap<string, ModelKey>): void {
  const { timeMs } = keyspace;
  let used = 0;
  for (const each of model.values()) {
    keyspace.at(Math.min(timeMs, each.expireAtMs === 0 ? timeMs : each.expireAtMs), 0, false);
    checkKey(keyspace, each);
    used += expectedBytes(each);
  }
  keyspace.at(timeMs, 0, false);
  expect(keyspace.usedBytes).toBe(used);
  let inSlots = 0;
  for (let slot = 0; slot < 16_384; slot += 1) inSlots += keyspace.bytesInSlot(slot);
  expect(inSlots).toBe(used);
  const all = [...model.values()];
  expect(keyspace.totalKeyCount()).toBe(all.length);
  for (let db = 0; db < 3; db += 1) {
    const keys = all.filter((each) => each.db === db);
    expect(keyspace.keyCount(db)).toBe(keys.length);
    expect(keyspace.volatileKeyCount(db)).toBe(keys.filter((each) => each.expireAtMs !== 0).length);
  }
}

function checkKey(keyspace: Keyspace, model: ModelKey): void {
  const key = Buffer.from(model.key);
  const ref = keyspace.find(model.db, model.slot, key, 0, key.length);
  expect(ref, `${model.db}/${model.key} is there`).not.toBe(NO_REF);
  const stored = keyspace.key(ref);
  expect(stored.bytes.toString('utf8', stored.start, stored.end)).toBe(model.key);
  expect(keyspace.databaseOf(ref)).toBe(model.db);
  expect(keyspace.versionOf(ref)).toBe(model.version);
  expect(keyspace.expireAtMs(ref)).toBe(model.expireAtMs);
  expect(keyspace.encodingOf(ref)).toBe(model.encoding);
  expect(keyspace.keyUsedBytes(ref)).toBe(expectedBytes(model));
  if (typeof model.value === 'string') {
    expect(keyspace.typeOf(ref)).toBe(ValueType.STRING);
    const value = keyspace.string(ref);
    expect(value.bytes.toString('utf8', value.start, value.end)).toBe(model.value);
    return;
  }
  expect(keyspace.typeOf(ref)).toBe(ValueType.HASH);
  checkHash(keyspace, ref, model.value, model.table);
}

function checkHash(keyspace: Keyspace, ref: Ref, fields: ReadonlyMap<string, string>, table: boolean): void {
  expect(keyspace.hashLength(ref)).toBe(fields.size);
  const pairs = hashPairs(keyspace, ref);
  const expected = [...fields];
  if (table) {
    pairs.sort(byField);
    expected.sort(byField);
  }
  expect(pairs).toEqual(expected);
  for (const [field, value] of fields) {
    const bytes = Buffer.from(field);
    expect(keyspace.hashGet(ref, bytes, 0, bytes.length)).toBe(true);
    const { window } = keyspace;
    expect(window.bytes.toString('utf8', window.start, window.end)).toBe(value);
  }
}

function byField(left: [string, string], right: [string, string]): number {
  return left[0] < right[0] ? -1 : 1;
}

function hashPairs(keyspace: Keyspace, ref: Ref): [string, string][] {
  const pairs: [string, string][] = [];
  keyspace.hashEach(ref, (field, fieldStart, fieldEnd, value, valueStart, valueEnd) => {
    const text = value.toString('utf8', valueStart, valueEnd);
    pairs.push([field.toString('utf8', fieldStart, fieldEnd), text]);
  });
  return pairs;
}

/** The digest, in slices. */
export function digestOf(keyspace: Keyspace, maxItems: number): string {
  const digest = keyspace.beginHash();
  for (;;) {
    const hex = digest.next(maxItems);
    if (hex !== null) return hex;
  }
}
