import { beforeEach, describe, expect, test } from 'vitest';

import { FakeNode, type FakeSession } from './fake-node.ts';

let node: FakeNode;
let session: FakeSession;

beforeEach(() => {
  node = new FakeNode();
  session = node.connect();
});

const client = (...words: string[]): string => node.send(session, 'CLIENT', ...words);

test('names, ids and libraries', () => {
  expect(client('ID')).toBe(':1\r\n');
  expect(client('GETNAME')).toBe('$-1\r\n');
  expect(client('SETNAME', 'a b')).toBe(
    '-ERR Client names cannot contain spaces, newlines or special characters.\r\n',
  );
  expect(client('SETNAME', 'worker')).toBe('+OK\r\n');
  expect(client('GETNAME')).toBe('$6\r\nworker\r\n');
  expect(client('SETNAME', '')).toBe('+OK\r\n');
  expect(client('GETNAME')).toBe('$-1\r\n');
  expect(client('SETINFO', 'LIB-NAME', 'ioredis')).toBe('+OK\r\n');
  expect(client('SETINFO', 'lib-ver', '6.0.0')).toBe('+OK\r\n');
  expect([session.libraryName, session.libraryVersion]).toEqual(['ioredis', '6.0.0']);
  expect(client('SETINFO', 'lib-x', '1')).toBe("-ERR Unrecognized option 'lib-x'\r\n");
  expect(client('SETINFO', 'lib-ver', 'a b')).toBe(
    '-ERR lib-ver cannot contain spaces, newlines or special characters.\r\n',
  );
  // The option as it was given.
  expect(client('SETINFO', 'LIB-Name', 'a b')).toBe(
    '-ERR LIB-Name cannot contain spaces, newlines or special characters.\r\n',
  );
});

describe('LIST and INFO', () => {
  test('have the fields of 7.2', () => {
    session.name = 'me';
    session.lastCommand = 'client|info';
    const line =
      'id=1 addr=127.0.0.1:50001 laddr=127.0.0.1:6379 fd=-1 name=me age=5 idle=2 flags=N db=0 sub=0 psub=0 ssub=0 multi=-1 qbuf=26 qbuf-free=100 argv-mem=10 multi-mem=0 rbs=1024 rbp=512 obl=0 oll=0 omem=0 tot-mem=2048 events=r cmd=client|info user=default redir=-1 resp=2 lib-name= lib-ver=\n';
    expect(client('INFO')).toBe(`$${line.length}\r\n${line}\r\n`);
    session.protocol = 3;
    expect(client('INFO')).toBe(`=${line.length + 4}\r\ntxt:${line.replace('resp=2', 'resp=3')}\r\n`);
  });

  test('choose by type and id', () => {
    const subscriber = node.connect();
    node.send(subscriber, 'SUBSCRIBE', 'c');
    const ids = (reply: string): string[] => [...reply.matchAll(/\bid=(\d+)/g)].map((match) => match[1]);
    expect(ids(client('LIST'))).toEqual(['1', '2']);
    expect(ids(client('LIST', 'TYPE', 'pubsub'))).toEqual(['2']);
    expect(ids(client('LIST', 'TYPE', 'NORMAL'))).toEqual(['1']);
    expect(client('LIST', 'TYPE', 'replica')).toBe('$0\r\n\r\n');
    expect(ids(client('LIST', 'ID', '2', '9', '1'))).toEqual(['2', '1']);
    expect(client('LIST', 'TYPE', 'foo')).toBe("-ERR Unknown client type 'foo'\r\n");
    expect(client('LIST', 'ID', 'a')).toBe('-ERR Invalid client ID\r\n');
    expect(client('LIST', 'ID')).toBe('-ERR syntax error\r\n');
    expect(client('LIST', 'foo')).toBe('-ERR syntax error\r\n');
  });

  test('flags', () => {
    node.send(session, 'HELLO', '3');
    node.send(session, 'SUBSCRIBE', 'c');
    client('NO-EVICT', 'ON');
    session.blocked = true;
    session.readonlyMode = true;
    expect(client('INFO')).toContain(' flags=Pbre ');
    expect(client('NO-EVICT', 'maybe')).toBe('-ERR syntax error\r\n');
  });
});

describe('KILL', () => {
  test('by address, the old form', () => {
    const other = node.connect();
    expect(client('KILL', other.address)).toBe('+OK\r\n');
    expect(other.killed).toBe(true);
    expect(client('KILL', '1.2.3.4:5')).toBe('-ERR No such client\r\n');
    expect(client('KILL', session.address)).toBe('+OK\r\n');
    expect([session.killed, session.closeAfterReply]).toEqual([false, true]);
  });

  test('by filters that must all hold', () => {
    const others = [node.connect(), node.connect()];
    expect(client('KILL', 'ID', '2', 'ADDR', others[1].address)).toBe(':0\r\n');
    expect(client('KILL', 'ID', '2', 'USER', 'default', 'LADDR', '127.0.0.1:6379')).toBe(':1\r\n');
    expect(others.map((other) => other.killed)).toEqual([true, false]);
    expect(client('KILL', 'TYPE', 'normal')).toBe(':2\r\n');
    expect(session.closeAfterReply).toBe(false);
    expect(client('KILL', 'ID', '1', 'SKIPME', 'no')).toBe(':1\r\n');
    expect(session.closeAfterReply).toBe(true);
  });

  test.each([
    [['ID', 'x'], 'ERR client-id should be greater than 0'],
    [['ID', '0'], 'ERR client-id should be greater than 0'],
    [['TYPE', 'foo'], "ERR Unknown client type 'foo'"],
    [['USER', 'nobody'], "ERR No such user 'nobody'"],
    [['SKIPME', 'maybe'], 'ERR syntax error'],
    [['foo', 'bar'], 'ERR syntax error'],
    [['ID', '1', 'ADDR'], 'ERR syntax error'],
  ])('KILL %j', (words, answer) => {
    expect(client('KILL', ...words)).toBe(`-${answer}\r\n`);
  });
});

test('REPLY', () => {
  expect(client('REPLY', 'SKIP')).toBe('');
  expect(session.replyMode).toBe('skip-next');
  expect(client('REPLY', 'OFF')).toBe('');
  expect(client('REPLY', 'SKIP')).toBe('');
  expect(session.replyMode).toBe('off');
  expect(client('REPLY', 'ON')).toBe('+OK\r\n');
  expect(session.replyMode).toBe('on');
  expect(client('REPLY', 'foo')).toBe('-ERR syntax error\r\n');
});

test('UNBLOCK', () => {
  const waiting = node.connect();
  expect(client('UNBLOCK', '2')).toBe(':0\r\n');
  waiting.blocked = true;
  expect(client('UNBLOCK', '2', 'ERROR')).toBe(':1\r\n');
  expect(waiting.unblockedBy).toEqual(['timeout', 'error']);
  expect(client('UNBLOCK', '99')).toBe(':0\r\n');
  expect(client('UNBLOCK', 'a')).toBe('-ERR value is not an integer or out of range\r\n');
  expect(client('UNBLOCK', '2', 'foo')).toBe('-ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR\r\n');
  expect(client('UNBLOCK', '2', 'ERROR', 'x')).toBe(
    "-ERR unknown subcommand or wrong number of arguments for 'UNBLOCK'. Try CLIENT HELP.\r\n",
  );
});

test('every look-up is an access, and NO-TOUCH says so', () => {
  expect(client('NO-TOUCH', 'on')).toMatch(/^-ERR CLIENT NO-TOUCH is not offered/);
  expect(client('NO-TOUCH', 'off')).toBe('+OK\r\n');
  expect(client('NO-TOUCH', 'maybe')).toBe('-ERR syntax error\r\n');
});

test('tracking is off, and says so', () => {
  expect(client('GETREDIR')).toBe(':-1\r\n');
  expect(client('TRACKING', 'OFF')).toBe('+OK\r\n');
  expect(client('TRACKING', 'ON')).toMatch(/^-ERR CLIENT TRACKING is not offered yet/);
  expect(client('TRACKING', 'foo')).toBe('-ERR syntax error\r\n');
  expect(client('CACHING', 'YES')).toMatch(/^-ERR CLIENT CACHING can be called only when/);
  expect(client('TRACKINGINFO')).toBe(
    '*6\r\n$5\r\nflags\r\n*1\r\n$3\r\noff\r\n$8\r\nredirect\r\n:-1\r\n$8\r\nprefixes\r\n*0\r\n',
  );
  session.protocol = 3;
  expect(client('TRACKINGINFO')).toBe(
    '%3\r\n$5\r\nflags\r\n~1\r\n$3\r\noff\r\n$8\r\nredirect\r\n:-1\r\n$8\r\nprefixes\r\n*0\r\n',
  );
});

test.each([
  [['OFF', 'BCAST', 'NOLOOP', 'PREFIX', 'a', 'PREFIX', 'b'], '+OK'],
  [['off', 'optin', 'optout', 'redirect', '1'], '+OK'],
  [['OFF', 'REDIRECT', 'a'], '-ERR value is not an integer or out of range'],
  [['OFF', 'REDIRECT', '99'], '-ERR The client ID you want redirect to does not exist'],
  [['OFF', 'REDIRECT', '1', 'REDIRECT', '1'], '-ERR A client can only redirect to a single other client'],
  [['OFF', 'REDIRECT'], '-ERR syntax error'],
  [['OFF', 'PREFIX'], '-ERR syntax error'],
  [['OFF', 'foo'], '-ERR syntax error'],
  [['foo', 'BCAST'], '-ERR syntax error'],
])('TRACKING %j', (words, answer) => {
  expect(client('TRACKING', ...words)).toBe(`${answer}\r\n`);
});

test('what is not offered', () => {
  expect(client('PAUSE', '100')).toMatch(/^-ERR CLIENT PAUSE is not offered/);
  expect(client('UNPAUSE')).toBe('+OK\r\n');
  expect(client('MAINT_NOTIFICATIONS', 'ON')).toBe(
    "-ERR unknown subcommand 'MAINT_NOTIFICATIONS'. Try CLIENT HELP.\r\n",
  );
  expect(node.send(session, 'CLIENT')).toBe("-ERR wrong number of arguments for 'client' command\r\n");
  expect(client('ID', '3')).toBe("-ERR wrong number of arguments for 'client|id' command\r\n");
});
