/** How commands use their keys, and how their replies are merged over nodes: what COMMAND INFO tells beyond the rows of the table. */
import type { CommandRow } from './types.ts';

/** One range of keys of a command. */
export interface KeyRange {
  /** `RO`, `RW`, `OW` or `RM`, and what is done: `access`, `update`, `insert`, `delete`. */
  flags: readonly string[];
  notes: string;
  /** The argument of its first key. */
  first: number;
  /** Of the last key, from the first one; negative: from the end of the command. */
  last: number;
  step: number;
}

const READ = 'RO access';
const LOOK = 'RO';
const CHANGE = 'RW access update';
const UPDATE = 'RW update';
const OVERWRITE = 'OW update';

/** Two entries: the two arguments are keys of different use. */
const ACCESS: Readonly<Record<string, string | readonly [string, string]>> = {
  append: 'RW insert',
  copy: [READ, OVERWRITE],
  decr: CHANGE,
  decrby: CHANGE,
  del: 'RM delete',
  exists: LOOK,
  get: READ,
  getdel: 'RW access delete',
  getex: CHANGE,
  getrange: READ,
  getset: CHANGE,
  hdel: 'RW delete',
  hexists: LOOK,
  hincrby: CHANGE,
  hincrbyfloat: CHANGE,
  hlen: LOOK,
  hsetnx: 'RW insert',
  hstrlen: LOOK,
  incr: CHANGE,
  incrby: CHANGE,
  incrbyfloat: CHANGE,
  'memory|usage': LOOK,
  mset: OVERWRITE,
  msetnx: 'OW insert',
  'object|encoding': LOOK,
  'object|freq': LOOK,
  'object|idletime': LOOK,
  'object|refcount': LOOK,
  psetex: OVERWRITE,
  rename: ['RW access delete', OVERWRITE],
  renamenx: ['RW access delete', 'OW insert'],
  set: 'RW access update variable_flags',
  setex: OVERWRITE,
  setnx: 'OW insert',
  strlen: LOOK,
  touch: LOOK,
  type: LOOK,
  unlink: 'RM delete',
};

const NOTES: Readonly<Record<string, string>> = {
  getex: 'RW and UPDATE because it changes the TTL',
  set: 'RW and ACCESS due to the optional `GET` argument',
};

/** The ranges of keys of a command, none when it has no keys. What the table above leaves out reads, or updates in place. */
export function keyRangesOf(row: CommandRow): KeyRange[] {
  if (row.firstKey === 0) return [];
  const usual = row.flags.includes('write') ? UPDATE : READ;
  const access = ACCESS[row.name] ?? usual;
  const notes = NOTES[row.name] ?? '';
  if (typeof access !== 'string') {
    return access.map((flags, index) => ({
      flags: flags.split(' '),
      notes: '',
      first: row.firstKey + index,
      last: 0,
      step: 1,
    }));
  }
  const last = row.lastKey < 0 ? row.lastKey : row.lastKey - row.firstKey;
  return [{ flags: access.split(' '), notes, first: row.firstKey, last, step: row.keyStep }];
}

const UNSTABLE = 'nondeterministic_output';
const UNORDERED = 'nondeterministic_output_order';
const ALL_SHARDS = 'request_policy:all_shards';
const ALL_NODES = 'request_policy:all_nodes';
const SPLIT = 'request_policy:multi_shard';
const SUM = 'response_policy:agg_sum';
const LEAST = 'response_policy:agg_min';
const ALL_SUCCEEDED = 'response_policy:all_succeeded';
const SPECIAL = 'response_policy:special';

const TIPS: Readonly<Record<string, readonly string[]>> = {
  'client|info': [UNSTABLE],
  'client|list': [UNSTABLE],
  'cluster|count-failure-reports': [UNSTABLE],
  'cluster|getkeysinslot': [UNSTABLE],
  'cluster|info': [UNSTABLE],
  'cluster|links': [UNSTABLE],
  'cluster|nodes': [UNSTABLE],
  'cluster|replicas': [UNSTABLE],
  'cluster|shards': [UNSTABLE],
  'cluster|slaves': [UNSTABLE],
  'cluster|slots': [UNSTABLE],
  command: [UNORDERED],
  'command|docs': [UNORDERED],
  'command|info': [UNORDERED],
  'command|list': [UNORDERED],
  'config|set': [ALL_NODES, ALL_SUCCEEDED],
  dbsize: [ALL_SHARDS, SUM],
  del: [SPLIT, SUM],
  exists: [SPLIT, SUM],
  flushall: [ALL_SHARDS, ALL_SUCCEEDED],
  flushdb: [ALL_SHARDS, ALL_SUCCEEDED],
  hgetall: [UNORDERED],
  hkeys: [UNORDERED],
  hrandfield: [UNSTABLE],
  hscan: [UNSTABLE],
  hvals: [UNORDERED],
  info: [UNSTABLE, ALL_SHARDS, SPECIAL],
  keys: [ALL_SHARDS, UNORDERED],
  lastsave: [UNSTABLE],
  'latency|doctor': [UNSTABLE, ALL_NODES, SPECIAL],
  'latency|graph': [UNSTABLE, ALL_NODES, SPECIAL],
  'latency|history': [UNSTABLE, ALL_NODES, SPECIAL],
  'latency|latest': [UNSTABLE, ALL_NODES, SPECIAL],
  'latency|reset': [ALL_NODES, ALL_SUCCEEDED],
  'memory|doctor': [UNSTABLE, ALL_SHARDS, SPECIAL],
  'memory|malloc-stats': [UNSTABLE, ALL_SHARDS, SPECIAL],
  'memory|purge': [ALL_SHARDS, ALL_SUCCEEDED],
  'memory|stats': [UNSTABLE, ALL_SHARDS, SPECIAL],
  mget: [SPLIT],
  'module|list': [UNORDERED],
  mset: [SPLIT, ALL_SUCCEEDED],
  msetnx: [SPLIT, LEAST],
  'object|encoding': [UNSTABLE],
  'object|freq': [UNSTABLE],
  'object|idletime': [UNSTABLE],
  'object|refcount': [UNSTABLE],
  ping: [ALL_SHARDS, ALL_SUCCEEDED],
  pttl: [UNSTABLE],
  randomkey: [ALL_SHARDS, UNSTABLE],
  scan: [UNSTABLE, 'request_policy:special'],
  'slowlog|get': [ALL_NODES, UNSTABLE],
  'slowlog|len': [ALL_NODES, SUM, UNSTABLE],
  'slowlog|reset': [ALL_NODES, ALL_SUCCEEDED],
  time: [UNSTABLE],
  touch: [SPLIT, SUM],
  ttl: [UNSTABLE],
  unlink: [SPLIT, SUM],
  wait: [ALL_SHARDS, LEAST],
};

export function tipsOf(row: CommandRow): readonly string[] {
  return TIPS[row.name] ?? [];
}
