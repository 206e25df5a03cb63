/** What a client gets for bytes that are no good command, beside redis-server: the same bytes, and a closed connection where it closes. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { RedisServer, redisVersion } from '../differential/redis-server.ts';
import { RespClient } from '../differential/resp-client.ts';
import { TorcCluster } from './torc-cluster.ts';

const MARK = 'the-end-of-it';
/** So long without a byte: the server waits for more. */
const SILENCE_MS = 300;
const PASSWORD = 'sesame';
const version = redisVersion();
if (version === null)
  console.warn('skipped: redis-server is not installed, so there is nothing to compare with');

/**
 * What differs on purpose and is not here: a command has at most 1048576 arguments; a line may hold a zero byte (redis-server waits for ever);
 * HELLO without authentication speaks 7.2's words.
 */
const INPUTS: readonly string[] = [
  // Arrays that are none.
  '*x\r\n',
  '*2147483648\r\n',
  '*9223372036854775808\r\n',
  '*-1\r\n',
  '*0\r\n',
  '*-10\r\n',
  '*\r\n',
  '*+1\r\n$4\r\nPING\r\n',
  '*01\r\n$4\r\nPING\r\n',
  '* 1\r\n$4\r\nPING\r\n',
  '*1\n$4\r\nPING\r\n',
  // Bulk strings that are none.
  '*1\r\n:4\r\nPING\r\n',
  '*1\r\n+PING\r\n',
  '*1\r\n*1\r\n$4\r\nPING\r\n',
  '*1\r\n\r\n',
  '*1\r\nPING\r\n',
  '*1\r\n$-1\r\n',
  '*1\r\n$x\r\n',
  '*1\r\n$\r\n',
  '*1\r\n$+4\r\nPING\r\n',
  '*1\r\n$67108865\r\n',
  '*1\r\n$9223372036854775807\r\n',
  '*2\r\n$4\r\nECHO\r\n$-2\r\n',
  '*2\r\n$4\r\nECHO\r\n$3\r\nabcde\r\n',
  '*1\r\n$0\r\n\r\n',
  '*2\r\n$0\r\n\r\n$0\r\n\r\n',
  // Lines.
  '\r\n',
  '\n',
  '   \r\n',
  'PING\n',
  '  PING  \r\n',
  'ping "a b"\r\n',
  "ping 'a\\'b'\r\n",
  'ping "\\x41\\n\\q"\r\n',
  'ping "a\r\n',
  'ping "a"b\r\n',
  "ping 'a'b\r\n",
  'ping a"b"\r\n',
  'nonsense a b c\r\n',
  'GET\r\n',
  `ping ${'a'.repeat(65_000)}\r\n`,
  'GET / HTTP/1.1\r\n',
  '{"json": 1}\r\n',
  '\x16\x03\x01\x02\r\n',
  // Commands that there are not, and arguments that do not fit.
  '*1\r\n$8\r\nnon\r\nsen\r\n',
  `*2\r\n$4\r\nnone\r\n$200\r\n${'x'.repeat(200)}\r\n`,
  `*1\r\n$200\r\n${'y'.repeat(200)}\r\n`,
  `*130\r\n$4\r\nnone\r\n${'$1\r\nz\r\n'.repeat(129)}`,
  '*1\r\n$7\r\ncluster\r\n',
  '*2\r\n$6\r\nCLIENT\r\n$8\r\nnonsense\r\n',
  '*2\r\n$6\r\nOBJECT\r\n$8\r\nnonsense\r\n',
  '*2\r\n$6\r\nobject\r\n$8\r\nencoding\r\n',
  '*2\r\n$6\r\nmemory\r\n$5\r\nusage\r\n',
  '*3\r\n$6\r\nobject\r\n$8\r\nencoding\r\n$7\r\nno\0such\r\n',
  // What changes the connection.
  'select 1\r\nset k v\r\nreset\r\nget k\r\nselect 1\r\nget k\r\ndel k\r\n',
  'client reply skip\r\nhello 3\r\nget nothing\r\nclient reply skip\r\nhello 2\r\nget nothing\r\n',
  'client reply off\r\nping\r\nclient reply on\r\n',
  'client reply skip\r\nping\r\nping\r\n',
  'client reply skip\r\nclient reply skip\r\nping\r\nping a\r\n',
  'client reply skip\r\nset k v\r\nget k\r\nclient reply off\r\nset k w\r\nget k\r\nclient reply on\r\nget k\r\n',
  'client reply skip\r\nnonsense\r\nping\r\n',
  'client reply nonsense\r\n',
  'set k v\r\nclient reply skip\r\nwait 0 0\r\nset k w\r\nclient reply skip\r\nwait 0 0\r\nget k\r\n',
  'client reply skip\r\nclient reply nonsense\r\nping\r\n',
  'client reply skip\r\nwait 0 0\r\nping\r\n',
  'client reply skip\r\nclient reply off\r\nping\r\nclient reply skip\r\nping\r\nclient reply on\r\n',
  'client setname a\r\nclient getname\r\nreset\r\nclient getname\r\n',
  'client no-evict on\r\nclient no-evict off\r\nclient no-evict x\r\n',
  'client unpause\r\n',
  'client\r\n',
  'auth\r\nauth a\r\nauth a b\r\nauth default b\r\nauth a b c\r\n',
  'subscribe\r\nsubscribe a b a\r\nping\r\nping x\r\nget k\r\nunsubscribe b\r\nunsubscribe\r\nping\r\n',
  'psubscribe a* b*\r\nsubscribe c\r\nunsubscribe\r\nset a b\r\npunsubscribe\r\nset a b\r\n',
  'subscribe a\r\nreset\r\nset a b\r\nget a\r\n',
  'client reply skip\r\nhello 3\r\nsubscribe a\r\nget nothing\r\nping\r\nunsubscribe\r\n',
  'exec\r\n',
  'discard\r\n',
  'quit\r\nping\r\n',
  'quit now\r\nping\r\n',
  'set k v\r\nget k\r\nquit\r\nset k w\r\n',
  'post a\r\n',
  'ping\r\nPOST /a HTTP/1.1\r\nHost: x\r\n',
  'host: a\r\n',
];

const WITHOUT_PASSWORD: readonly string[] = [
  'ping\r\n',
  'get a\r\n',
  'nonsense\r\n',
  'get\r\n',
  'hello 3 auth default wrong\r\n',
  'auth wrong\r\n',
  'auth default wrong\r\n',
  'auth nobody sesame\r\n',
  'auth sesame\r\nget nothing\r\n',
  'auth default sesame\r\nping\r\nreset\r\nping\r\n',
  'client setname a\r\n',
  'command count\r\n',
  'quit\r\n',
  'reset\r\nget a\r\n',
  'subscribe a\r\n',
  '*11\r\n',
  '*2\r\n$4\r\nauth\r\n$16385\r\n',
  `*2\r\n$4\r\nauth\r\n$6\r\nsesame\r\n*11\r\n$4\r\nmget\r\n${'$1\r\na\r\n'.repeat(10)}`,
];

describe.skipIf(version === null)(`beside redis-server ${version}`, () => {
  let torc: TorcCluster;
  let redis: RedisServer;
  let torcLocked: TorcCluster;
  let redisLocked: RedisServer;

  beforeAll(async () => {
    redis = await RedisServer.start('--proto-max-bulk-len', '64mb');
    redisLocked = await RedisServer.start('--requirepass', PASSWORD);
    torc = await TorcCluster.start();
    torcLocked = await TorcCluster.start({ requirepass: PASSWORD }, 1);
  });

  afterAll(async () => {
    await torc.stop();
    await torcLocked.stop();
    await redis.stop();
    await redisLocked.stop();
  });

  test.each(INPUTS.map((input) => [shown(input), input]))('%s', async (_, input) => {
    const [ours, theirs] = await Promise.all([answer(torc.clientPort(1), input), answer(redis.port, input)]);
    expect(ours).toBe(theirs);
  });

  test.each(WITHOUT_PASSWORD.map((input) => [shown(input), input]))(
    'where a password is asked for: %s',
    async (_, input) => {
      expect(await answer(torcLocked.clientPort(0), input)).toBe(await answer(redisLocked.port, input));
    },
  );

  test('byte by byte, and all at once', async () => {
    const commands = 'set k v\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\n\r\nping "a b"\r\n*0\r\n*1\r\n$4\r\nPING\r\n';
    const whole = await answer(torc.clientPort(2), commands);
    expect(whole).toBe(await answer(redis.port, commands));
    expect(await answer(torc.clientPort(2), commands, true)).toBe(whole);
  });

  test.each([
    'incr n\r\nincr n\r\nget n\r\n',
    'set a 1\r\nget a\r\nincr b\r\nget b\r\necho last\r\nincr',
    'client reply off\r\nset a 2\r\n',
    'quit\r\nset a 3\r\n',
    '',
  ])('who sends no more is answered, and the connection closed: %j', async (input) => {
    const theirs = await answersToTheLast(redis.port, input);
    expect(theirs).not.toContain('(open)');
    for (const node of [0, 1, 2]) {
      expect(await answersToTheLast(torc.clientPort(node), input)).toBe(theirs);
      await answer(torc.clientPort(node), 'flushall\r\n');
    }
    await answer(redis.port, 'flushall\r\n');
  });

  test('who sends no more while it waits or listens is let go', async () => {
    const [waits, listens] = ['set w 1\r\nwait 9 50\r\n', 'subscribe c\r\n'];
    expect(await answersToTheLast(torc.clientPort(1), waits)).toMatch(/^\+OK\r\n:\d\r\n$/);
    expect(await answersToTheLast(torc.clientPort(1), listens)).toMatch(/subscribe/);
  });
});

function shown(input: string): string {
  const text = JSON.stringify(input);
  return text.length <= 80 ? text : `${text.slice(0, 60)}… (${input.length} bytes)`;
}

/** All that comes back, up to the reply to a last ECHO, or to the closing of the connection, which is told. */
async function answer(port: number, input: string, isSlow = false): Promise<string> {
  const client = await RespClient.open(port);
  const bytes = Buffer.from(input, 'latin1');
  if (isSlow) {
    for (const byte of bytes) {
      client.send(Buffer.of(byte));
      await new Promise((resolve) => setImmediate(resolve));
    }
  } else client.send(bytes);
  client.send(Buffer.from(`*2\r\n$4\r\nECHO\r\n$${MARK.length}\r\n${MARK}\r\n`));
  const text = await client.until(`${MARK}\r\n`, SILENCE_MS);
  const end = client.isClosed ? '(closed)' : '(waits for more)';
  client.close();
  return text.endsWith(`${MARK}\r\n`) ? text : text + end;
}

/** All that comes to one that says with its last byte that it sends no more. */
async function answersToTheLast(port: number, input: string): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1' });
  const told: Buffer[] = [];
  socket.on('data', (bytes: Buffer) => told.push(bytes));
  socket.end(input);
  const isClosed = once(socket, 'close').then(() => true);
  const inTime = await Promise.race([isClosed, new Promise((resolve) => setTimeout(resolve, 5000))]);
  socket.destroy();
  return Buffer.concat(told).toString('latin1') + (inTime === true ? '' : '(open)');
}
