/** What the clients of a simulated cluster ask for. */
import type { SeededRandom } from '../../../src/env/sim/random.ts';
import type { LogRetention } from '../../../src/shard/log-retention.ts';
import type { Reply } from '../../linearizability/history.ts';
import { cacheModel, registerModel, type Model, type State } from '../../linearizability/model.ts';

const MIB = 1024 * 1024;

/** One command, as the checker knows it and as it is sent. */
export interface Planned {
  command: string;
  key: string;
  args: string[];
  words: readonly string[];
  /** What the checker is told that was replied. */
  read: (reply: string) => Reply;
}

export interface Workload {
  readonly name: string;
  readonly flags: (random: SeededRandom) => Record<string, string>;
  readonly logRetention?: LogRetention;
  readonly model: Model;
  /** Sent before all else; each is answered OK. */
  readonly prepare: readonly (readonly string[])[];
  /** `epoch` rises a few times a second: keys are left behind, so that each has a short history, which is checked fast. */
  plan(random: SeededRandom, epoch: number, unique: number): Planned;
  /** Asked now and then beside the history; null, or what is wrong with the reply. */
  readonly aside: (random: SeededRandom) => Aside | null;
  /** With these flags what is above the budget goes by itself, whatever it is. */
  readonly evictsAll: (flags: Record<string, string>) => boolean;
}

export interface Aside {
  words: readonly string[];
  wrong: (reply: string) => string | null;
}

export function plain(reply: string): Reply {
  if (reply === '$-1\r\n') return null;
  if (reply.startsWith('+')) return reply.slice(1, -2);
  if (reply.startsWith(':')) return Number(reply.slice(1, -2));
  if (reply.startsWith('-')) return { error: reply.slice(1, -2) };
  return reply.slice(reply.indexOf('\n') + 1, -2);
}

function simple(command: string, key: string, args: string[] = []): Planned {
  return { command, key, args, words: [command, key, ...args], read: plain };
}

function keyOf(random: SeededRandom, epoch: number): string {
  return `e${epoch}-${random.below(5)}`;
}

function smallPlan(random: SeededRandom, epoch: number, unique: number): Planned {
  const key = keyOf(random, epoch);
  switch (random.below(8)) {
    case 0:
    case 1:
    case 2:
      return simple('SET', `s${key}`, [`v${unique}`]);
    case 3:
      return simple('INCR', `n${key}`);
    case 4:
      return simple('GET', `n${key}`);
    default:
      return simple('GET', `s${key}`);
  }
}

export const REGISTERS: Workload = {
  name: 'registers',
  flags: () => ({}),
  model: registerModel,
  prepare: [],
  plan: smallPlan,
  aside: () => null,
  evictsAll: () => false,
};

// --- values of which the checker is told the beginning alone

/** A value that says which it is and how long it must be. */
export function padded(label: string, sizeBytes: number): string {
  return `${label}:${sizeBytes}|`.padEnd(sizeBytes, '.');
}

/** The label of a value that is whole; else all of it, which fits nothing. */
function labelOf(value: string): string {
  if (!value.includes('|')) return value;
  const [label, size] = value.slice(0, value.indexOf('|')).split(':');
  return padded(label, Number(size)) === value ? label : `damaged: ${value.slice(0, 100)}`;
}

function setPadded(key: string, label: string, sizeBytes: number, ...options: string[]): Planned {
  return {
    ...simple('SET', key, [label]),
    words: ['SET', key, padded(label, sizeBytes), ...options],
  };
}

export function readPadded(reply: string): Reply {
  const value = plain(reply);
  return typeof value === 'string' ? labelOf(value) : value;
}

function getPadded(key: string): Planned {
  return { ...simple('GET', key), read: readPadded };
}

// --- hashes of two halves, each written as one: together they are read in pieces

const HALF_FIELDS = 5;
/** Half a hash is one entry of the log, all of it is staged, and read bit by bit. */
const FIELD_BYTES = 64 * 1024;
const HALVES = ['a', 'b'];

function setHalves(key: string, label: string, halves: readonly string[]): Planned {
  const fields = halves.flatMap((half) =>
    Array.from({ length: HALF_FIELDS }, (_, i) => [`${half}${i}`, padded(label, FIELD_BYTES)]),
  );
  return {
    command: 'HALVES',
    key,
    args: [label, ...halves],
    words: ['HSET', key, ...fields.flat()],
    read: plain,
  };
}

function getHalves(key: string): Planned {
  return { command: 'HGETALL', key, args: [], words: ['HGETALL', key], read: halvesOf };
}

/** `label of the one/label of the other`; null: there is no such hash. */
function halvesOf(reply: string): Reply {
  if (!reply.startsWith('*')) return plain(reply);
  const words = bulksOf(reply);
  if (words.length === 0) return null;
  const labels = HALVES.map((half) => {
    const values = words.filter((_, i) => i % 2 === 1 && words[i - 1].startsWith(half));
    const label = values.length === 0 ? '' : labelOf(values[0]);
    const isWhole = values.length === 0 || values.length === HALF_FIELDS;
    return isWhole && values.every((value) => value === values[0]) ? label : `torn ${half}`;
  });
  return labels.join('/');
}

/** Of an array of bulk strings. */
export function bulksOf(reply: string): string[] {
  const words: string[] = [];
  for (let at = reply.indexOf('\n') + 1; at < reply.length;) {
    const start = reply.indexOf('\n', at) + 1;
    const end = start + Number(reply.slice(at + 1, start - 2));
    words.push(reply.slice(start, end));
    at = end + 2;
  }
  return words;
}

function withHalves(model: Model): Model {
  return {
    ...model,
    reads: model.forgets !== undefined ? model.reads : new Set([...model.reads, 'HGETALL']),
    apply: (state, command, args) => {
      if (command === 'HGETALL') return { state, reply: state };
      return command === 'HALVES' ? applyHalves(state, args) : model.apply(state, command, args);
    },
  };
}

function applyHalves(state: State, [label, ...halves]: readonly string[]): { state: State; reply: Reply } {
  const before = (state ?? '/').split('/');
  const after = HALVES.map((half, i) => (halves.includes(half) ? label : before[i]));
  const made = halves.filter((half) => before[HALVES.indexOf(half)] === '').length;
  return { state: after.join('/'), reply: made * HALF_FIELDS };
}

// --- large values, long reads, snapshots

const LARGE_BYTES = 600 * 1024;
/** More keys than one step of KEYS looks at. */
const STABLE_KEYS = 6000;
const STABLE = Array.from({ length: STABLE_KEYS }, (_, i) => `{stable}${i}`);

const KEYS_ASIDE: Aside = {
  words: ['KEYS', '{stable}*'],
  wrong: (reply) => {
    if (!reply.startsWith('*')) return null;
    const found = bulksOf(reply).toSorted();
    const isRight = found.length === STABLE_KEYS && new Set(found).size === STABLE_KEYS;
    return isRight ? null : `KEYS told of ${found.length} keys, where ${STABLE_KEYS} have been all the time`;
  },
};

/** Few, written again and again: all that lies in a state is written into each snapshot of it and hashed with it. */
const LARGE_KEYS = 3;

/** Each epoch has one large key of either kind, and the one before is deleted now and then. */
function largePlan(random: SeededRandom, epoch: number, unique: number): Planned {
  const turn = Math.floor(epoch / 3);
  const [large, before] = [turn % LARGE_KEYS, (turn + LARGE_KEYS - 1) % LARGE_KEYS];
  switch (random.below(250)) {
    case 0:
      return setPadded(`l${large}`, `v${unique}`, LARGE_BYTES + random.below(LARGE_BYTES));
    case 1:
    case 2:
      return getPadded(`l${large}`);
    case 3:
      return simple('APPEND', `t${large}`, [`v${unique}`]);
    case 4:
      return setHalves(`h${large}`, `v${unique}`, HALVES);
    case 5:
    case 6:
      return setHalves(`h${large}`, `v${unique}`, [HALVES[random.below(2)]]);
    case 7:
    case 8:
    case 9:
      return getHalves(`h${large}`);
    case 10:
      return simple('DEL', random.below(2) === 0 ? `h${before}` : `l${before}`);
    case 11:
      return setPadded(`l${large}`, `v${unique}`, LARGE_BYTES);
    case 12:
    case 13:
    case 14:
    case 15:
      // A reply that is too large to be kept for a retry.
      return { ...simple('GETDEL', `l${large}`), read: readPadded };
    default:
      return smallPlan(random, epoch, unique);
  }
}

/** So little of the log is kept in memory that whoever was away needs a snapshot. */
const LITTLE_LOG: LogRetention = { keptBytes: MIB, keptForPeersBytes: 2 * MIB };

export const LARGE: Workload = {
  name: 'large values',
  flags: () => ({ 'snapshot-after-bytes': '1mb', 'wal-segment-bytes': '4mb' }),
  logRetention: LITTLE_LOG,
  model: withHalves(registerModel),
  prepare: [['MSET', ...STABLE.flatMap((key) => [key, 'x'])]],
  plan: largePlan,
  aside: (random) => (random.below(150) === 0 ? KEYS_ASIDE : null),
  evictsAll: () => false,
};

// --- a cache: keys expire, are evicted and flushed

const POLICIES = ['allkeys-lru', 'allkeys-lfu', 'allkeys-random', 'volatile-ttl', 'volatile-lru'];
const FLUSH: Aside = { words: ['FLUSHALL'], wrong: () => null };

function cachePlan(random: SeededRandom, epoch: number, unique: number): Planned {
  const key = keyOf(random, epoch);
  const label = `v${unique}`;
  switch (random.below(12)) {
    case 0:
      return setPadded(`s${key}`, label, 64 + random.below(16 * 1024));
    case 1:
      return setPadded(`s${key}`, label, 64 + random.below(64 * 1024), 'PX', String(20 + random.below(2000)));
    case 2:
    case 3:
      return setPadded(`s${key}`, label, 64, 'PX', String(20 + random.below(300)));
    case 4:
      return simple('DEL', `s${key}`);
    case 5:
      return random.below(12) === 0 ? cacheHash(random, epoch, label) : getPadded(`s${key}`);
    default:
      return getPadded(`s${key}`);
  }
}

function cacheHash(random: SeededRandom, epoch: number, label: string): Planned {
  const key = `h${Math.floor(epoch / 3)}`;
  switch (random.below(8)) {
    case 0:
    case 1:
      return setHalves(key, label, HALVES);
    case 2:
      return setPadded(`s${keyOf(random, epoch)}`, label, LARGE_BYTES);
    case 3:
      return simple('DEL', key);
    default:
      return getHalves(key);
  }
}

/** All of a hash is written, or nothing: a half alone would depend on whether the other was still there. */
export const CACHE: Workload = {
  name: 'a cache',
  flags: (random) => ({
    'snapshot-after-bytes': '1mb',
    'wal-segment-bytes': '4mb',
    maxmemory: '9mb',
    'maxmemory-policy': POLICIES[random.below(POLICIES.length)],
  }),
  logRetention: LITTLE_LOG,
  model: withHalves(cacheModel),
  prepare: [],
  plan: cachePlan,
  aside: (random) => (random.below(3000) === 0 ? FLUSH : null),
  evictsAll: (flags) => flags['maxmemory-policy'].startsWith('allkeys-'),
};
