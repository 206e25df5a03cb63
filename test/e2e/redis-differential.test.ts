/**
 * Three nodes of Torc beside a real redis-server: random sequences of commands over the client port, every reply compared byte for byte.
 * `DIFFERENTIAL_SEED` is the first sequence, `DIFFERENTIAL_SEEDS` how many, `DIFFERENTIAL_COMMANDS` how long each is.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { STRING_MAX_BYTES } from '../../src/commands/string-value.ts';
import { compare, type Course } from '../differential/compare.ts';
import { overSocket } from '../differential/over-socket.ts';
import { RedisServer, redisVersion } from '../differential/redis-server.ts';
import { parseReply } from '../differential/reply.ts';
import { RespClient } from '../differential/resp-client.ts';
import { TorcCluster } from './torc-cluster.ts';

const COMMANDS_PER_SEED = Number(process.env['DIFFERENTIAL_COMMANDS'] ?? 3000);
const FIRST_SEED = Number(process.env['DIFFERENTIAL_SEED'] ?? 1);
const SEEDS = Number(process.env['DIFFERENTIAL_SEEDS'] ?? 3);
const DATABASES = 16;

const version = redisVersion();
if (version === null)
  console.warn('skipped: redis-server is not installed, so there is nothing to compare with');

describe.skipIf(version === null)(`beside redis-server ${version}`, () => {
  let torc: TorcCluster;
  let redis: RedisServer;

  beforeAll(async () => {
    redis = await RedisServer.start('--proto-max-bulk-len', String(STRING_MAX_BYTES));
    torc = await TorcCluster.start();
  });

  afterAll(async () => {
    await torc.stop();
    await redis.stop();
  });

  /** A connection to a node of Torc and one to redis-server, which speak the same protocol. */
  async function both(node: number, protocol: 2 | 3): Promise<[RespClient, RespClient]> {
    const clients: [RespClient, RespClient] = [
      await RespClient.open(torc.clientPort(node)),
      await RespClient.open(redis.port),
    ];
    for (const client of clients) await client.run([['hello', protocol], ['flushall']]);
    return clients;
  }

  async function difference(course: Course, protocol: 2 | 3): Promise<string | null> {
    // Each seed goes through another node: the commands of one slot are served there, or forwarded.
    const [ours, theirs] = await both(course.seed % torc.nodes, protocol);
    const found = await compare(overSocket(ours), overSocket(theirs), course);
    if (found === null) await expectSameKeys(ours, theirs);
    ours.close();
    theirs.close();
    return found;
  }

  const seeds = Array.from({ length: SEEDS }, (_, i) => FIRST_SEED + i);
  const courses = seeds.flatMap((seed) => [[seed, 2] as const, [seed, 3] as const]);

  test.each(courses)('keys of one slot: seed %i, RESP%i', async (seed, protocol) => {
    expect(await difference({ seed, count: COMMANDS_PER_SEED }, protocol)).toBeNull();
  });

  test.each(courses)('keys over all shards: seed %i, RESP%i', async (seed, protocol) => {
    expect(await difference({ seed, count: COMMANDS_PER_SEED, isSpread: true }, protocol)).toBeNull();
  });

  test.each(courses)('with commands about the connection: seed %i, RESP%i', async (seed, protocol) => {
    const course = { seed, count: COMMANDS_PER_SEED, isSpread: true, hasConnectionCommands: true };
    expect(await difference(course, protocol)).toBeNull();
  });

  /** In every database: KEYS, a whole SCAN, and once what has expired is gone DBSIZE. */
  async function expectSameKeys(ours: RespClient, theirs: RespClient): Promise<void> {
    for (const client of [ours, theirs]) await client.run([['reset']]);
    for (let database = 0; database < DATABASES; database++) {
      for (const client of [ours, theirs]) await client.run([['select', database]]);
      const [mine, others] = [await scan(ours), await scan(theirs)];
      expect(mine).toEqual(others);
      await expect.poll(() => ours.run([['dbsize']])).toEqual([`:${others.length}\r\n`]);
    }
  }
});

/** All keys that a whole SCAN finds, each once. */
async function scan(client: RespClient): Promise<string[]> {
  const keys: string[] = [];
  let cursor = '0';
  do {
    const [reply] = await client.run([['scan', cursor, 'count', 3]]);
    const parsed = parseReply(Buffer.from(reply, 'latin1'), 0);
    cursor = parsed?.children[0].text ?? '0';
    keys.push(...(parsed?.children[1].children ?? []).map(({ text }) => String(text)));
  } while (cursor !== '0');
  return [...new Set(keys)].sort();
}
