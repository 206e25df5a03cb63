/** The data commands over the model of the keyspace, beside a real redis-server: every reply, byte for byte. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { STRING_MAX_BYTES } from '../../src/commands/string-value.ts';
import { CommandRunner } from '../commands/command-runner.ts';
import { type Side, compare } from './compare.ts';
import type { Command } from './generator.ts';
import { RedisServer, redisVersion } from './redis-server.ts';
import { overSocket } from './over-socket.ts';
import { RespClient } from './resp-client.ts';

const COMMANDS_PER_SEED = 2000;
const FIRST_SEED = Number(process.env['DIFFERENTIAL_SEED'] ?? 1);
const SEEDS = Number(process.env['DIFFERENTIAL_SEEDS'] ?? 5);

const version = redisVersion();
if (version === null)
  console.warn('skipped: redis-server is not installed, so there is nothing to compare with');

/** What of the connection the sequences need: the database. */
class InProcess implements Side {
  private readonly runner = new CommandRunner();

  constructor(protocol: 2 | 3) {
    this.runner.protocol = protocol;
  }

  run(commands: readonly Command[]): Promise<string[]> {
    this.runner.timeMs = Date.now();
    return Promise.resolve(commands.map((command) => this.runOne(command)));
  }

  private runOne(command: Command): string {
    const [name, database] = command.map(String);
    if (name.toLowerCase() !== 'select' || command.length !== 2 || !/^(?:0|1|15)$/.test(database)) {
      return this.runner.run(...command);
    }
    this.runner.context.db = Number(database);
    return '+OK\r\n';
  }
}

describe.skipIf(version === null)(`beside redis-server ${version}`, () => {
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
      const redis = await RespClient.open(server.port);
      if (protocol === 3) await redis.run([['hello', 3]]);
      expect(
        await compare(new InProcess(protocol), overSocket(redis), {
          seed,
          count: COMMANDS_PER_SEED,
          runsCrossSlot: true,
        }),
      ).toBeNull();
      redis.close();
    },
  );
});
