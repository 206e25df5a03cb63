/** What the simulation found to be broken. */
export class InvariantBroken extends Error {}

export function check(condition: boolean, message: () => string): void {
  if (!condition) throw new InvariantBroken(message());
}
