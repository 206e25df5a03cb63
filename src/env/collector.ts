/** The pace of V8's garbage collector. */
import { setFlagsFromString } from 'node:v8';

/**
 * How much the old generation, buffers off the heap counted with it, may grow until it is marked again, in percent of what lived. V8's own
 * choice is a few megabytes for a heap as small as a node's, while log entries and commands pass through at a hundred megabytes a second:
 * ten full markings a second, each holding the event loop for up to 15 ms.
 */
const GROWING_PERCENT = 700;

/** Before the load comes. A heap of gigabytes is bounded by V8 itself, which goes at most half of the way to its limit. */
export function paceCollector(): void {
  setFlagsFromString(`--heap-growing-percent=${GROWING_PERCENT}`);
}
