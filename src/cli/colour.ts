/** Colours: for people at a terminal who do not mind them (https://no-color.org), or where somebody insists. */
import { styleText } from 'node:util';

export type Colour = 'bold' | 'gray' | 'green' | 'yellow' | 'red' | 'cyan' | 'magenta' | 'blue';

export function colourful(
  stream: { isTTY?: boolean },
  environment: Readonly<Record<string, string | undefined>> = process.env,
): boolean {
  if (isSet(environment['NO_COLOR'])) return false;
  if (isSet(environment['FORCE_COLOR']) && environment['FORCE_COLOR'] !== '0') return true;
  return stream.isTTY === true && environment['TERM'] !== 'dumb';
}

/** `text` itself unless `coloured`, which `colourful` has told. */
export function paint(colour: Colour, text: string, coloured: boolean): string {
  return coloured ? styleText(colour, text, { validateStream: false }) : text;
}

function isSet(value: string | undefined): boolean {
  return value !== undefined && value !== '';
}
