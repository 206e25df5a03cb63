/** Rows and shapes of the local commands beside those of a real redis-server (7.0). */
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';

import { isOffered } from '../../src/commands/refused.ts';
import { liveSettings } from '../../src/server/live-settings.ts';
import { loadSettings } from '../../src/settings/load.ts';
import { FakeNode, type FakeSession } from '../commands/local/fake-node.ts';
import { fieldsOf, parseReply } from '../commands/local/parse-reply.ts';
import { startRedis, type Oracle } from './redis-oracle.ts';

const node = new FakeNode();
// CONFIG answers from the real settings.
const MEMORY_BYTES = 2 ** 30;
node.settings = liveSettings(
  loadSettings({ machine: { memoryBytes: MEMORY_BYTES, hostName: 'box' } }),
  { memoryBytes: MEMORY_BYTES, openFilesMost: Infinity },
  () => {},
);
const ask = (session: FakeSession, ...words: string[]): unknown => parseReply(node.send(session, ...words));

/** What 7.2 has and 7.0 has not. */
const ADDED = new Set(['client|no-touch', 'client|setinfo', 'cluster|myshardid']);
const sorted = (words: unknown): string[] => (words as string[]).toSorted();

/** 7.2 calls WAIT blocking, and lets COMMAND GETKEYS take a command of one word. */
function asIn70(row: unknown[]): unknown[] {
  const [name, arity, flags, first, last, step, categories, tips, ranges] = row;
  const without = (words: unknown, word: string): string[] => sorted(words).filter((one) => one !== word);
  return [
    name,
    String(name).startsWith('command|getkeys') ? -4 : arity,
    without(flags, 'blocking'),
    first,
    last,
    step,
    without(categories, '@blocking'),
    sorted(tips),
    ranges,
  ];
}

describe('one redis-server', () => {
  let redis: Oracle;
  const session = node.connect();

  beforeAll(async () => {
    redis = await startRedis(['save ""']);
  });
  afterAll(() => redis.stop());

  const rows = node.commands.filter(
    (row) => isOffered(row) && !ADDED.has(row.name) && !row.name.startsWith('sentinel'),
  );
  test.each(rows.map((row) => row.name))('COMMAND INFO %s', async (name) => {
    const [theirs] = (await redis.call('COMMAND', 'INFO', name)) as unknown[][];
    const [ours] = ask(session, 'COMMAND', 'INFO', name) as unknown[][];
    expect(asIn70(ours)).toEqual(asIn70(theirs));
  });

  const both = async (...words: string[]): Promise<[unknown, unknown]> => [
    ask(session, ...words),
    await redis.call(...words),
  ];

  test('HELLO has their fields', async () => {
    const [ours, theirs] = await both('HELLO', '2');
    expect(Object.keys(fieldsOf(ours))).toEqual(Object.keys(fieldsOf(theirs)));
  });

  test('CLIENT INFO has their fields in their order, and those of 7.2', async () => {
    const [ours, theirs] = await both('CLIENT', 'INFO');
    const names = (line: unknown): string[] =>
      String(line)
        .trim()
        .split(' ')
        .map((field) => field.split('=')[0]);
    expect(names(ours)).toEqual([...names(theirs), 'lib-name', 'lib-ver']);
  });

  test('INFO has no section that they have not, and none of another name', async () => {
    const titles = (text: unknown): string[] =>
      [...String(text).matchAll(/^# (.*)\r$/gm)].map(([, title]) => title);
    const [ours, theirs] = await both('INFO', 'everything');
    expect(titles(ours)).toEqual(titles(theirs));
  });

  test.each([
    ['HELLO', '4'],
    ['HELLO', 'a'],
    ['HELLO', '2', 'foo'],
    ['AUTH', 'x'],
    ['AUTH', 'a', 'b'],
    ['AUTH', 'a', 'b', 'c'],
    ['PING', 'a'],
    ['CLIENT', 'KILL', '1'],
    ['CLIENT', 'KILL', 'ID', 'x'],
    ['CLIENT', 'KILL', 'ID', '999'],
    ['CLIENT', 'KILL', 'TYPE', 'foo'],
    ['CLIENT', 'KILL', 'foo', 'bar'],
    ['CLIENT', 'LIST', 'TYPE', 'foo'],
    ['CLIENT', 'LIST', 'ID'],
    ['CLIENT', 'LIST', 'ID', 'a'],
    ['CLIENT', 'REPLY', 'foo'],
    ['CLIENT', 'NO-EVICT', 'foo'],
    ['CLIENT', 'UNBLOCK', 'a'],
    ['CLIENT', 'UNBLOCK', '1000'],
    ['CLIENT', 'UNBLOCK', '1', 'foo'],
    ['CLIENT', 'TRACKING', 'foo'],
    ['CLIENT', 'TRACKINGINFO'],
    ['CLIENT', 'CACHING', 'yes'],
    ['CLIENT', 'GETREDIR'],
    ['CLIENT', 'SETNAME', 'a b'],
    ['CLIENT', 'ID', '3'],
    ['CLIENT', 'foo'],
    ['CONFIG', 'GET', 'save'],
    ['CONFIG', 'GET', 'nothing*'],
    ['CONFIG', 'SET', 'a'],
    ['CONFIG', 'SET', 'a', 'b'],
    ['CONFIG', 'SET', 'maxmemory', '1', 'maxmemory', '2'],
    ['CONFIG', 'SET', 'databases', '3'],
    ['CONFIG', 'foo'],
    ['SLOWLOG', 'GET', 'x'],
    ['SLOWLOG', 'GET', '-2'],
    ['SLOWLOG', 'GET', '1', '2'],
    ['SLOWLOG', 'foo'],
    ['WAIT', 'a', '0'],
    ['WAIT', '0', 'a'],
    ['WAIT', '0', '-1'],
    ['TIME', '1'],
    ['INFO', 'nothing'],
    ['LATENCY', 'LATEST'],
    ['LATENCY', 'GRAPH', 'foo'],
    ['LATENCY', 'RESET'],
    ['MODULE', 'LIST'],
    ['ACL', 'WHOAMI'],
    ['ACL', 'LIST'],
    ['ACL', 'USERS'],
    ['ACL', 'GETUSER', 'default'],
    ['ACL', 'GETUSER', 'foo'],
    ['ACL', 'CAT'],
    ['ACL', 'CAT', 'foo'],
    ['PUBSUB', 'CHANNELS'],
    ['PUBSUB', 'NUMSUB', 'a'],
    ['PUBSUB', 'NUMPAT'],
    ['COMMAND', 'INFO', 'nothing'],
    ['COMMAND', 'GETKEYS', 'foo', 'a'],
    ['COMMAND', 'GETKEYS', 'mset', 'a'],
    ['COMMAND', 'GETKEYS', 'mset', 'a', '1', 'b', '2'],
    ['COMMAND', 'GETKEYSANDFLAGS', 'rename', 'a', 'b'],
    ['COMMAND', 'LIST', 'FILTERBY', 'foo', 'x'],
    ['ECHO', 'a'],
    ['ECHO'],
    ['SUBSCRIBE'],
  ])('%s %s %s', async (...words) => {
    const [ours, theirs] = await both(...words);
    expect(ours).toEqual(theirs);
  });
});

describe('one node of a cluster', () => {
  let redis: Oracle;
  const session = node.connect('redirect');

  beforeAll(async () => {
    redis = await startRedis(['save ""', 'cluster-enabled yes', 'cluster-announce-ip 127.0.0.1']);
    await redis.call('CLUSTER', 'ADDSLOTSRANGE', '0', '16383');
    await vi.waitFor(async () => expect(await redis.call('CLUSTER', 'INFO')).toContain('cluster_state:ok'), {
      timeout: 20_000,
    });
  });
  afterAll(() => redis.stop());

  /** The reply with each text and number replaced by its type, and names of fields kept. */
  const shape = (value: unknown): unknown => {
    if (!Array.isArray(value)) return typeof value;
    const names = value.filter((_, at) => at % 2 === 0);
    const isMap =
      value.length > 0 && value.length % 2 === 0 && names.every((name) => /^[a-z-]{2,}$/.test(String(name)));
    return value.map((one, at) => (isMap && at % 2 === 0 ? one : shape(one)));
  };

  test('SLOTS and SHARDS have their shape', async () => {
    for (const name of ['SLOTS', 'SHARDS']) {
      const [ours] = ask(session, 'CLUSTER', name) as unknown[];
      const [theirs] = (await redis.call('CLUSTER', name)) as unknown[];
      expect(shape(ours)).toEqual(shape(theirs));
    }
  });

  test('NODES has their syntax', async () => {
    const line = /^[0-9a-f]{40} 127\.0\.0\.1:\d+@\d+ (myself,)?master - 0 \d+ \d+ connected \d+-\d+$/;
    for (const text of [ask(session, 'CLUSTER', 'NODES'), await redis.call('CLUSTER', 'NODES')]) {
      for (const one of String(text).trim().split('\n')) expect(one).toMatch(line);
    }
  });

  test('INFO has their fields in their order', async () => {
    const names = (text: unknown): string[] =>
      String(text)
        .split('\r\n')
        .map((field) => field.split(':')[0]);
    expect(names(ask(session, 'CLUSTER', 'INFO'))).toEqual(names(await redis.call('CLUSTER', 'INFO')));
  });

  test.each([
    ['CLUSTER', 'COUNTKEYSINSLOT', 'a'],
    ['CLUSTER', 'COUNTKEYSINSLOT', '16384'],
    ['CLUSTER', 'GETKEYSINSLOT', '1', 'a'],
    ['CLUSTER', 'GETKEYSINSLOT', '1', '-1'],
    ['CLUSTER', 'COUNT-FAILURE-REPORTS', 'x'],
    ['CLUSTER', 'REPLICAS', 'x'],
    ['CLUSTER', 'foo'],
    ['CLUSTER', 'KEYSLOT'],
    ['READONLY'],
    ['READWRITE'],
    ['ASKING'],
    ['SELECT', '0'],
  ])('%s %s %s', async (...words) => {
    expect(ask(session, ...words)).toEqual(await redis.call(...words));
  });

  test('SELECT of another database', async () => {
    const other = node.connect('redirect');
    expect(ask(other, 'SELECT', '1')).toBe(await redis.call('SELECT', '1'));
  });
});

describe('a sentinel', () => {
  let redis: Oracle;
  let sentinels: Oracle[];
  const session = node.connect();

  beforeAll(async () => {
    redis = await startRedis(['save ""']);
    const watch = [`sentinel monitor mymaster 127.0.0.1 ${redis.port} 1`];
    sentinels = [await startRedis(watch, ['--sentinel']), await startRedis(watch, ['--sentinel'])];
    const known = async (): Promise<number> =>
      ((await sentinels[0].call('SENTINEL', 'SENTINELS', 'mymaster')) as unknown[]).length;
    await vi.waitFor(async () => expect(await known()).toBe(1), { timeout: 20_000, interval: 200 });
  });
  afterAll(async () => {
    for (const one of [...sentinels, redis]) await one.stop();
  });

  const fields = (reply: unknown): Record<string, unknown> => fieldsOf(reply);

  test('MASTER and MASTERS have their fields in their order', async () => {
    const theirs = fields(await sentinels[0].call('SENTINEL', 'MASTER', 'mymaster'));
    const ours = fields(ask(session, 'SENTINEL', 'MASTER', 'mymaster'));
    expect(Object.keys(ours)).toEqual(Object.keys(theirs));
    expect(ours['flags']).toBe(theirs['flags']);
    const [first] = ask(session, 'SENTINEL', 'MASTERS') as unknown[];
    expect(Object.keys(fields(first))).toEqual(Object.keys(theirs));
  });

  test('SENTINELS, too', async () => {
    const [ours] = ask(session, 'SENTINEL', 'SENTINELS', 'mymaster') as unknown[];
    await vi.waitFor(
      async () => {
        const [theirs] = (await sentinels[0].call('SENTINEL', 'SENTINELS', 'mymaster')) as unknown[];
        expect(Object.keys(fields(ours))).toEqual(Object.keys(fields(theirs)));
        expect(fields(ours)['flags']).toBe(fields(theirs)['flags']);
      },
      { timeout: 20_000, interval: 200 },
    );
  });

  test.each([
    ['SENTINEL', 'REPLICAS', 'mymaster'],
    ['SENTINEL', 'foo'],
    ['SENTINEL', 'MASTER'],
  ])('%s %s %s', async (...words) => {
    expect(ask(session, ...words)).toEqual(await sentinels[0].call(...words));
  });
});
