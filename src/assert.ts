import { InvariantError } from './errors.ts';

/** Checks an invariant. Stays on in production: a broken invariant stops the node rather than corrupting data. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new InvariantError(message);
}

/** For the branch of a switch that cannot be reached. */
export function unreachable(value: never, what: string): never {
  throw new InvariantError(`unreachable ${what}: ${String(value)}`);
}
