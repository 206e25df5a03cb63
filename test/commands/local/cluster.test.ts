import { beforeEach, describe, expect, test } from 'vitest';

import { FakeNode, NODE_IDS, type FakeSession } from './fake-node.ts';
import { fieldsOf, parseReply } from './parse-reply.ts';

let node: FakeNode;
let session: FakeSession;

beforeEach(() => {
  node = new FakeNode();
  session = node.connect('redirect');
});

const cluster = (...words: string[]): string => node.send(session, 'CLUSTER', ...words);

test('the client port is no cluster, and names the redirect port', () => {
  session = node.connect('client');
  const refusal =
    '-ERR This instance has cluster support disabled; Redis Cluster clients connect to 127.0.0.1:7379\r\n';
  for (const words of [['SLOTS'], ['NODES'], ['INFO'], ['HELP'], ['KEYSLOT', 'a'], ['MYID']]) {
    expect(cluster(...words)).toBe(refusal);
  }
  for (const name of ['READONLY', 'READWRITE', 'ASKING']) expect(node.send(session, name)).toBe(refusal);
});

test('SLOTS has leaders only, by rising slot', () => {
  const id = (index: number): string => `$40\r\n${NODE_IDS[index]}\r\n`;
  expect(cluster('SLOTS')).toBe(
    `*3\r\n*3\r\n:0\r\n:5460\r\n*4\r\n$9\r\n127.0.0.1\r\n:7379\r\n${id(0)}*0\r\n` +
      `*3\r\n:5461\r\n:10922\r\n*4\r\n$9\r\n127.0.0.1\r\n:7380\r\n${id(1)}*0\r\n` +
      `*3\r\n:10923\r\n:16383\r\n*4\r\n$9\r\n127.0.0.1\r\n:7381\r\n${id(2)}*0\r\n`,
  );
  session.protocol = 3;
  expect(cluster('SLOTS')).toContain(`${id(2)}%0\r\n`);
});

test('a node that leads two shards has their slots joined', () => {
  Object.assign(node.shards[1], { leader: NODE_IDS[0], lastLeader: NODE_IDS[0] });
  node.nodes[1].failed = true;
  node.nodes[1].ready = false;
  node.nodes[1].connected = false;
  expect(parseReply(cluster('SLOTS'))).toHaveLength(2);
  const lines = (parseReply(cluster('NODES')) as string).split('\n');
  expect(lines).toEqual([
    `${NODE_IDS[0]} 127.0.0.1:7379@16379 myself,master - 0 0 5 connected 0-10922`,
    `${NODE_IDS[1]} 127.0.0.1:7380@16380 master,fail - 0 1700000000083 0 disconnected`,
    `${NODE_IDS[2]} 127.0.0.1:7381@16381 master - 0 1700000000083 4 connected 10923-16383`,
    '',
  ]);
});

test('a dead leader has no slots until another one leads them', () => {
  node.nodes[2].failed = true;
  expect(parseReply(cluster('SLOTS'))).toHaveLength(2);
  expect(parseReply(cluster('INFO'))).toMatch(
    /^cluster_state:fail\r\ncluster_slots_assigned:16384\r\ncluster_slots_ok:10923\r\n/,
  );
  const shard = fieldsOf((parseReply(cluster('SHARDS')) as unknown[])[2]);
  expect(shard['slots']).toEqual([]);
  expect(fieldsOf((shard['nodes'] as unknown[])[0])).toMatchObject({ id: NODE_IDS[2], health: 'fail' });
});

test('while a shard elects its slots are still those of its last leader, though the state is not ok', () => {
  node.shards[1].leader = null;
  expect(parseReply(cluster('SLOTS'))).toHaveLength(3);
  expect(parseReply(cluster('NODES'))).toMatch(/ 0 connected 5461-10922\n/);
  expect(parseReply(cluster('INFO'))).toMatch(
    /^cluster_state:fail\r\ncluster_slots_assigned:16384\r\ncluster_slots_ok:10922\r\n/,
  );
});

test('single slots and gaps', () => {
  node.shards = [
    {
      id: 1,
      leader: NODE_IDS[0],
      lastLeader: NODE_IDS[0],
      term: 1,
      slots: [
        { from: 7, to: 7 },
        { from: 0, to: 2 },
      ],
    },
    { id: 2, leader: NODE_IDS[0], lastLeader: NODE_IDS[0], term: 1, slots: [{ from: 3, to: 5 }] },
    { id: 3, leader: null, lastLeader: null, term: 0, slots: [{ from: 6, to: 6 }] },
  ];
  expect(parseReply(cluster('NODES'))).toMatch(/ 2 connected 0-5 7\n/);
  expect(parseReply(cluster('INFO'))).toContain(
    'cluster_slots_ok:7\r\ncluster_slots_pfail:0\r\ncluster_slots_fail:1\r\n',
  );
});

test('INFO', () => {
  const text = parseReply(cluster('INFO')) as string;
  expect(text.split('\r\n')).toEqual([
    'cluster_state:ok',
    'cluster_slots_assigned:16384',
    'cluster_slots_ok:16384',
    'cluster_slots_pfail:0',
    'cluster_slots_fail:0',
    'cluster_known_nodes:3',
    'cluster_size:3',
    'cluster_current_epoch:4',
    'cluster_my_epoch:3',
    'cluster_stats_messages_sent:0',
    'cluster_stats_messages_received:0',
    'total_cluster_links_buffer_limit_exceeded:0',
    '',
  ]);
});

test('SHARDS', () => {
  session.protocol = 3;
  const first = cluster('SHARDS').split('%2')[1];
  expect(first).toBe(
    `\r\n$5\r\nslots\r\n*2\r\n:0\r\n:5460\r\n$5\r\nnodes\r\n*1\r\n%7\r\n$2\r\nid\r\n$40\r\n${NODE_IDS[0]}\r\n$4\r\nport\r\n:7379\r\n` +
      '$2\r\nip\r\n$9\r\n127.0.0.1\r\n$8\r\nendpoint\r\n$9\r\n127.0.0.1\r\n$4\r\nrole\r\n$6\r\nmaster\r\n$18\r\nreplication-offset\r\n:42\r\n$6\r\nhealth\r\n$6\r\nonline\r\n',
  );
});

describe('keys', () => {
  test('KEYSLOT asks the ring', () => {
    expect(cluster('KEYSLOT', 'abc')).toBe(':3\r\n');
  });

  test('of a slot that this node leads', () => {
    expect(cluster('COUNTKEYSINSLOT', '5')).toBe(':2\r\n');
    expect(parseReply(cluster('GETKEYSINSLOT', '5', '10'))).toEqual(['one', 'two']);
    expect(parseReply(cluster('GETKEYSINSLOT', '5', '1'))).toEqual(['one']);
  });

  test('of a slot that it does not lead, or may not read just now', () => {
    expect(cluster('COUNTKEYSINSLOT', '16383')).toBe(':0\r\n');
    expect(cluster('GETKEYSINSLOT', '16383', '1')).toBe('*0\r\n');
    expect(cluster('COUNTKEYSINSLOT', '6')).toMatch(/^-CLUSTERDOWN /);
    expect(cluster('GETKEYSINSLOT', '6', '1')).toMatch(/^-CLUSTERDOWN /);
  });

  test.each([
    [['COUNTKEYSINSLOT', 'a'], 'ERR value is not an integer or out of range'],
    [['COUNTKEYSINSLOT', '16384'], 'ERR Invalid slot'],
    [['GETKEYSINSLOT', '1', 'a'], 'ERR value is not an integer or out of range'],
    [['GETKEYSINSLOT', '1', '-1'], 'ERR Invalid slot or number of keys'],
    [['COUNT-FAILURE-REPORTS', 'x'], 'ERR Unknown node x'],
    [['REPLICAS', 'x'], 'ERR Unknown node x'],
    [['foo'], "ERR unknown subcommand 'foo'. Try CLUSTER HELP."],
    [['MEET', 'h', '1'], 'ERR CLUSTER MEET is not offered: Torc places slots and leaders by itself'],
    [['KEYSLOT'], "ERR wrong number of arguments for 'cluster|keyslot' command"],
  ])('CLUSTER %j', (words, answer) => {
    expect(cluster(...words)).toBe(`-${answer}\r\n`);
  });
});

test('ids, links, replicas', () => {
  expect(cluster('MYID')).toBe(`$40\r\n${NODE_IDS[0]}\r\n`);
  expect(cluster('MYSHARDID')).toBe(`$40\r\n${NODE_IDS[0]}\r\n`);
  expect(cluster('COUNT-FAILURE-REPORTS', NODE_IDS[1])).toBe(':0\r\n');
  expect(cluster('REPLICAS', NODE_IDS[1])).toBe('*0\r\n');
  expect(cluster('SLAVES', NODE_IDS[1])).toBe('*0\r\n');
  const links = (parseReply(cluster('LINKS')) as unknown[]).map((link) => fieldsOf(link));
  expect(links.map((link) => link['node'])).toEqual([NODE_IDS[1], NODE_IDS[2]]);
  expect(links[1]).toEqual({
    direction: 'to',
    node: NODE_IDS[2],
    'create-time': 1_699_999_999_123,
    events: 'rw',
    'send-buffer-allocated': 200,
    'send-buffer-used': 200,
  });
});

test('READONLY, READWRITE, ASKING', () => {
  expect(node.send(session, 'READONLY')).toBe('+OK\r\n');
  expect(session.readonlyMode).toBe(true);
  expect(node.send(session, 'READWRITE')).toBe('+OK\r\n');
  expect(session.readonlyMode).toBe(false);
  expect(node.send(session, 'ASKING')).toBe('+OK\r\n');
  expect(session.asking).toBe(true);
});
