import { describe, expect, test } from 'vitest';

import { ReplyWriter } from '../../src/resp/reply-writer.ts';

function written(protocol: 2 | 3, write: (reply: ReplyWriter) => void): string {
  const reply = new ReplyWriter(4);
  reply.protocol = protocol;
  write(reply);
  return reply.buffer.toString('latin1', 0, reply.size);
}

describe('shapes', () => {
  test.each<[string, (reply: ReplyWriter) => void, string, string]>([
    ['ok', (reply) => reply.ok(), '+OK\r\n', '+OK\r\n'],
    ['simple', (reply) => reply.simple('hash'), '+hash\r\n', '+hash\r\n'],
    ['error', (reply) => reply.error('ERR x'), '-ERR x\r\n', '-ERR x\r\n'],
    ['integer', (reply) => reply.integer(42), ':42\r\n', ':42\r\n'],
    [
      'bigInteger',
      (reply) => reply.bigInteger(-(2n ** 63n)),
      ':-9223372036854775808\r\n',
      ':-9223372036854775808\r\n',
    ],
    ['bulk', (reply) => reply.bulk(Buffer.from('xabcx'), 1, 4), '$3\r\nabc\r\n', '$3\r\nabc\r\n'],
    ['empty bulk', (reply) => reply.bulk(Buffer.alloc(0), 0, 0), '$0\r\n\r\n', '$0\r\n\r\n'],
    ['bulkText', (reply) => reply.bulkText('é'), '$2\r\n\xc3\xa9\r\n', '$2\r\n\xc3\xa9\r\n'],
    ['bulkLatin1', (reply) => reply.bulkLatin1('\xe9'), '$1\r\n\xe9\r\n', '$1\r\n\xe9\r\n'],
    ['null', (reply) => reply.null(), '$-1\r\n', '_\r\n'],
    ['nullArray', (reply) => reply.nullArray(), '*-1\r\n', '_\r\n'],
    ['arrayHeader', (reply) => reply.arrayHeader(2), '*2\r\n', '*2\r\n'],
    ['mapHeader', (reply) => reply.mapHeader(2), '*4\r\n', '%2\r\n'],
    ['setHeader', (reply) => reply.setHeader(2), '*2\r\n', '~2\r\n'],
    ['pushHeader', (reply) => reply.pushHeader(2), '*2\r\n', '>2\r\n'],
    ['double', (reply) => reply.double('3.5'), '$3\r\n3.5\r\n', ',3.5\r\n'],
    ['boolean', (reply) => reply.boolean(true), ':1\r\n', '#t\r\n'],
    ['verbatim', (reply) => reply.verbatim('txt', 'hi'), '$2\r\nhi\r\n', '=6\r\ntxt:hi\r\n'],
  ])('%s', (_name, write, resp2, resp3) => {
    expect(written(2, write)).toBe(resp2);
    expect(written(3, write)).toBe(resp3);
  });
});

test.each([0, 9, 10, 99, 100, 2147483647, 2147483648, -1, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER])(
  'integer %i',
  (value) => {
    expect(written(2, (reply) => reply.integer(value))).toBe(`:${value}\r\n`);
  },
);

test('an error keeps the bytes of a client, and stays one line', () => {
  expect(written(2, (reply) => reply.error('ERR \xff\r\nx\r\n'))).toBe('-ERR \xff  x\r\n');
});

test.each([0, 1, 24, 25, 5000])('a bulk of %i bytes, over a buffer that grows', (length) => {
  const bytes = Buffer.alloc(length, 'ab');
  const text = `$${length}\r\n${bytes.toString()}\r\n`;
  expect(written(2, (reply) => [1, 2, 3].forEach(() => reply.bulk(bytes, 0, length)))).toBe(text.repeat(3));
});

test('a header is moved before what it announces', () => {
  const text = written(2, (reply) => {
    reply.ok();
    const begin = reply.size;
    for (let i = 0; i < 12; i++) reply.integer(i);
    const end = reply.size;
    reply.arrayHeader(12);
    reply.moveBefore(begin, end);
    reply.ok();
  });
  const integers = Array.from({ length: 12 }, (_, i) => `:${i}\r\n`).join('');
  expect(text).toBe(`+OK\r\n*12\r\n${integers}+OK\r\n`);
});

test('reset keeps the buffer', () => {
  const reply = new ReplyWriter();
  reply.ok();
  const { buffer } = reply;
  reply.reset();
  expect(reply.size).toBe(0);
  expect(reply.buffer).toBe(buffer);
});

test('a bulk string is the same with a view of its bytes as without, of every length and as the writer grows', () => {
  const source = Buffer.allocUnsafeSlow(1024);
  for (let i = 0; i < source.length; i += 1) source[i] = (i * 37) & 0xff;
  const view = new DataView(source.buffer);
  const plain = new ReplyWriter(16);
  const viewed = new ReplyWriter(16);
  for (let length = 0; length <= 600; length += 1) {
    for (const writer of [plain, viewed]) if (length % 50 === 0) writer.letGo();
    plain.bulk(source, length % 7, (length % 7) + length);
    viewed.bulkUnder(source, view, length % 7, (length % 7) + length);
    expect(viewed.written.equals(plain.written)).toBe(true);
  }
});
