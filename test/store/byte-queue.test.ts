import { describe, expect, it } from 'vitest';

import { ByteQueue } from '../../src/store/byte-queue.ts';
import { DESK, DESK_BYTES } from '../../src/store/desk.ts';

const text = ({ bytes, start, end }: ByteQueue): string => bytes.toString('latin1', start, end);

describe('a queue of bytes', () => {
  it('reads what it is lent where it lies, and copies what is left of it', () => {
    const queue = new ByteQueue();
    const lent = Buffer.from('abcdef');
    queue.lend(lent);
    expect(queue.bytes).toBe(lent);
    queue.consume(4);
    queue.keep();
    lent.fill('x');
    expect(text(queue)).toBe('ef');
    queue.append(Buffer.from('gh'), 0, 2);
    expect(text(queue)).toBe('efgh');
    expect(lent.toString()).toBe('xxxxxx');
  });

  it('lays what was left before what comes on the desk', () => {
    const queue = new ByteQueue();
    queue.lendOnDesk(Buffer.from('abc'));
    expect(queue.bytes).toBe(DESK);
    queue.consume(1);
    queue.keep();
    queue.lendOnDesk(Buffer.from('def'));
    expect(queue.bytes).toBe(DESK);
    expect(text(queue)).toBe('bcdef');
    queue.consume(5);
    queue.keep();
    expect(queue.length).toBe(0);
  });

  it('keeps for itself what the desk has no room for', () => {
    const queue = new ByteQueue();
    queue.lendOnDesk(Buffer.from('ab'));
    queue.keep();
    queue.lendOnDesk(Buffer.alloc(DESK_BYTES - 1, 'c'));
    expect(queue.bytes).not.toBe(DESK);
    expect(queue.length).toBe(DESK_BYTES + 1);
    DESK.fill('x', 0, 4);
    expect(queue.bytes.toString('latin1', queue.start, queue.start + 3)).toBe('abc');
  });

  it('appends to what it has of its own', () => {
    const queue = new ByteQueue();
    queue.append(Buffer.from('ab'), 0, 2);
    const lent = Buffer.from('cd');
    queue.lend(lent);
    expect(queue.bytes).not.toBe(lent);
    expect(text(queue)).toBe('abcd');
  });
});
