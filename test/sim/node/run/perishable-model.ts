/**
 * A key that expires or does not: `p:value` may be gone at any time, `l:value` lasts until somebody says otherwise, and so does `t:value`, which is
 * to expire long after the run.
 */
import type { Model, State } from '../../../linearizability/model.ts';

const PERISHES = 'p:';
const LASTS = 'l:';
const TIMED = 't:';

function valueOf(state: State): string | null {
  return state === null ? null : state.slice(PERISHES.length);
}

/** SETPX stands for SET with PX, SETFAR for one far ahead, and LATE for a GET when all that is to expire within the run has. */
export const perishableModel: Model = {
  apply: (state, command, [value]) => {
    const held = valueOf(state);
    switch (command) {
      case 'SETPX':
        return { state: PERISHES + value, reply: 'OK' };
      case 'SET':
        return { state: LASTS + value, reply: 'OK' };
      case 'SETFAR':
        return { state: TIMED + value, reply: 'OK' };
      case 'GET':
        return { state, reply: held };
      case 'LATE':
        return { state, reply: state?.startsWith(PERISHES) === true ? null : held };
      case 'PERSIST':
        if (held === null || state?.startsWith(LASTS) === true) return { state, reply: 0 };
        return { state: LASTS + held, reply: 1 };
      case 'PEXPIRE':
        return held === null ? { state, reply: 0 } : { state: PERISHES + held, reply: 1 };
      default:
        throw new Error(`the model knows no command ${command}`);
    }
  },
  reads: new Set(),
  forgets: (state) => state?.startsWith(PERISHES) === true,
};
