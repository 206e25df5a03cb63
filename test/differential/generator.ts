/**
 * Random sequences of commands, chosen to collide and to hurt: few keys of all types, values at the edges of numbers and encodings,
 * options in every mixture, wrong arities, wrong types. One seed, one sequence.
 */

export type Command = readonly (string | number)[];

/** All in one slot, so that commands over several keys are legal in a cluster. */
const KEYS = ['{t}a', '{t}b', '{t}c', '{t}d', '{t}e', '{t}f', '{t}'];
/** In many slots, and so on all shards; some share one. */
export const SPREAD_KEYS = [
  'a',
  'b',
  'c',
  'd',
  'e',
  'key:{x',
  '{}h',
  'nul\0key',
  'high\xff\x80',
  '',
  '{t}a',
  '{t}b',
  '{u}a',
];
const FIELDS = ['f1', 'f2', 'f3', '', '7', '-12', 'field\0\r\n', 'f'.repeat(64), 'f'.repeat(65)];
const INTEGERS = [
  '0',
  '1',
  '-1',
  '2',
  '10',
  '255',
  '9999',
  '10000',
  '2147483648',
  '9007199254740991',
  '9007199254740993',
  '-9007199254740993',
  '9223372036854775806',
  '9223372036854775807',
  '-9223372036854775808',
  '-9223372036854775807',
  '4611686018427387905',
];
const NOT_INTEGERS = [
  '',
  '+1',
  '01',
  '-0',
  ' 1',
  '1 ',
  '1.0',
  'abc',
  '9223372036854775808',
  '-9223372036854775809',
  '1\0',
  '--1',
];
const FLOATS = [
  '0.1',
  '0.2',
  '3.0e3',
  '5.0e3',
  '-1.5',
  '1e-18',
  '5e-18',
  '1e17',
  '123456789.123456789',
  '1e300',
  '1.7e308',
  '1e4932',
  '-1e4932',
  '0x1.8p3',
  '0x10',
  '.5',
  '5.',
  '-0',
  '+2.25',
  '1e-4940',
  '10.5',
  '1e22',
  '0.3333333333333333333333',
  '1e18',
  '-2.5e-17',
];
const NOT_FLOATS = [
  'inf',
  '-inf',
  '+Infinity',
  'nan',
  '1e5000',
  '1e-5000',
  '.',
  'e5',
  '0x',
  '0x1p99999',
  '1e',
  '1_0',
  '1\x000',
];
const TEXTS = [
  'hullo',
  'Hello World',
  '\x00\x80\xff',
  'a'.repeat(44),
  'b'.repeat(45),
  '\r\n',
  'ohmytext',
  'mynewtext',
];
/** Larger than what one read of a socket brings, or one slab holds. */
const LARGE_TEXTS = ['L'.repeat(5000), 'M'.repeat(70_000)];
const PATTERNS = [
  '*',
  '{t}*',
  '*[a-c]',
  '*[^a-c]',
  '?t}a',
  '{t}?',
  '{t}[c-a]',
  '\\{t}a',
  '{t}[',
  '{t}[a',
  '',
  '**',
  'f?',
  'f*[0-9]',
  '*\\',
];
/** Far from now, so that no key expires while a sequence runs, or long ago. */
const SECONDS = ['100', '1000', '0', '-1', '9223372036854775', '9223372036854776', '-9223372036854776'];
const MILLISECONDS = ['100000', '1000000', '0', '-5', '9223372036854775807', '-9223372036854775808'];
const UNIX_SECONDS = ['4102444800', '4102444900', '1', '0', '-1', '9223372036854775'];
const UNIX_MILLISECONDS = ['4102444800000', '4102444900000', '1', '-1'];
const TYPES = ['string', 'hash', 'HASH', 'list', 'nonsense'];

/** SELECT is no data command, only used here; HRANDFIELD with a large negative count keeps redis-server busy for ever. */
const UNSPOILT = new Set<string | number>(['select', 'hrandfield']);

export class Generator {
  hasConnectionCommands = false;
  private readonly keysToUse: readonly string[];
  private readonly queue: Command[] = [];
  private state: number;

  constructor(seed: number, keys: readonly string[] = KEYS) {
    this.state = seed >>> 0;
    this.keysToUse = keys;
  }

  next(): Command {
    const queued = this.queue.shift();
    if (queued !== undefined) return queued;
    if (this.hasConnectionCommands && this.chance(0.08)) return this.pick(CONNECTION_TEMPLATES)(this);
    const command = [...this.template()];
    if (this.chance(0.08) && !UNSPOILT.has(command[0])) this.spoil(command);
    if (this.chance(0.2)) command[0] = this.otherCase(String(command[0]));
    return command;
  }

  template(): Command {
    return this.pick(this.pick([STRING_TEMPLATES, STRING_TEMPLATES, KEY_TEMPLATES, HASH_TEMPLATES]))(this);
  }

  /** Too few arguments, too many, or a strange one. */
  private spoil(command: (string | number)[]): void {
    const at = 1 + this.below(command.length);
    if (this.chance(0.4)) command.splice(at, 1);
    else if (this.chance(0.6)) command.splice(at, 0, this.value());
    else command[Math.min(at, command.length - 1)] = this.value();
    if (command.length === 0) command.push('ping');
  }

  key = (): string => this.pick(this.keysToUse);
  keys = (): string[] => this.some(this.key, 3);
  field = (): string => this.pick(FIELDS);
  fields = (): string[] => this.some(this.field, 3);
  integer = (): string => this.pick(this.chance(0.85) ? INTEGERS : NOT_INTEGERS);
  float = (): string => this.pick(this.chance(0.7) ? FLOATS : this.chance(0.5) ? INTEGERS : NOT_FLOATS);
  seconds = (): string => this.pick(this.chance(0.9) ? SECONDS : NOT_INTEGERS);
  milliseconds = (): string => this.pick(this.chance(0.9) ? MILLISECONDS : NOT_INTEGERS);
  unixSeconds = (): string => this.pick(this.chance(0.9) ? UNIX_SECONDS : NOT_INTEGERS);
  unixMilliseconds = (): string => this.pick(this.chance(0.9) ? UNIX_MILLISECONDS : NOT_INTEGERS);
  pattern = (): string => this.pick(PATTERNS);
  type = (): string => this.pick(TYPES);

  value = (): string => {
    if (this.chance(0.005)) return this.pick(LARGE_TEXTS);
    if (this.chance(0.4)) return this.pick(TEXTS);
    if (this.chance(0.5)) return this.integer();
    return this.float();
  };

  /** Each option with this chance, in any order, some twice. */
  options(chance: number, ...options: (() => Command)[]): Command {
    const chosen = options.filter(() => this.chance(chance)).map((option) => option());
    if (chosen.length > 0 && this.chance(0.05)) chosen.push(chosen[0]);
    if (this.chance(0.5)) chosen.reverse();
    return chosen.flat().map((word) => (this.chance(0.3) ? this.otherCase(String(word)) : word));
  }

  /** What comes right after this command. */
  followWith(command: Command): void {
    this.queue.push(command);
  }

  /** From 1. */
  upTo(limit: number): number {
    return 1 + this.below(limit);
  }

  some<T>(make: () => T, max: number): T[] {
    return Array.from({ length: 1 + this.below(max) }, make);
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)];
  }

  chance(share: number): boolean {
    return this.uint32() / 2 ** 32 < share;
  }

  private below(limit: number): number {
    return this.uint32() % limit;
  }

  private otherCase(word: string): string {
    return word.replaceAll(/[a-z]/gi, (letter) =>
      this.chance(0.5) ? letter.toUpperCase() : letter.toLowerCase(),
    );
  }

  /** mulberry32. */
  private uint32(): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.state ^ (this.state >>> 15), this.state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  }
}

type Template = (g: Generator) => Command;

function expiries(g: Generator): (() => Command)[] {
  return [
    () => ['ex', g.seconds()],
    () => ['px', g.milliseconds()],
    () => ['exat', g.unixSeconds()],
    () => ['pxat', g.unixMilliseconds()],
  ];
}

const STRING_TEMPLATES: readonly Template[] = [
  (g) => ['get', g.key()],
  (g) => ['set', g.key(), g.value()],
  (g) => [
    'set',
    g.key(),
    g.value(),
    ...g.options(
      0.25,
      () => ['nx'],
      () => ['xx'],
      () => ['get'],
      () => ['keepttl'],
      ...expiries(g).slice(0, 1),
    ),
  ],
  (g) => [
    'set',
    g.key(),
    g.value(),
    ...g.options(
      0.2,
      () => ['get'],
      () => ['keepttl'],
      ...expiries(g),
    ),
  ],
  (g) => ['setnx', g.key(), g.value()],
  (g) => ['setex', g.key(), g.seconds(), g.value()],
  (g) => ['psetex', g.key(), g.milliseconds(), g.value()],
  (g) => ['mget', ...g.keys()],
  (g) => ['mset', ...g.keys().flatMap((key) => [key, g.value()])],
  (g) => ['msetnx', ...g.keys().flatMap((key) => [key, g.value()])],
  (g) => ['getset', g.key(), g.value()],
  (g) => ['getdel', g.key()],
  (g) => ['getex', g.key(), ...g.options(0.25, () => ['persist'], ...expiries(g))],
  (g) => ['append', g.key(), g.value()],
  (g) => ['strlen', g.key()],
  (g) => [
    'getrange',
    g.key(),
    g.pick(['0', '1', '-3', '-1', '5', '100', g.integer()]),
    g.pick(['0', '-1', '3', '-100', g.integer()]),
  ],
  (g) => ['substr', g.key(), g.pick(['0', '-2']), g.pick(['-1', '2'])],
  (g) => [
    'setrange',
    g.key(),
    g.pick(['0', '3', '50', '-1', '9223372036854775807', g.integer()]),
    g.pick([g.value(), '']),
  ],
  (g) => ['incr', g.key()],
  (g) => ['decr', g.key()],
  (g) => ['incrby', g.key(), g.integer()],
  (g) => ['decrby', g.key(), g.integer()],
  (g) => ['incrbyfloat', g.key(), g.float()],
  (g) => ['incrbyfloat', g.key(), g.float()],
  (g) => [
    'lcs',
    g.key(),
    g.key(),
    ...g.options(
      0.3,
      () => ['len'],
      () => ['idx'],
      () => ['withmatchlen'],
      () => ['minmatchlen', g.integer()],
    ),
  ],
];

/** About the connection itself, and about nothing that the two servers cannot have in common. */
const CONNECTION_TEMPLATES: readonly Template[] = [
  (g) => ['ping', ...g.options(0.5, () => [g.value()])],
  (g) => ['ping', g.value(), g.value()],
  (g) => ['echo', ...g.options(0.9, () => [g.value()])],
  (g) => ['hello', ...g.options(0.8, () => [g.pick(['2', '3', '3', '1', '4', 'x'])])],
  (g) => ['hello', g.pick(['2', '3']), g.pick(['setname', 'auth', 'nonsense']), g.pick(['name', 'a b'])],
  (g) => ['client', g.pick(['setname', 'nonsense', 'no-evict', 'kill', 'list']), g.pick(['', 'me', 'a b'])],
  (g) => ['client', g.pick(['getname', 'getredir', 'id', 'info', 'nonsense', 'caching', 'unblock'])],
  (g) => ['auth', ...g.some(g.value, 4)],
  (g) => ['command', g.pick(['getkeys', 'getkeysandflags']), ...g.template()],
  (g) => ['command', 'info', g.pick(['get', 'set', 'nonsense', 'hset', 'client|list'])],
  (g) => ['command', g.pick(['nonsense', 'count', 'docs']), 'nonsense'],
  (g) => ['config', g.pick(['get', 'nonsense', 'set']), g.pick(['nonsense', 'databases', 'requirepass'])],
  (g) => ['config', g.pick(['get', 'set', 'resetstat', 'help'])],
  (g) => ['slowlog', g.pick(['len', 'nonsense', 'get']), ...g.options(0.5, () => [g.integer()])],
  (g) => ['wait', '0', ...g.options(0.8, () => [g.pick(['0', '-1', 'x'])])],
  (g) => ['time', ...g.options(0.3, () => ['x'])],
  (g) => ['role', ...g.options(0.3, () => ['x'])],
  (g) => ['memory', g.pick(['nonsense', 'usage', 'doctor'])],
  (g) => ['cluster', g.pick(['info', 'nonsense', 'slots'])],
  () => ['readonly'],
  () => ['readwrite'],
  () => ['asking'],
  () => ['reset'],
  (g) => ['unsubscribe', ...(g.chance(0.5) ? ['x'] : [])],
  (g) => ['punsubscribe', ...(g.chance(0.5) ? ['x'] : [])],
  (g) => {
    // A failed SELECT differs on purpose: until one succeeds, Torc runs nothing.
    g.followWith(['select', '0']);
    return ['select', g.pick(['16', '-1', 'x', '', '9223372036854775808'])];
  },
];

const EXPIRE_OPTIONS: readonly (() => Command)[] = [() => ['nx'], () => ['xx'], () => ['gt'], () => ['lt']];

const KEY_TEMPLATES: readonly Template[] = [
  (g) => ['del', ...g.keys()],
  (g) => ['unlink', ...g.keys()],
  (g) => ['exists', ...g.keys()],
  (g) => ['touch', ...g.keys()],
  (g) => ['type', g.key()],
  (g) => [
    'expire',
    g.key(),
    g.seconds(),
    ...g.options(
      0.2,
      () => ['nx'],
      () => ['xx'],
    ),
  ],
  (g) => [
    'pexpire',
    g.key(),
    g.milliseconds(),
    ...g.options(
      0.2,
      () => ['nx'],
      () => ['xx'],
    ),
  ],
  // GT and LT compare with what is there: two servers agree on that only for absolute times.
  (g) => ['expireat', g.key(), g.unixSeconds(), ...g.options(0.2, ...EXPIRE_OPTIONS)],
  (g) => ['pexpireat', g.key(), g.unixMilliseconds(), ...g.options(0.2, ...EXPIRE_OPTIONS)],
  (g) => [g.pick(['ttl', 'pttl', 'expiretime', 'pexpiretime', 'persist']), g.key()],
  (g) => ['rename', g.key(), g.key()],
  (g) => ['renamenx', g.key(), g.key()],
  (g) => [
    'copy',
    g.key(),
    g.key(),
    ...g.options(
      0.3,
      () => ['replace'],
      () => ['db', g.pick(['0', '1', '16', '-1', g.integer()])],
    ),
  ],
  () => ['randomkey'],
  (g) => ['keys', g.pattern()],
  (g) => [
    'scan',
    g.pick(['0', 'x', '-', '', '+0', ' 0']),
    ...g.options(
      0.3,
      () => ['match', g.pattern()],
      () => ['count', g.integer()],
      () => ['type', g.type()],
    ),
  ],
  () => ['dbsize'],
  (g) => [
    g.pick(['flushdb', 'flushall']),
    ...g.options(
      0.3,
      () => ['async'],
      () => ['sync'],
      () => ['now'],
    ),
  ],
  (g) => ['object', g.pick(['encoding', 'freq', 'idletime', 'refcount', 'nonsense']), g.key()],
  () => ['object', 'help'],
  () => ['object'],
  (g) => ['memory', 'usage', g.key(), ...g.options(0.4, () => ['samples', g.integer()])],
  (g) => ['select', g.pick(['0', '1', '15'])],
  (g) => [g.pick(['nonsense', 'getx', 'key\0s']), ...g.some(g.value, 4)],
];

const HASH_TEMPLATES: readonly Template[] = [
  (g) => ['hset', g.key(), ...g.fields().flatMap((field) => [field, g.value()])],
  (g) => ['hset', g.key(), ...g.fields().flatMap((field) => [field, g.value()])],
  (g) => ['hmset', g.key(), ...g.fields().flatMap((field) => [field, g.value()])],
  (g) => ['hsetnx', g.key(), g.field(), g.value()],
  (g) => ['hget', g.key(), g.field()],
  (g) => ['hmget', g.key(), ...g.fields()],
  (g) => [g.pick(['hgetall', 'hkeys', 'hvals', 'hlen']), g.key()],
  (g) => ['hdel', g.key(), ...g.fields()],
  (g) => [g.pick(['hexists', 'hstrlen']), g.key(), g.field()],
  (g) => ['hincrby', g.key(), g.field(), g.integer()],
  (g) => ['hincrbyfloat', g.key(), g.field(), g.float()],
  (g) => [
    'hscan',
    g.key(),
    g.pick(['0', '0', 'x']),
    ...g.options(
      0.3,
      () => ['match', g.pattern()],
      () => ['count', g.pick(['1', '100', '0', g.integer()])],
      () => ['type', 'hash'],
    ),
  ],
  (g) => ['hrandfield', g.key()],
  (g) => [
    'hrandfield',
    g.key(),
    g.pick(['0', '2', '-5', '100', '-9223372036854775808', 'x']),
    ...g.options(0.5, () => ['withvalues']),
  ],
];
