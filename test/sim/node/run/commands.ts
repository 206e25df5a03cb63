/** What clients ask for, and what the checker is told of it. */
import type { SeededRandom } from '../../../../src/env/sim/random.ts';
import type { Reply } from '../../../linearizability/history.ts';
import type { Model } from '../../../linearizability/model.ts';
import { bulksOf, CACHE, LARGE, padded, plain, readPadded, type Aside, type Planned } from '../workloads.ts';
import { perishableModel } from './perishable-model.ts';
import type { LoadPlan } from './plan.ts';
import { listReply, unitModel } from './unit-model.ts';

/** What a command does to one key or unit of keys. */
export interface Part {
  model: Model;
  key: string;
  command: string;
  args: readonly string[];
}

export interface Asked {
  words: readonly string[];
  database: number;
  /** All keys lie in one slot. */
  isOneSlot: boolean;
  parts: readonly Part[];
  /** What each part was told; the reply is no error of the whole. */
  read: (reply: string) => readonly Reply[];
  /** Beside the history: null, or what is wrong with the reply. */
  aside?: Aside;
}

const STRINGS = ['a', 'b'];
const COUNTER = 'n';
const HASH = 'h';
const FIELDS = ['f', 'g', 'i'];
const UNITS = 4;
/** So few at a time that one is written while it expires. */
const PERISHABLES = 3;
const TTL_MAX_MS = [30, 150, 600];
/** Further ahead than wall clocks jump. */
const FAR_MS = 1000 * 24 * 3600 * 1000;
/** By when whatever was to expire has. */
export const EXPIRED_AFTER_MS = 3000;
/** More than is kept of a reply. */
const LONG_REPLY_BYTES = 66 * 1024;
/** Of the commands of a run that has them. */
const LONG_REPLIES = 0.1;
/** So many keys of such values at a time: what lies in a state is written into each of its snapshots. */
const LONG_KEYS = 4;
const OK = '+OK\r\n';
export const CHOICE = 'SELECT';

/** What perishables are asked for by. */
const WORDS: Readonly<Record<string, string>> = { SETPX: 'SET', SETFAR: 'SET', LATE: 'GET' };

/** Keys with one tag in one database. */
interface Unit {
  tag: string;
  database: number;
}

function tagged({ tag }: Unit, key: string): string {
  return `{${tag}}${key}`;
}

/** What the checker calls it. */
function nameOf({ tag, database }: Unit): string {
  return database === 0 ? tag : `${database}/${tag}`;
}

/** A command over keys of one unit: `keyed` are the places of the keys among the arguments. */
function onUnit(unit: Unit, command: string, args: readonly string[], keyed: readonly number[]): Asked {
  const words = [command, ...args.map((arg, i) => (keyed.includes(i) ? tagged(unit, arg) : arg))];
  return {
    words,
    database: unit.database,
    isOneSlot: true,
    parts: [{ model: unitModel, key: nameOf(unit), command, args }],
    read: (reply) => [readUnit(command, reply)],
  };
}

function onPerishable(
  key: string,
  command: string,
  args: readonly string[],
  options: readonly string[] = [],
): Asked {
  return {
    words: [WORDS[command] ?? command, key, ...args, ...options],
    database: 0,
    isOneSlot: true,
    parts: [{ model: perishableModel, key, command, args }],
    read: (reply) => [plain(reply)],
  };
}

function readUnit(command: string, reply: string): Reply {
  if (reply.startsWith('-')) return plain(reply);
  if (command === 'MGET') return listReply(elementsOf(reply));
  if (command !== 'HGETALL') return plain(reply);
  const words = bulksOf(reply);
  const fields = words.flatMap((word, i) => (i % 2 === 0 ? [[word, words[i + 1]]] : []));
  return JSON.stringify(Object.fromEntries(fields.toSorted(([a], [b]) => (a < b ? -1 : 1))));
}

/** Of an array of bulk strings and nils. */
function elementsOf(reply: string): (string | null)[] {
  const elements: (string | null)[] = [];
  for (let at = reply.indexOf('\n') + 1; at < reply.length;) {
    const start = reply.indexOf('\n', at) + 1;
    const length = Number(reply.slice(at + 1, start - 2));
    elements.push(length < 0 ? null : reply.slice(start, start + length));
    at = length < 0 ? start : start + length + 2;
  }
  return elements;
}

/** `prefix`: of the keys of this workload, since each has a model of its own. */
function fromPlanned(prefix: string, database: number, model: Model, planned: Planned): Asked {
  const { command, args, words, read } = planned;
  const tag = prefix + planned.key;
  return {
    words: [words[0], tag, ...words.slice(2)],
    database,
    isOneSlot: true,
    parts: [{ model, key: nameOf({ tag, database }), command, args }],
    read: (reply) => [read(reply)],
  };
}

export function asideOf(aside: Aside): Asked {
  return { words: aside.words, database: 0, isOneSlot: false, parts: [], read: () => [], aside };
}

/** Sent before what is meant for another database. A node that starts refuses it, and ends the connection. */
export function chooseDatabase(database: number): Asked {
  const wrong = (reply: string): string | null =>
    reply === OK || reply.startsWith('-LOADING') ? null : `SELECT was answered ${reply}`;
  return { ...asideOf({ words: [CHOICE, String(database)], wrong }), database };
}

/** Draws commands for a run. Keys are left behind after a while: each has a short history, which is checked fast. */
export class Commands {
  private readonly random: SeededRandom;
  private readonly plan: LoadPlan;
  /** All units that were ever asked about. */
  private readonly units = new Map<string, Unit>();
  private readonly perishables = new Set<string>();
  private unique = 0;

  constructor(random: SeededRandom, plan: LoadPlan) {
    this.random = random;
    this.plan = plan;
  }

  next(epoch: number): Asked {
    const { random, plan } = this;
    if (plan.evictsAll) return this.cached(epoch);
    if (plan.hasLarge && random.chance(0.5)) return this.large(epoch);
    if (plan.expires && random.chance(0.4))
      return random.chance(0.3) ? this.expiring(epoch) : this.perishable(epoch);
    if (plan.hasLongReplies && random.chance(LONG_REPLIES)) return this.longReply(epoch);
    return random.chance(0.08) ? this.acrossUnits(epoch) : this.onOneUnit(epoch);
  }

  /** Sent before all else. */
  preparations(): readonly (readonly string[])[] {
    return this.plan.hasLarge && !this.plan.evictsAll ? LARGE.prepare : [];
  }

  /** Reads all that was ever written, EXPIRED_AFTER_MS after the last command: what was acknowledged is there, and what was to expire is not. */
  audit(): Asked[] {
    const perishables = [...this.perishables].map((key) => onPerishable(key, 'LATE', []));
    const units = [...this.units.values()].flatMap((unit) => [
      onUnit(unit, 'MGET', [...STRINGS, COUNTER], [0, 1, 2]),
      onUnit(unit, 'HGETALL', [HASH], [0]),
    ]);
    return [...units, ...perishables];
  }

  private pick<T>(from: readonly T[]): T {
    return from[this.random.below(from.length)];
  }

  /** Of the same tag in each database: what is written in one is nowhere else. */
  private unit(epoch: number, database: number): Unit {
    // Now and then one of long ago.
    const at = epoch > 3 && this.random.chance(0.05) ? this.random.below(epoch) : epoch;
    const unit = {
      tag: `u${at}-${this.random.below(UNITS / this.plan.databases.length)}`,
      database,
    };
    this.units.set(nameOf(unit), unit);
    return unit;
  }

  private database(): number {
    return this.pick(this.plan.databases);
  }

  private value(): string {
    this.unique += 1;
    const { valueBytes } = this.plan;
    return this.random.chance(0.1) ? `v${this.unique}`.padEnd(valueBytes, '.') : `v${this.unique}`;
  }

  private onOneUnit(epoch: number): Asked {
    const unit = this.unit(epoch, this.database());
    const { random } = this;
    const string = this.pick(STRINGS);
    const other = STRINGS[1 - STRINGS.indexOf(string)];
    const field = this.pick(FIELDS);
    const one = (command: string, ...args: string[]): Asked => onUnit(unit, command, args, [0]);
    switch (random.below(34)) {
      case 0:
      case 1:
      case 2:
      case 3:
        return one('SET', string, this.value());
      case 4:
        return one('SET', string, this.value(), this.pick(['NX', 'XX', 'GET']));
      case 5:
        return one('SETNX', string, this.value());
      case 6:
        return one('GETSET', string, this.value());
      case 7:
        return one('GETDEL', string);
      case 8:
        return one('APPEND', string, `+${random.below(10)}`);
      case 9:
        return one('STRLEN', string);
      case 10:
      case 11:
      case 12:
      case 13:
        return one('INCR', COUNTER);
      case 14:
        return one('INCRBY', COUNTER, String(random.below(9) - 4));
      case 15:
        return one('GET', COUNTER);
      case 16:
        return onUnit(unit, 'MSET', ['a', this.value(), 'b', this.value()], [0, 2]);
      case 17:
        return onUnit(unit, 'MSETNX', ['a', this.value(), 'b', this.value()], [0, 2]);
      case 18:
        return onUnit(unit, 'MGET', ['a', 'b', COUNTER], [0, 1, 2]);
      case 19:
        return onUnit(unit, this.pick(['DEL', 'UNLINK']), [string, other], [0, 1]);
      case 20:
        return onUnit(unit, 'EXISTS', [string, HASH], [0, 1]);
      case 21:
        return onUnit(unit, this.pick(['RENAME', 'RENAMENX', 'COPY']), [string, other], [0, 1]);
      case 22:
      case 23:
        return one('HSET', HASH, field, this.value(), this.pick(FIELDS), this.value());
      case 24:
        return one('HDEL', HASH, field);
      case 25:
        return one('HINCRBY', HASH, 'count', '1');
      case 26:
        return one('HGET', HASH, field);
      case 27:
        return one(this.pick(['HLEN', 'TYPE', 'PERSIST']), HASH);
      case 28:
        return one('HGETALL', HASH);
      case 29:
        // Of the wrong type, mostly.
        return random.chance(0.5) ? one('GET', HASH) : one('HGET', string, field);
      default:
        return one('GET', string);
    }
  }

  /** Of several slots: atomic in each alone. */
  private acrossUnits(epoch: number): Asked {
    const database = this.database();
    const drawn = [1, 2, 3].map(() => this.unit(epoch, database));
    const units = drawn.filter(({ tag }, i) => drawn.findIndex((one) => one.tag === tag) === i);
    const isOneSlot = units.length === 1;
    const part = (command: string, unit: Unit, args: string[]): Part => ({
      model: unitModel,
      key: nameOf(unit),
      command,
      args,
    });
    if (this.random.chance(0.3)) {
      return {
        words: ['DEL', ...units.map((unit) => tagged(unit, 'a'))],
        database,
        isOneSlot,
        parts: units.map((unit) => part('ERASE', unit, ['a'])),
        read: (reply) => units.map(() => (reply.startsWith('-') ? plain(reply) : null)),
      };
    }
    return {
      words: ['MGET', ...units.map((unit) => tagged(unit, 'a'))],
      database,
      isOneSlot,
      parts: units.map((unit) => part('MGET', unit, ['a'])),
      read: (reply) =>
        reply.startsWith('-')
          ? units.map(() => plain(reply))
          : elementsOf(reply).map((one) => listReply([one])),
    };
  }

  /** Of a cache: all it holds may go at any time. */
  private cached(epoch: number): Asked {
    const aside = CACHE.aside(this.random);
    return aside === null ? this.expiring(epoch) : asideOf(aside);
  }

  private expiring(epoch: number): Asked {
    this.unique += 1;
    return fromPlanned('c-', this.database(), CACHE.model, CACHE.plan(this.random, epoch, this.unique));
  }

  /** Some expire soon, some last, and some that would expire are made to last, or the other way round. */
  private perishable(epoch: number): Asked {
    const { random } = this;
    const key = `p${epoch}-${random.below(PERISHABLES)}`;
    this.perishables.add(key);
    const ttlMs = String(1 + random.below(this.pick(TTL_MAX_MS)));
    switch (random.below(8)) {
      case 0:
      case 1:
        return onPerishable(key, 'SETPX', [this.value()], ['PX', ttlMs]);
      case 2:
        return onPerishable(key, 'SET', [this.value()]);
      case 3:
        if (this.plan.evictsTimed) return onPerishable(key, 'SET', [this.value()]);
        return onPerishable(key, 'SETFAR', [this.value()], ['PX', String(FAR_MS)]);
      case 4:
        return onPerishable(key, 'PERSIST', []);
      case 5:
        return { ...onPerishable(key, 'PEXPIRE', []), words: ['PEXPIRE', key, ttlMs] };
      default:
        return onPerishable(key, 'GET', []);
    }
  }

  private large(epoch: number): Asked {
    const aside = LARGE.aside(this.random);
    if (aside !== null) return asideOf(aside);
    this.unique += 1;
    return fromPlanned('l-', 0, LARGE.model, LARGE.plan(this.random, epoch, this.unique));
  }

  /** A retry of it is told that it ran, and no more. */
  private longReply(epoch: number): Asked {
    this.unique += 1;
    const [command, key, label] = ['GETSET', 'long', `v${this.unique}`];
    const unit = { tag: `r${epoch % LONG_KEYS}`, database: this.database() };
    return {
      ...onUnit(unit, command, [key, label], [0]),
      words: [command, tagged(unit, key), padded(label, LONG_REPLY_BYTES)],
      read: (reply) => [readPadded(reply)],
    };
  }
}
