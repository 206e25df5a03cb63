import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { Args } from '../../src/resp/args.ts';
import { CommandReader, DEFAULT_READER_LIMITS } from '../../src/resp/reader.ts';

interface Read {
  commands: string[][];
  error: string;
}

/** Reads `chunks` as a connection does, overwriting each chunk after use, as the shared read buffer is. */
function readChunks(chunks: Buffer[], reader = new CommandReader()): Read {
  const args = new Args();
  const commands: string[][] = [];
  for (const chunk of chunks) {
    const shared = Buffer.concat([Buffer.from('##'), chunk, Buffer.from('##')]);
    reader.feed(shared, 2, 2 + chunk.length);
    while (reader.next(args) === 'command') commands.push(texts(args));
    shared.fill(0x21);
  }
  return { commands, error: reader.errorText };
}

function texts(args: Args): string[] {
  return Array.from({ length: args.count }, (_, i) => args.text(i));
}

function read(text: string): Read {
  return readChunks([Buffer.from(text, 'latin1')]);
}

function cut(bytes: Buffer, cuts: number[]): Buffer[] {
  const places = [...new Set(cuts.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b);
  const edges = [0, ...places, bytes.length];
  return edges.slice(1).map((edge, i) => bytes.subarray(edges[i], edge));
}

function encode(command: string[]): Buffer {
  const parts = command.map((text) => `$${text.length}\r\n${text}\r\n`);
  return Buffer.from(`*${command.length}\r\n${parts.join('')}`, 'latin1');
}

describe('arrays', () => {
  test('one command points straight into the chunk', () => {
    const reader = new CommandReader();
    const args = new Args();
    const chunk = encode(['SET', 'k', 'value']);
    reader.feed(chunk, 0, chunk.length);
    expect(reader.next(args)).toBe('command');
    expect(args.bytes).toBe(chunk);
    expect(texts(args)).toEqual(['SET', 'k', 'value']);
    expect(reader.next(args)).toBe('more');
    expect(reader.bufferedBytes).toBe(0);
  });

  test('a pipeline comes out in order, and empty commands are skipped', () => {
    const bytes = Buffer.concat([
      encode(['A']),
      Buffer.from('*0\r\n*-1\r\n*-5\r\n\r\n \r\n'),
      encode(['B', '']),
    ]);
    expect(readChunks([bytes])).toEqual({ commands: [['A'], ['B', '']], error: '' });
  });

  test('the buffer of a cut command is given back', () => {
    const reader = new CommandReader();
    const args = new Args();
    const bytes = encode(['GET', 'x'.repeat(5000)]);
    reader.feed(bytes, 0, 40);
    expect(reader.next(args)).toBe('more');
    expect(reader.bufferedBytes).toBeGreaterThan(0);
    reader.feed(bytes, 40, bytes.length);
    expect(reader.next(args)).toBe('command');
    expect(args.lengthBytes(1)).toBe(5000);
    expect(reader.next(args)).toBe('more');
    expect(reader.bufferedBytes).toBe(0);
  });

  test('what is announced is not reserved before it comes', () => {
    const reader = new CommandReader();
    const head = Buffer.from('*1000000\r\n$67108864\r\nabc');
    reader.feed(head, 0, head.length);
    expect(reader.next(new Args())).toBe('more');
    expect(reader.bufferedBytes).toBeLessThan(1024);
  });

  test('a held chunk is read on later', () => {
    const reader = new CommandReader();
    const args = new Args();
    const bytes = Buffer.concat([encode(['A']), encode(['B']), encode(['C'])]);
    reader.feed(bytes, 0, bytes.length - 3);
    expect(reader.next(args)).toBe('command');
    reader.hold();
    bytes.fill(0x21, 0, bytes.length - 3);
    expect(reader.bufferedBytes).toBe(bytes.length - 3 - 11);
    reader.feed(bytes, bytes.length - 3, bytes.length);
    expect(reader.next(args)).toBe('command');
    expect(texts(args)).toEqual(['B']);
    expect(reader.next(args)).toBe('command');
    expect(texts(args)).toEqual(['C']);
    expect(reader.next(args)).toBe('more');
    expect(reader.bufferedBytes).toBe(0);
  });
});

describe('inline commands', () => {
  test.each<[string, string[]]>([
    ['PING\r\n', ['PING']],
    ['PING\n', ['PING']],
    ['  set  k\tv  \r\n', ['set', 'k', 'v']],
    [String.raw`set k "a b\x41\n\r\t\b\a\"\\\q"` + '\r\n', ['set', 'k', 'a bA\n\r\t\b\x07"\\q']],
    [String.raw`set k 'a "b\' \n'` + '\r\n', ['set', 'k', String.raw`a "b' \n`]],
    ['echo "" \'\'\r\n', ['echo', '', '']],
    ['a"b c"\r\n', ['ab c']],
    ['get \x80\xff\r\n', ['get', '\x80\xff']],
    [String.raw`echo "\xzz"` + '\n', ['echo', 'xzz']],
    ['a\vb\n', ['a\vb']],
    ['ping\0 junk\n', ['ping']],
  ])('%j', (line, expected) => {
    expect(read(line)).toEqual({ commands: [expected], error: '' });
  });

  test.each(['set k "abc\r\n', "set k 'abc\r\n", 'set "k"v\r\n', "set 'k'v\r\n", 'set "\\\r\n'])(
    'unbalanced: %j',
    (line) => {
      expect(read(line).error).toBe('ERR Protocol error: unbalanced quotes in request');
    },
  );
});

describe('errors', () => {
  test.each<[string, string]>([
    ['*a\r\n', 'invalid multibulk length'],
    ['*\r\n', 'invalid multibulk length'],
    ['*01\r\n', 'invalid multibulk length'],
    ['*1048577\r\n', 'invalid multibulk length'],
    ['*99999999999999999999\r\n', 'invalid multibulk length'],
    ['*1\r\n+3\r\nabc\r\n', "expected '$', got '+'"],
    ['*1\r\n$-1\r\n', 'invalid bulk length'],
    ['*1\r\n$x\r\n', 'invalid bulk length'],
    ['*1\r\n$67108865\r\n', 'invalid bulk length'],
    ['*1\r\n$9223372036854775807\r\n', 'invalid bulk length'],
    [`*${'1'.repeat(65537)}`, 'too big mbulk count string'],
    [`*1\r\n$${'1'.repeat(65537)}`, 'too big bulk count string'],
    ['a'.repeat(65537), 'too big inline request'],
  ])('%#: $1', (bytes, reason) => {
    expect(read(bytes)).toEqual({ commands: [], error: `ERR Protocol error: ${reason}` });
  });

  test('commands before the error are given out, none after', () => {
    expect(read('PING\r\n*1\r\n$-2\r\nPING\r\n')).toEqual({
      commands: [['PING']],
      error: 'ERR Protocol error: invalid bulk length',
    });
  });

  test('limits before AUTH', () => {
    const strict = (text: string): string => {
      const reader = new CommandReader();
      reader.authenticated = false;
      return readChunks([Buffer.from(text)], reader).error;
    };
    expect(strict('*11\r\n')).toBe('ERR Protocol error: unauthenticated multibulk length');
    expect(strict('*10\r\n')).toBe('');
    expect(strict('*1\r\n$16385\r\n')).toBe('ERR Protocol error: unauthenticated bulk length');
    expect(strict('*1\r\n$16384\r\n')).toBe('');
  });

  test('a command larger than the query buffer', () => {
    const reader = new CommandReader({ ...DEFAULT_READER_LIMITS, commandMaxBytes: 100 });
    const bytes = encode(['a'.repeat(40), 'b'.repeat(40), 'c'.repeat(40)]);
    expect(readChunks([bytes], reader).error).toBe('ERR Protocol error: query buffer limit exceeded');
  });
});

describe('fuzz', () => {
  const word = fc.string({ unit: 'binary-ascii', maxLength: 30 });
  const command = fc.array(word, { minLength: 1, maxLength: 5 });
  const cuts = fc.array(fc.nat(5000), { maxLength: 30 });

  test('commands come out whole wherever they are cut', () => {
    fc.assert(
      fc.property(fc.array(command, { maxLength: 12 }), cuts, (commands, places) => {
        const bytes = Buffer.concat(commands.map(encode));
        expect(readChunks(cut(bytes, places))).toEqual({ commands, error: '' });
      }),
      { numRuns: 500 },
    );
  });

  const smallLimits = { bulkMaxBytes: 60, argumentMaxCount: 20, lineMaxBytes: 40, commandMaxBytes: 200 };

  test.each([
    ['small', smallLimits, 1024],
    ['the default', DEFAULT_READER_LIMITS, 16 * 1024],
  ])(
    'any bytes give the same commands and error wherever they are cut, and bounded memory, by %s limits',
    (_, limits, memoryMaxBytes) => {
      const fragment = fc.oneof(
        fc.constantFrom(
          '*',
          '$',
          '\r',
          '\n',
          '\r\n',
          '*1\r\n',
          '*2\r\n$1\r\na\r\n',
          '$3\r\nabc\r\n',
          '"',
          "'",
          '\\x',
          ' ',
          '\0',
          '-',
          '0',
        ),
        fc.nat(99).map(String),
        fc.string({ unit: 'binary-ascii', maxLength: 10 }),
        command.map((words) => encode(words).toString('latin1')),
      );
      fc.assert(
        fc.property(fc.array(fragment, { maxLength: 40 }), cuts, (fragments, places) => {
          const bytes = Buffer.from(fragments.join(''), 'latin1');
          const whole = readChunks([bytes], new CommandReader(limits));
          const reader = new CommandReader(limits);
          expect(readChunks(cut(bytes, places), reader)).toEqual(whole);
          expect(reader.bufferedBytes).toBeLessThanOrEqual(memoryMaxBytes);
          // Byte by byte, nothing is read in one pass.
          const single = Array.from(bytes, (byte) => Buffer.from([byte]));
          expect(readChunks(single, new CommandReader(limits))).toEqual(whole);
        }),
        { numRuns: 2000 },
      );
    },
  );

  test('byte by byte, a large argument costs no more than doubling', () => {
    const bytes = encode(['SET', 'k', 'v'.repeat(200_000)]);
    const chunks = Array.from({ length: bytes.length }, (_, i) => bytes.subarray(i, i + 1));
    expect(readChunks(chunks).commands[0][2].length).toBe(200_000);
  });
});
