/** The events of the log as the README's table. */
import { LOG_EVENTS } from '../log.ts';
import { withSection } from './readme-section.ts';

const SECTION = {
  begin: '<!-- events: written by `npm run docs:events` -->',
  end: '<!-- end of events -->',
};

/** The README with the table as it should be. Throws when its markers are not there. */
export function withEventTable(readme: string): string {
  return withSection(readme, SECTION, eventTable());
}

function eventTable(): string {
  const lines = Object.entries(LOG_EVENTS).map(([event, meaning]) => `| \`${event}\` | ${meaning} |`);
  return ['| Event | Meaning and fields |', '| --- | --- |', ...lines].join('\n');
}
