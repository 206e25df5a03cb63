import type { Args } from '../resp/args.ts';

/** A browser that was tricked into sending a form here; nothing of what it sends may run. */
export function isWebRequest(args: Args): boolean {
  const name = args.text(0).toLowerCase();
  return name === 'post' || name === 'host:';
}
