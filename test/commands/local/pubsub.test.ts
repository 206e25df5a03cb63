import { beforeEach, expect, test } from 'vitest';

import { FakeNode, type FakeSession } from './fake-node.ts';
import { parseReplies, parseReply } from './parse-reply.ts';

let node: FakeNode;
let session: FakeSession;

beforeEach(() => {
  node = new FakeNode();
  session = node.connect();
});

const send = (...words: string[]): string => node.send(session, ...words);

test('subscriptions are confirmed one by one, in RESP2', () => {
  expect(send('SUBSCRIBE', 'a', 'b', 'a')).toBe(
    '*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n*3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:2\r\n*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:2\r\n',
  );
  expect(send('PSUBSCRIBE', 'c*')).toBe('*3\r\n$10\r\npsubscribe\r\n$2\r\nc*\r\n:3\r\n');
  expect(send('UNSUBSCRIBE', 'x', 'a')).toBe(
    '*3\r\n$11\r\nunsubscribe\r\n$1\r\nx\r\n:3\r\n*3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:2\r\n',
  );
  expect(parseReplies(send('UNSUBSCRIBE'))).toEqual([['unsubscribe', 'b', 1]]);
  expect(send('UNSUBSCRIBE')).toBe('*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:1\r\n');
  expect(parseReplies(send('PUNSUBSCRIBE'))).toEqual([['punsubscribe', 'c*', 0]]);
  expect(parseReplies(send('PUNSUBSCRIBE'))).toEqual([['punsubscribe', null, 0]]);
});

test('and as pushes in RESP3', () => {
  session.protocol = 3;
  expect(send('SUBSCRIBE', 'a')).toBe('>3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n');
  expect(send('PUNSUBSCRIBE')).toBe('>3\r\n$12\r\npunsubscribe\r\n_\r\n:1\r\n');
  node.pubsub.publish('a', 'm\xff');
  expect(session.pushed).toBe('>3\r\n$7\r\nmessage\r\n$1\r\na\r\n$2\r\nm\xff\r\n');
});

test('a subscribed RESP2 connection runs little else', () => {
  send('SUBSCRIBE', 'a');
  expect(send('INFO')).toBe(
    "-ERR Can't execute 'info': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context\r\n",
  );
  expect(send('CLIENT', 'ID')).toMatch(/^-ERR Can't execute 'client\|id'/);
  send('UNSUBSCRIBE');
  expect(send('CLIENT', 'ID')).toBe(':1\r\n');
});

test('messages go to channels and patterns, also twice to one connection', () => {
  send('SUBSCRIBE', 'news');
  send('PSUBSCRIBE', 'n*', '*x');
  expect(node.pubsub.publish('news', 'hello')).toBe(2);
  expect(node.pubsub.publish('other', 'hello')).toBe(0);
  expect(parseReplies(session.pushed)).toEqual([
    ['message', 'news', 'hello'],
    ['pmessage', 'n*', 'news', 'hello'],
  ]);
});

test('PUBSUB counts', () => {
  const other = node.connect();
  node.send(other, 'SUBSCRIBE', 'a', 'b');
  node.send(other, 'PSUBSCRIBE', 'p*');
  expect(parseReply(send('PUBSUB', 'CHANNELS'))).toEqual(['a', 'b']);
  expect(parseReply(send('PUBSUB', 'CHANNELS', '[b-z]'))).toEqual(['b']);
  expect(parseReply(send('PUBSUB', 'NUMSUB', 'a', 'z'))).toEqual(['a', 1, 'z', 0]);
  expect(send('PUBSUB', 'NUMSUB')).toBe('*0\r\n');
  expect(send('PUBSUB', 'NUMPAT')).toBe(':1\r\n');
  expect(send('PUBSUB', 'CHANNELS', 'a', 'b')).toBe(
    "-ERR unknown subcommand or wrong number of arguments for 'CHANNELS'. Try PUBSUB HELP.\r\n",
  );
  node.pubsub.forget(other);
  expect([other.channels.size, other.patterns.size]).toEqual([0, 0]);
  expect(parseReply(send('PUBSUB', 'CHANNELS'))).toEqual([]);
  expect(send('PUBSUB', 'NUMPAT')).toBe(':0\r\n');
});
