import { describe, expect, it } from 'vitest';

import { DelayedRecords } from '../../src/server/delayed-records.ts';

const MIB = 1024 * 1024;

function recordOf(
  shard: number,
  bytes: Buffer,
  at: number,
  itemEnd: number,
): Parameters<DelayedRecords['add']>[0] {
  return { shard, bytes, at, itemAt: at + 12, itemEnd };
}

describe('records that wait', () => {
  it('come in order, and each shard is known by those that wait', () => {
    const records = new DelayedRecords();
    const frame = Buffer.from(Array.from({ length: 200 }, (_, i) => i));
    for (let i = 0; i < 100; i++) records.add(recordOf(i % 2, frame, i, i + 50));
    for (let i = 0; i < 100; i++) {
      expect([records.has(0), records.has(1), records.has(2)]).toEqual([i < 99, true, false]);
      const record = records.take();
      expect(record?.bytes.subarray(record.at, record.itemEnd)).toEqual(frame.subarray(i, i + 50));
      expect([record?.shard, (record?.itemAt ?? 0) - (record?.at ?? 0)]).toEqual([i % 2, 12]);
    }
    expect(records.take()).toBeNull();
    expect([records.isEmpty, records.has(0), records.has(1)]).toEqual([true, false, false]);
  });

  it('keep their own bytes, not the frame that they came in; a parcel as it is', () => {
    const records = new DelayedRecords();
    const frame = Buffer.alloc(4 * MIB);
    records.add(recordOf(0, frame, 1000, 1100));
    records.add(recordOf(0, frame, 0, frame.length));
    expect(records.take()?.bytes.buffer.byteLength).toBeLessThan(MIB);
    expect(records.take()?.bytes).toBe(frame);
  });

  it('have a limit, however small they are; a long one is taken below it, since it was long on its way', () => {
    const records = new DelayedRecords();
    const small = Buffer.alloc(40);
    let count = 0;
    while (records.add(recordOf(0, small, 0, 40))) count += 1;
    expect(count).toBeLessThan(500_000);
    for (let i = 0; i < 10; i++) records.take();
    const large = Buffer.alloc(70 * MIB);
    expect(records.add(recordOf(0, large, 0, large.length))).toBe(true);
    expect(records.add(recordOf(0, large, 0, large.length))).toBe(false);
    while (records.take() !== null);
    expect(records.add(recordOf(0, large, 0, large.length))).toBe(true);
    records.clear();
    expect(records.add(recordOf(0, large, 0, large.length))).toBe(true);
  });
});
