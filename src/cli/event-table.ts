/** The events of the log as the README's table, between two markers; the rest of the README is left as it is. */
import { LOG_EVENTS } from '../log.ts';

const BEGIN = '<!-- events: written by `npm run docs:events` -->';
const END = '<!-- end of events -->';

/** The README with the table as it should be. Throws when the markers are not there. */
export function withEventTable(readme: string): string {
  const begin = readme.indexOf(BEGIN);
  const end = readme.indexOf(END);
  if (begin === -1 || end < begin) throw new Error(`the README has no markers ${BEGIN} and ${END}`);
  return `${readme.slice(0, begin + BEGIN.length)}\n\n${eventTable()}\n\n${readme.slice(end)}`;
}

function eventTable(): string {
  const lines = Object.entries(LOG_EVENTS).map(([event, meaning]) => `| \`${event}\` | ${meaning} |`);
  return ['| Event | Meaning and fields |', '| --- | --- |', ...lines].join('\n');
}
