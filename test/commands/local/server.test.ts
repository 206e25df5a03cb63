import { beforeEach, describe, expect, test } from 'vitest';

import { FakeNode, type FakeSession } from './fake-node.ts';
import { fieldsOf, parseReply } from './parse-reply.ts';

let node: FakeNode;
let session: FakeSession;

beforeEach(() => {
  node = new FakeNode();
  session = node.connect();
});

const send = (...words: string[]): string => node.send(session, ...words);

function info(...sections: string[]): Record<string, string> {
  const text = parseReply(send('INFO', ...sections)) as string;
  const lines = text.split('\r\n').filter((line) => line.includes(':'));
  return Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]),
  );
}

function titles(...sections: string[]): string[] {
  const text = parseReply(send('INFO', ...sections)) as string;
  return [...text.matchAll(/^# (.*)\r$/gm)].map((match) => match[1]);
}

const USUAL = [
  'Server',
  'Clients',
  'Memory',
  'Persistence',
  'Stats',
  'Replication',
  'CPU',
  'Modules',
  'Errorstats',
  'Cluster',
  'Keyspace',
];

describe('INFO', () => {
  test('has Redis sections, by name, in its order', () => {
    expect(titles()).toEqual(USUAL);
    expect(titles('default')).toEqual(USUAL);
    expect(titles('everything')).toHaveLength(USUAL.length + 2);
    expect(titles('all')).toEqual(titles('everything'));
    expect(titles('keyspace', 'CPU', 'cpu')).toEqual(['CPU', 'Keyspace']);
    expect(titles('default', 'commandstats')).toHaveLength(USUAL.length + 1);
    expect(send('INFO', 'nothing')).toBe('$0\r\n\r\n');
    session.protocol = 3;
    expect(send('INFO', 'cluster')).toBe('=34\r\ntxt:# Cluster\r\ncluster_enabled:0\r\n\r\n');
  });

  test('looks like one standalone master', () => {
    expect(info()).toMatchObject({
      redis_version: '7.2.0',
      torc_version: '0.1.0',
      redis_mode: 'standalone',
      tcp_port: '6379',
      run_id: 'f'.repeat(40),
      uptime_in_seconds: '100',
      connected_clients: '3',
      used_memory_human: '1.43M',
      used_memory_peak_perc: '50.00%',
      mem_fragmentation_ratio: '4.00',
      maxmemory_human: '0B',
      total_system_memory_human: '8.00G',
      loading: '0',
      torc_durability: 'fsync',
      instantaneous_ops_per_sec: '12',
      instantaneous_input_kbps: '1.23',
      role: 'master',
      connected_slaves: '0',
      master_repl_offset: '42',
      used_cpu_user: '1.500000',
      errorstat_ERR: 'count=2',
      cluster_enabled: '0',
      db0: 'keys=10,expires=2,avg_ttl=0',
    });
  });

  test('looks like one node of a cluster on the redirect port', () => {
    session = node.connect('redirect');
    expect(info()).toMatchObject({ redis_mode: 'cluster', cluster_enabled: '1', tcp_port: '7379' });
  });

  test('commands and their latencies', () => {
    expect(info('commandstats', 'latencystats')).toEqual({
      cmdstat_get: 'calls=4,usec=10,usec_per_call=2.50,rejected_calls=1,failed_calls=2',
      cmdstat_set: 'calls=0,usec=0,usec_per_call=0.00,rejected_calls=1,failed_calls=0',
      latency_percentiles_usec_get: 'p50=2.000,p99=3.000,p99.9=3.000',
    });
  });
});

test('TIME, ROLE, LASTSAVE, LOLWUT', () => {
  expect(send('TIME')).toBe('*2\r\n$10\r\n1700000000\r\n$6\r\n123456\r\n');
  expect(send('ROLE')).toBe('*3\r\n$6\r\nmaster\r\n:42\r\n*0\r\n');
  expect(send('LASTSAVE')).toBe(':1699999000\r\n');
  expect(parseReply(send('LOLWUT'))).toContain('Torc ver. 0.1.0');
});

describe('WAIT', () => {
  test('answers later', () => {
    expect(send('WAIT', '1', '100')).toBe('');
    expect(send('WAIT', '2', '0')).toBe('');
    expect(node.waits.map(({ replicas, timeoutMs }) => [replicas, timeoutMs])).toEqual([
      [1, 100],
      [2, 0],
    ]);
    node.waits[0].done(2);
    expect(session.pushed).toBe(':2\r\n');
    node.waits[1].done('unblocked');
    expect(session.pushed).toBe(':2\r\n-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n');
  });

  test.each([
    [['a', '0'], 'ERR value is not an integer or out of range'],
    [['0', 'a'], 'ERR timeout is not an integer or out of range'],
    [['0', '-1'], 'ERR timeout is negative'],
    [['9', '9223372036854775807'], 'ERR timeout is out of range'],
    [['9', '9223372036854775808'], 'ERR timeout is not an integer or out of range'],
  ])('WAIT %j', (words, answer) => {
    expect(send('WAIT', ...words)).toBe(`-${answer}\r\n`);
    expect(node.waits).toEqual([]);
  });
});

test('SLOWLOG', () => {
  node.slowEntries = [2, 1].map((id) => ({
    id,
    unixSeconds: 1_700_000_000,
    durationUs: 12_345,
    args: ['get', 'k\xff'],
    address: '127.0.0.1:50001',
    clientName: 'me',
  }));
  expect(send('SLOWLOG', 'LEN')).toBe(':2\r\n');
  expect(send('SLOWLOG', 'GET', '1')).toBe(
    '*1\r\n*6\r\n:2\r\n:1700000000\r\n:12345\r\n*2\r\n$3\r\nget\r\n$2\r\nk\xff\r\n$15\r\n127.0.0.1:50001\r\n$2\r\nme\r\n',
  );
  expect(parseReply(send('SLOWLOG', 'GET', '-1'))).toHaveLength(2);
  expect(parseReply(send('SLOWLOG', 'GET'))).toHaveLength(2);
  expect(parseReply(send('SLOWLOG', 'GET', '9223372036854775807'))).toHaveLength(2);
  expect(send('SLOWLOG', 'GET', '9223372036854775808')).toMatch(/^-ERR/);
  expect(send('SLOWLOG', 'GET', '-2')).toBe('-ERR count should be greater than or equal to -1\r\n');
  expect(send('SLOWLOG', 'GET', 'x')).toBe('-ERR count should be greater than or equal to -1\r\n');
  expect(send('SLOWLOG', 'GET', '1', '2')).toBe(
    "-ERR unknown subcommand or wrong number of arguments for 'GET'. Try SLOWLOG HELP.\r\n",
  );
  expect(send('SLOWLOG', 'RESET')).toBe('+OK\r\n');
  expect(send('SLOWLOG', 'GET')).toBe('*0\r\n');
});

test('MEMORY', () => {
  expect(fieldsOf(parseReply(send('MEMORY', 'STATS')))).toMatchObject({
    'total.allocated': 1_500_000,
    'keys.count': 10,
    'keys.bytes-per-key': 150_000,
    'peak.percentage': '50',
    fragmentation: '4',
  });
  session.protocol = 3;
  expect(send('MEMORY', 'STATS')).toContain('$13\r\nfragmentation\r\n,4\r\n');
  expect(parseReply(send('MEMORY', 'DOCTOR'))).toBe('Nothing is wrong with memory.');
  expect(parseReply(send('MEMORY', 'MALLOC-STATS'))).toContain('2000000 bytes');
  expect(send('MEMORY', 'PURGE')).toBe('+OK\r\n');
});

test('LATENCY tells of no samples', () => {
  expect(send('LATENCY', 'LATEST')).toBe('*0\r\n');
  expect(send('LATENCY', 'HISTORY', 'fork')).toBe('*0\r\n');
  expect(send('LATENCY', 'RESET', 'fork')).toBe(':0\r\n');
  expect(send('LATENCY', 'GRAPH', 'fork')).toBe("-ERR No samples available for event 'fork'\r\n");
  expect(parseReply(send('LATENCY', 'DOCTOR'))).toContain('INFO latencystats');
});

test('ACL knows one user', () => {
  expect(send('ACL', 'WHOAMI')).toBe('$7\r\ndefault\r\n');
  expect(send('ACL', 'USERS')).toBe('*1\r\n$7\r\ndefault\r\n');
  expect(parseReply(send('ACL', 'LIST'))).toEqual(['user default on nopass ~* &* +@all']);
  expect(send('ACL', 'GETUSER', 'nobody')).toBe('$-1\r\n');
  expect(parseReply(send('ACL', 'CAT'))).toHaveLength(21);
  expect(parseReply(send('ACL', 'CAT', 'STRING'))).toEqual(['get', 'set', 'mset']);
  expect(send('ACL', 'CAT', 'foo')).toBe("-ERR Unknown category 'foo'\r\n");
  session.protocol = 3;
  expect(send('ACL', 'GETUSER', 'default')).toBe(
    '%6\r\n$5\r\nflags\r\n~2\r\n$2\r\non\r\n$6\r\nnopass\r\n$9\r\npasswords\r\n*0\r\n$8\r\ncommands\r\n$5\r\n+@all\r\n$4\r\nkeys\r\n$2\r\n~*\r\n$8\r\nchannels\r\n$2\r\n&*\r\n$9\r\nselectors\r\n*0\r\n',
  );
  node.password = 'secret';
  expect(send('ACL', 'LIST')).not.toContain('secret');
  expect(parseReply(send('ACL', 'LIST'))).toEqual(['user default on ~* &* +@all']);
});

test('MODULE LIST is empty, what is refused says why', () => {
  expect(send('MODULE', 'LIST')).toBe('*0\r\n');
  for (const name of ['SAVE', 'SHUTDOWN', 'REPLICAOF', 'DEBUG', 'PUBLISH', 'WATCH']) {
    expect(send(name, 'x', 'y')).toMatch(new RegExp(`^-ERR ${name} is not offered: .{3,}\r\n$`));
  }
});
