import { beforeEach, describe, expect, test } from 'vitest';

import { announceNotReady } from '../../../src/commands/sentinel.ts';
import { FakeNode, NODE_IDS, type FakeSession } from './fake-node.ts';
import { fieldsOf, parseReplies, parseReply } from './parse-reply.ts';

let node: FakeNode;
let session: FakeSession;

beforeEach(() => {
  node = new FakeNode();
  session = node.connect();
});

const sentinel = (...words: string[]): string => node.send(session, 'SENTINEL', ...words);
const masterPort = (): unknown =>
  (parseReply(sentinel('GET-MASTER-ADDR-BY-NAME', 'any')) as unknown[] | null)?.[1];

describe('the master of any name', () => {
  test('is this node while it is ready', () => {
    expect(sentinel('GET-MASTER-ADDR-BY-NAME', 'any')).toBe('*2\r\n$9\r\n127.0.0.1\r\n$4\r\n6379\r\n');
  });

  test('is another ready one when it is not, and never itself', () => {
    node.nodes[0].ready = false;
    expect(masterPort()).toBe('6380');
    node.nodes[1].ready = false;
    expect(masterPort()).toBe('6381');
    node.nodes[2].ready = false;
    expect(sentinel('GET-MASTER-ADDR-BY-NAME', 'any')).toBe('*-1\r\n');
    expect(sentinel('MASTER', 'any')).toMatch(/^-CLUSTERDOWN /);
    expect(sentinel('MASTERS')).toMatch(/^-CLUSTERDOWN /);
  });
});

test('MASTER has the fields of Redis, all of them texts', () => {
  expect(parseReply(sentinel('MASTER', 'mymaster'))).toEqual(
    [
      ['name', 'mymaster'],
      ['ip', '127.0.0.1'],
      ['port', '6379'],
      ['runid', 'f'.repeat(40)],
      ['flags', 'master'],
      ['link-pending-commands', '0'],
      ['link-refcount', '1'],
      ['last-ping-sent', '0'],
      ['last-ok-ping-reply', '0'],
      ['last-ping-reply', '0'],
      ['down-after-milliseconds', '30000'],
      ['info-refresh', '0'],
      ['role-reported', 'master'],
      ['role-reported-time', '0'],
      ['config-epoch', '1'],
      ['num-slaves', '0'],
      ['num-other-sentinels', '2'],
      ['quorum', '2'],
      ['failover-timeout', '180000'],
      ['parallel-syncs', '1'],
    ].flat(),
  );
  session.protocol = 3;
  expect(sentinel('MASTER', 'mymaster')).toMatch(/^%20\r\n\$4\r\nname\r\n\$8\r\nmymaster\r\n/);
});

test('MASTERS tells the names asked for so far', () => {
  const names = (): unknown[] =>
    (parseReply(sentinel('MASTERS')) as unknown[]).map((row) => fieldsOf(row)['name']);
  expect(names()).toEqual(['torc']);
  sentinel('GET-MASTER-ADDR-BY-NAME', 'one');
  sentinel('REPLICAS', 'two');
  expect(names()).toEqual(['one', 'two']);
  for (let i = 0; i < 100; i++) sentinel('MASTER', `name${i}`);
  expect(names()).toHaveLength(64);
});

test('SENTINELS lists the other ready nodes', () => {
  const others = (): unknown[] => parseReply(sentinel('SENTINELS', 'any')) as unknown[];
  expect(others().map((row) => fieldsOf(row)['port'])).toEqual(['6380', '6381']);
  expect(fieldsOf(others()[0])).toEqual({
    name: NODE_IDS[1],
    ip: '127.0.0.1',
    port: '6380',
    runid: NODE_IDS[1],
    flags: 'sentinel',
    'link-pending-commands': '0',
    'link-refcount': '1',
    'last-ping-sent': '0',
    'last-ok-ping-reply': '40',
    'last-ping-reply': '40',
    'down-after-milliseconds': '30000',
    'last-hello-message': '40',
    'voted-leader': '?',
    'voted-leader-epoch': '0',
  });
  node.nodes[1].ready = false;
  node.nodes[2].connected = false;
  expect(others().map((row) => fieldsOf(row)['flags'])).toEqual(['sentinel,disconnected']);
});

test('there are no replicas', () => {
  expect(sentinel('REPLICAS', 'any')).toBe('*0\r\n');
  expect(sentinel('SLAVES', 'any')).toBe('*0\r\n');
});

test('CKQUORUM, MYID, and what is not there', () => {
  expect(sentinel('CKQUORUM', 'any')).toBe(
    '+OK 3 usable Sentinels. Quorum and failover authorization can be reached\r\n',
  );
  node.nodes[1].ready = false;
  node.nodes[2].ready = false;
  expect(sentinel('CKQUORUM', 'any')).toMatch(/^-NOQUORUM 1 usable Sentinels\./);
  expect(sentinel('MYID')).toBe(`$40\r\n${NODE_IDS[0]}\r\n`);
  expect(sentinel('FAILOVER', 'x')).toBe("-ERR unknown subcommand 'FAILOVER'. Try SENTINEL HELP.\r\n");
  expect(sentinel('MASTER')).toBe("-ERR wrong number of arguments for 'sentinel|master' command\r\n");
});

describe('a node that is not ready any more is announced', () => {
  test('under each name, with the address to go to', () => {
    sentinel('MASTER', 'one');
    sentinel('MASTER', 'two');
    node.send(session, 'SUBSCRIBE', '+switch-master');
    const other = node.connect();
    node.send(other, 'PSUBSCRIBE', '[-+]sdown');
    node.nodes[1].ready = false;
    announceNotReady(node.pubsub, node, node.nodes[1]);
    expect(parseReplies(session.pushed)).toEqual([
      ['message', '+switch-master', 'one 127.0.0.1 6380 127.0.0.1 6379'],
      ['message', '+switch-master', 'two 127.0.0.1 6380 127.0.0.1 6379'],
    ]);
    expect(parseReplies(other.pushed)).toEqual([
      ['pmessage', '[-+]sdown', '+sdown', 'master one 127.0.0.1 6380'],
      ['pmessage', '[-+]sdown', '+sdown', 'master two 127.0.0.1 6380'],
    ]);
  });

  test('this node itself, too; without a successor when there is none', () => {
    node.send(session, 'PSUBSCRIBE', '*');
    for (const one of node.nodes) one.ready = false;
    announceNotReady(node.pubsub, node, node.nodes[0]);
    expect(parseReplies(session.pushed)).toEqual([['pmessage', '*', '+sdown', 'master torc 127.0.0.1 6379']]);
  });
});
