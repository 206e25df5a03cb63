import { InvalidArgumentError } from 'commander';

/** Reads the argument of an option, such as a time. */
export function positiveNumber(text: string): number {
  const value = Number(text);
  if (value > 0 && value < Infinity) return value;
  throw new InvalidArgumentError('It must be a number above 0.');
}
