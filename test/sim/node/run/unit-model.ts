/**
 * Keys with one hash tag as the checker's one register: what Redis does to them when commands come one after another. Commands of several keys
 * are then checked to be atomic. A command is all words but the first; keys are what follows the tag.
 */
import type { Reply } from '../../../linearizability/history.ts';
import type { Model, State } from '../../../linearizability/model.ts';
import { registerModel } from '../../../linearizability/model.ts';

type Hash = Record<string, string>;
type Value = string | Hash;
type Keys = Readonly<Record<string, Value>>;

const WRONG_TYPE: Reply = {
  error: 'WRONGTYPE Operation against a key holding the wrong kind of value',
};
const NO_SUCH_KEY: Reply = { error: 'ERR no such key' };
const NOT_AN_INTEGER: Reply = { error: 'ERR hash value is not an integer' };
const PARSED_MAX = 5000;

interface Applied {
  keys: Keys;
  reply: Reply;
}

type Command = (keys: Keys, args: readonly string[]) => Applied;

const parsed = new Map<string, Keys>();

function parse(state: State): Keys {
  if (state === null) return {};
  let keys = parsed.get(state);
  if (keys === undefined) {
    if (parsed.size > PARSED_MAX) parsed.clear();
    parsed.set(state, (keys = JSON.parse(state) as Keys));
  }
  return keys;
}

/** The same keys make the same text. */
function print(keys: Keys): State {
  const names = Object.keys(keys).toSorted();
  if (names.length === 0) return null;
  return JSON.stringify(Object.fromEntries(names.map((name) => [name, sorted(keys[name])])));
}

function sorted(value: Value): Value {
  if (typeof value === 'string') return value;
  return Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

function withKey(keys: Keys, name: string, value: Value): Keys {
  return { ...keys, [name]: value };
}

function without(keys: Keys, names: readonly string[]): Keys {
  return Object.fromEntries(Object.entries(keys).filter(([name]) => !names.includes(name)));
}

/** What registers know of one key. */
function onString(name: string): Command {
  return (keys, [key, ...args]) => {
    const value = keys[key];
    if (typeof value === 'object' && !(name === 'SET' && !args.includes('GET')))
      return { keys, reply: WRONG_TYPE };
    // For SET NX and XX it is enough that there is a value.
    const before = typeof value === 'object' ? '' : (value ?? null);
    const { state, reply } = registerModel.apply(before, name, args);
    if (state === before) return { keys, reply };
    return { keys: state === null ? without(keys, [key]) : withKey(keys, key, state), reply };
  };
}

/** On the hash of a key, none being empty: what it becomes, and the reply. */
function onHash(run: (hash: Hash, args: readonly string[]) => { hash: Hash; reply: Reply }): Command {
  return (keys, [key, ...args]) => {
    const value = keys[key] ?? {};
    if (typeof value === 'string') return { keys, reply: WRONG_TYPE };
    const { hash, reply } = run(value, args);
    if (hash === value) return { keys, reply };
    const isGone = Object.keys(hash).length === 0;
    return { keys: isGone ? without(keys, [key]) : withKey(keys, key, hash), reply };
  };
}

function pairsOf(args: readonly string[]): [string, string][] {
  return args.flatMap((arg, i) => (i % 2 === 0 ? [[arg, args[i + 1]]] : []));
}

function setFields(hash: Hash, args: readonly string[]): { hash: Hash; reply: Reply } {
  const fields = pairsOf(args);
  const made = new Set(fields.map(([field]) => field).filter((field) => hash[field] === undefined)).size;
  return { hash: { ...hash, ...Object.fromEntries(fields) }, reply: made };
}

function deleteFields(hash: Hash, args: readonly string[]): { hash: Hash; reply: Reply } {
  const gone = args.filter((field) => hash[field] !== undefined);
  if (gone.length === 0) return { hash, reply: 0 };
  return { hash: without(hash, gone) as Hash, reply: gone.length };
}

function incrementField(hash: Hash, [field, by]: readonly string[]): { hash: Hash; reply: Reply } {
  const before = hash[field] ?? '0';
  if (!/^-?\d+$/.test(before)) return { hash, reply: NOT_AN_INTEGER };
  const after = Number(before) + Number(by);
  return { hash: { ...hash, [field]: String(after) }, reply: after };
}

/** The key takes another name; with `onlyNew`, only when nothing has that. */
function rename(onlyNew: boolean): Command {
  return (keys, [from, to]) => {
    const value = keys[from];
    if (value === undefined) return { keys, reply: NO_SUCH_KEY };
    if (onlyNew && keys[to] !== undefined) return { keys, reply: 0 };
    return { keys: withKey(without(keys, [from]), to, value), reply: onlyNew ? 1 : 'OK' };
  };
}

const copy: Command = (keys, [from, to]) => {
  const value = keys[from];
  if (value === undefined || keys[to] !== undefined) return { keys, reply: 0 };
  return { keys: withKey(keys, to, value), reply: 1 };
};

const remove: Command = (keys, names) => {
  const gone = names.filter((name) => keys[name] !== undefined);
  return { keys: gone.length === 0 ? keys : without(keys, gone), reply: gone.length };
};

/** Lists are replies as one text. */
export function listReply(items: readonly (string | null)[]): string {
  return JSON.stringify(items);
}

const COMMANDS: Record<string, Command> = {
  ...Object.fromEntries(
    ['GET', 'SET', 'GETSET', 'GETDEL', 'STRLEN', 'APPEND', 'INCR', 'DECR', 'INCRBY'].map((name) => [
      name,
      onString(name),
    ]),
  ),
  // Of whatever type.
  SETNX: (keys, [key, value]) =>
    keys[key] === undefined ? { keys: withKey(keys, key, value), reply: 1 } : { keys, reply: 0 },
  MSET: (keys, args) => ({ keys: { ...keys, ...Object.fromEntries(pairsOf(args)) }, reply: 'OK' }),
  MSETNX: (keys, args) =>
    pairsOf(args).some(([key]) => keys[key] !== undefined)
      ? { keys, reply: 0 }
      : { keys: { ...keys, ...Object.fromEntries(pairsOf(args)) }, reply: 1 },
  MGET: (keys, names) => ({
    keys,
    reply: listReply(
      names.map((name) => {
        const value = keys[name];
        return typeof value === 'string' ? value : null;
      }),
    ),
  }),
  DEL: remove,
  /** A DEL over several units: its reply is a sum, which says nothing of one. */
  ERASE: (keys, names) => ({ keys: remove(keys, names).keys, reply: null }),
  UNLINK: remove,
  EXISTS: (keys, names) => ({ keys, reply: names.filter((name) => keys[name] !== undefined).length }),
  TYPE: (keys, [key]) => {
    const value = keys[key];
    return { keys, reply: value === undefined ? 'none' : typeof value === 'string' ? 'string' : 'hash' };
  },
  PERSIST: (keys) => ({ keys, reply: 0 }),
  RENAME: rename(false),
  RENAMENX: rename(true),
  COPY: copy,
  HSET: onHash(setFields),
  HSETNX: onHash((hash, [field, value]) =>
    hash[field] === undefined ? { hash: { ...hash, [field]: value }, reply: 1 } : { hash, reply: 0 },
  ),
  HDEL: onHash(deleteFields),
  HINCRBY: onHash(incrementField),
  HGET: onHash((hash, [field]) => ({ hash, reply: hash[field] ?? null })),
  HEXISTS: onHash((hash, [field]) => ({ hash, reply: hash[field] === undefined ? 0 : 1 })),
  HLEN: onHash((hash) => ({ hash, reply: Object.keys(hash).length })),
  HGETALL: onHash((hash) => ({ hash, reply: JSON.stringify(sorted(hash)) })),
};

export const unitModel: Model = {
  apply: (state, command, args) => {
    const run = COMMANDS[command];
    if (run === undefined) throw new Error(`the model knows no command ${command}`);
    const before = parse(state);
    const { keys, reply } = run(before, args);
    return { state: keys === before ? state : print(keys), reply };
  },
  reads: new Set([
    'GET',
    'STRLEN',
    'MGET',
    'EXISTS',
    'TYPE',
    'PERSIST',
    'HGET',
    'HEXISTS',
    'HLEN',
    'HGETALL',
  ]),
};
