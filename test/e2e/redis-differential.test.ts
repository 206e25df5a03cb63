/**
 * Torc beside a real redis-server: random sequences of the data commands, every reply compared byte for byte. `TORC_TEST_PORT` names the
 * client port of a Torc that may be emptied; `DIFFERENTIAL_SEED` and `DIFFERENTIAL_SEEDS` choose the sequences.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { STRING_MAX_BYTES } from '../../src/commands/string-value.ts';
import { compare } from '../differential/compare.ts';
import { RedisServer, redisVersion } from '../differential/redis-server.ts';
import { RespClient } from '../differential/resp-client.ts';

const COMMANDS_PER_SEED = 4000;
const FIRST_SEED = Number(process.env['DIFFERENTIAL_SEED'] ?? 1);
const SEEDS = Number(process.env['DIFFERENTIAL_SEEDS'] ?? 5);
const TORC_PORT = Number(process.env['TORC_TEST_PORT'] ?? 0);

const version = redisVersion();
if (version === null)
  console.warn('skipped: redis-server is not installed, so there is nothing to compare with');
if (TORC_PORT === 0) console.warn('skipped: TORC_TEST_PORT does not name the client port of a Torc');

describe.skipIf(version === null || TORC_PORT === 0)(`beside redis-server ${version}`, () => {
  let server: RedisServer;

  beforeAll(async () => {
    server = await RedisServer.start('--proto-max-bulk-len', String(STRING_MAX_BYTES));
  });

  afterAll(async () => {
    await server.stop();
  });

  const seeds = Array.from({ length: SEEDS }, (_, i) => FIRST_SEED + i);
  test.each(seeds.flatMap((seed) => [[seed, 2] as const, [seed, 3] as const]))(
    'seed %i, RESP%i',
    async (seed, protocol) => {
      const torc = await RespClient.open(TORC_PORT);
      const redis = await RespClient.open(server.port);
      for (const client of [torc, redis]) await client.run([['hello', protocol]]);
      expect(await compare(torc, redis, seed, COMMANDS_PER_SEED)).toBeNull();
      torc.close();
      redis.close();
    },
  );
});
