import { beforeEach, describe, expect, test } from 'vitest';

import { FakeNode, type FakeSession } from './fake-node.ts';

let node: FakeNode;
let session: FakeSession;

beforeEach(() => {
  node = new FakeNode();
  session = node.connect();
});

const GREETING_3 =
  '%7\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$5\r\n7.2.0\r\n$5\r\nproto\r\n:3\r\n$2\r\nid\r\n:1\r\n$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\nmaster\r\n$7\r\nmodules\r\n*0\r\n';

describe('HELLO', () => {
  test('answers in the protocol asked for', () => {
    expect(node.send(session, 'HELLO', '3')).toBe(GREETING_3);
    expect(session.protocol).toBe(3);
    const two = node.send(session, 'HELLO', '2');
    expect(two).toBe(GREETING_3.replace('%7', '*14').replace(':3', ':2'));
    expect(node.send(session, 'HELLO')).toBe(two);
  });

  test('is a cluster on the redirect port', () => {
    expect(node.send(node.connect('redirect'), 'HELLO', '3')).toContain('$4\r\nmode\r\n$7\r\ncluster\r\n');
  });

  test.each([
    [['4'], '-NOPROTO unsupported protocol version\r\n'],
    [['1'], '-NOPROTO unsupported protocol version\r\n'],
    [['a'], '-ERR Protocol version is not an integer or out of range\r\n'],
    [['3', 'foo'], "-ERR Syntax error in HELLO option 'foo'\r\n"],
    [['3', 'AUTH', 'x'], "-ERR Syntax error in HELLO option 'AUTH'\r\n"],
    [['3', 'setname'], "-ERR Syntax error in HELLO option 'setname'\r\n"],
    [['3', 'setname', 'a b'], '-ERR Client names cannot contain spaces, newlines or special characters.\r\n'],
    [['3', 'auth', 'nobody', 'x'], '-WRONGPASS invalid username-password pair or user is disabled.\r\n'],
  ])('HELLO %j', (words, answer) => {
    expect(node.send(session, 'HELLO', ...words)).toBe(answer);
    expect([session.protocol, session.name]).toEqual([2, '']);
  });

  test('names and authenticates in one', () => {
    node.password = 'secret';
    session = node.connect();
    expect(node.send(session, 'HELLO', '3')).toMatch(/^-NOAUTH HELLO must be called with the client already/);
    expect(node.send(session, 'HELLO', '3', 'AUTH', 'default', 'no')).toMatch(/^-WRONGPASS/);
    expect(session.authenticated).toBe(false);
    expect(node.send(session, 'HELLO', '3', 'AUTH', 'default', 'secret', 'SETNAME', 'me')).toMatch(/^%7/);
    expect([session.authenticated, session.name, session.protocol]).toEqual([true, 'me', 3]);
  });
});

describe('AUTH', () => {
  test('without a password set', () => {
    expect(node.send(session, 'AUTH', 'x')).toMatch(/^-ERR AUTH <password> called without any password/);
    expect(node.send(session, 'AUTH', 'default', 'x')).toBe('+OK\r\n');
    expect(node.send(session, 'AUTH', 'a', 'b')).toMatch(/^-WRONGPASS/);
    expect(node.send(session, 'AUTH', 'a', 'b', 'c')).toBe('-ERR syntax error\r\n');
  });

  test('with a password set, nothing else runs before it', () => {
    node.password = 'secret';
    session = node.connect();
    expect(node.send(session, 'PING')).toBe('-NOAUTH Authentication required.\r\n');
    expect(node.send(session, 'AUTH', 'wrong')).toMatch(/^-WRONGPASS/);
    expect(node.send(session, 'AUTH', 'secret')).toBe('+OK\r\n');
    expect(node.send(session, 'PING')).toBe('+PONG\r\n');
    expect(node.send(session, 'RESET')).toBe('+RESET\r\n');
    expect(node.send(session, 'PING')).toBe('-NOAUTH Authentication required.\r\n');
  });
});

test('passwords are bytes read as UTF-8', () => {
  node.password = 'naïve';
  session = node.connect();
  const bytes = Buffer.from('naïve').toString('latin1');
  expect(node.send(session, 'AUTH', bytes)).toBe('+OK\r\n');
});

describe('PING, ECHO, QUIT', () => {
  test('outside and inside a subscription', () => {
    expect(node.send(session, 'PING')).toBe('+PONG\r\n');
    expect(node.send(session, 'PING', 'hi')).toBe('$2\r\nhi\r\n');
    expect(node.send(session, 'PING', 'a', 'b')).toBe(
      "-ERR wrong number of arguments for 'ping' command\r\n",
    );
    node.send(session, 'SUBSCRIBE', 'c');
    expect(node.send(session, 'PING')).toBe('*2\r\n$4\r\npong\r\n$0\r\n\r\n');
    expect(node.send(session, 'PING', 'x')).toBe('*2\r\n$4\r\npong\r\n$1\r\nx\r\n');
    session.protocol = 3;
    expect(node.send(session, 'PING')).toBe('+PONG\r\n');
  });

  test('keep bytes as they are', () => {
    expect(node.send(session, 'ECHO', '\xff\x00')).toBe('$2\r\n\xff\x00\r\n');
  });

  test('QUIT answers first', () => {
    expect(node.send(session, 'QUIT')).toBe('+OK\r\n');
    expect(session.closeAfterReply).toBe(true);
  });
});

describe('SELECT', () => {
  test('0 to 15', () => {
    expect(node.send(session, 'SELECT', '15')).toBe('+OK\r\n');
    expect(session.db).toBe(15);
  });

  test.each([
    ['16', '-ERR DB index is out of range\r\n'],
    ['-1', '-ERR DB index is out of range\r\n'],
    ['a', '-ERR value is not an integer or out of range\r\n'],
    ['01', '-ERR value is not an integer or out of range\r\n'],
  ])('SELECT %s refuses commands until one succeeds', (db, answer) => {
    expect(node.send(session, 'SELECT', db)).toBe(answer);
    expect(node.send(session, 'PING')).toMatch(/^-ERR not run: the last SELECT on this connection failed/);
    expect(node.send(session, 'HELLO')).toMatch(/^\*14/);
    expect(node.send(session, 'SELECT', '1')).toBe('+OK\r\n');
    expect(node.send(session, 'PING')).toBe('+PONG\r\n');
  });

  test('other than 0 is refused on the redirect port', () => {
    session = node.connect('redirect');
    expect(node.send(session, 'SELECT', '1')).toBe('-ERR SELECT is not allowed in cluster mode\r\n');
    expect(node.send(session, 'SELECT', '0')).toBe('+OK\r\n');
  });
});

test('RESET makes the connection as new, but for its library', () => {
  node.send(session, 'HELLO', '3', 'SETNAME', 'me');
  node.send(session, 'CLIENT', 'SETINFO', 'LIB-NAME', 'lib');
  node.send(session, 'SUBSCRIBE', 'a', 'b');
  node.send(session, 'PSUBSCRIBE', 'p*');
  node.send(session, 'SELECT', '3');
  node.send(session, 'CLIENT', 'NO-EVICT', 'ON');
  node.send(session, 'SELECT', 'x');
  expect(node.send(session, 'RESET')).toBe('+RESET\r\n');
  expect(session).toMatchObject({ protocol: 2, db: 0, name: '', noEvict: false, libraryName: 'lib' });
  expect([session.channels.size, session.patterns.size, node.pubsub.patternCount]).toEqual([0, 0, 0]);
  expect(node.send(session, 'PING')).toBe('+PONG\r\n');
});

describe('MULTI', () => {
  test('is refused with all that was meant to be queued', () => {
    expect(node.send(session, 'MULTI')).toMatch(/^-ERR MULTI is not offered/);
    expect(node.send(session, 'ECHO', 'x')).toMatch(/^-ERR not run: MULTI was refused/);
    expect(node.send(session, 'EXEC')).toMatch(/^-EXECABORT Transaction discarded/);
    expect(node.send(session, 'ECHO', 'x')).toBe('$1\r\nx\r\n');
    expect(node.send(session, 'EXEC')).toBe('-ERR EXEC without MULTI\r\n');
    expect(node.send(session, 'DISCARD')).toBe('-ERR DISCARD without MULTI\r\n');
  });

  test('ends by DISCARD', () => {
    node.send(session, 'MULTI');
    expect(node.send(session, 'DISCARD')).toBe('+OK\r\n');
    expect(node.send(session, 'PING')).toBe('+PONG\r\n');
  });
});
