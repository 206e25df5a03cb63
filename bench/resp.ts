/** How fast commands are read: `npx tsx bench/resp.ts`. One chunk is fed again and again, as a busy connection does. */
import { performance } from 'node:perf_hooks';

import { COMMANDS } from '../src/commands/table.ts';
import { Args } from '../src/resp/args.ts';
import { CommandReader } from '../src/resp/reader.ts';

const MIN_TIME_MS = 500;
const CHUNK_BYTES = 64 * 1024;

function encode(...words: string[]): Buffer {
  return Buffer.from(`*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join('')}`);
}

function pipeline(command: Buffer): Buffer {
  return Buffer.concat(Array.from({ length: Math.floor(CHUNK_BYTES / command.length) }, () => command));
}

/** Feeds the bytes cut into chunks of `chunkBytes`, and looks every command up. */
function measure(name: string, bytes: Buffer, chunkBytes: number): void {
  const reader = new CommandReader();
  const args = new Args();
  let commands = 0;
  const begin = performance.now();
  let elapsedMs = 0;
  while (elapsedMs < MIN_TIME_MS) {
    for (let at = 0; at < bytes.length; at += chunkBytes) {
      reader.feed(bytes, at, Math.min(bytes.length, at + chunkBytes));
      while (reader.next(args) === 'command') if (COMMANDS.find(args) !== null) commands += 1;
    }
    elapsedMs = performance.now() - begin;
  }
  const perSecond = (commands / elapsedMs) * 1000;
  console.log(`${name.padEnd(44)} ${(perSecond / 1e6).toFixed(2).padStart(7)} M commands/s`);
}

const key = 'key:000000012345';
const get = encode('GET', key);
const set = encode('SET', key, 'x'.repeat(100));
measure('GET, one a chunk', get, get.length);
measure('GET, pipelined', pipeline(get), CHUNK_BYTES);
measure('SET of 100 bytes, one a chunk', set, set.length);
measure('SET of 100 bytes, pipelined', pipeline(set), CHUNK_BYTES);
measure('SET of 100 bytes, every chunk cuts one', pipeline(set), 1000);
measure('DBSIZE, inline', Buffer.from('DBSIZE\r\n'.repeat(1000)), CHUNK_BYTES);
