/** What a key of Redis does when commands come one after another: a register that is a counter when it holds an integer. */
import type { Reply } from './history.ts';

/** The string that the key holds; null when there is no such key. */
export type State = string | null;

interface Applied {
  state: State;
  reply: Reply;
}

export interface Model {
  apply: (state: State, command: string, args: readonly string[]) => Applied;
  /** The commands that change no state, whatever it is. */
  reads: ReadonlySet<string>;
  /** Such a key may be gone at any time (it has expired, or was evicted), and does not come back. Then no command is a read: its reply may say so. */
  forgets?: (state: State) => boolean;
}

const NOT_AN_INTEGER = { error: 'ERR value is not an integer or out of range' };
const WOULD_OVERFLOW = { error: 'ERR increment or decrement would overflow' };

const INTEGER = /^(0|-?[1-9][0-9]{0,18})$/;
const INT64_MAX = 2n ** 63n - 1n;
const INT64_MIN = -(2n ** 63n);

export const registerModel: Model = {
  apply: applyCommand,
  reads: new Set(['GET', 'EXISTS', 'STRLEN']),
};

/** For commands whose effect does not hang on what was there: of unknown outcome, they leave the same, whether the key was gone or not. */
export const cacheModel: Model = { apply: applyCommand, reads: new Set(), forgets: () => true };

function applyCommand(state: State, command: string, args: readonly string[]): Applied {
  switch (command) {
    case 'GET':
      return { state, reply: state };
    case 'EXISTS':
      return { state, reply: state === null ? 0 : 1 };
    case 'STRLEN':
      return { state, reply: Buffer.byteLength(state ?? '') };
    case 'SET':
      return applySet(state, args);
    case 'SETNX':
      return state === null ? { state: args[0], reply: 1 } : { state, reply: 0 };
    case 'GETSET':
      return { state: args[0], reply: state };
    case 'GETDEL':
      return { state: null, reply: state };
    case 'DEL':
      return { state: null, reply: state === null ? 0 : 1 };
    case 'APPEND':
      return applyAppend(state, args[0]);
    case 'INCR':
      return applyIncrement(state, '1');
    case 'DECR':
      return applyIncrement(state, '-1');
    case 'INCRBY':
      return applyIncrement(state, args[0]);
    default:
      throw new Error(`the model knows no command ${command}`);
  }
}

/** SET key value [NX | XX] [GET]. */
function applySet(state: State, [value, ...options]: readonly string[]): Applied {
  const unknownOption = options.find((option) => !['NX', 'XX', 'GET'].includes(option));
  if (unknownOption !== undefined) throw new Error(`the model knows no SET option ${unknownOption}`);
  const barred = (options.includes('NX') && state !== null) || (options.includes('XX') && state === null);
  const after = barred ? state : value;
  if (options.includes('GET')) return { state: after, reply: state };
  return { state: after, reply: barred ? null : 'OK' };
}

function applyAppend(state: State, tail: string): Applied {
  const after = (state ?? '') + tail;
  return { state: tail === '' ? state : after, reply: Buffer.byteLength(after) };
}

function applyIncrement(state: State, by: string): Applied {
  const before = parseInt64(state ?? '0');
  const increment = parseInt64(by);
  if (before === null || increment === null) return { state, reply: NOT_AN_INTEGER };
  const after = before + increment;
  if (after > INT64_MAX || after < INT64_MIN) return { state, reply: WOULD_OVERFLOW };
  return { state: String(after), reply: Number(after) };
}

function parseInt64(text: string): bigint | null {
  if (!INTEGER.test(text)) return null;
  const value = BigInt(text);
  return value > INT64_MAX || value < INT64_MIN ? null : value;
}
