/** The pace of V8's compilers. */
import { setFlagsFromString } from 'node:v8';

/**
 * How much bytecode a function has run, at least, each time that V8 thinks of compiling it anew for speed. V8's own choice is an eighth. What commands
 * need comes to this within a second all the same. What runs some thousand times in a node's life does not, as nearly all of what moves slots and
 * changes the topology: to compile that takes more time than it ever saves, on threads that the commands of all nodes of a machine wait behind.
 */
const BUDGET_BYTES = 8 * 66 * 1024;

/** Before anything is loaded that runs often. */
export function paceCompiler(): void {
  setFlagsFromString(`--interrupt-budget=${BUDGET_BYTES}`);
}
