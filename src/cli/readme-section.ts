/** A part of the README that is written from the code, between two markers; the rest of the README is left as it is. */
export interface ReadmeSection {
  readonly begin: string;
  readonly end: string;
}

/** The README with `text` as the section. Throws when the markers are not there. */
export function withSection(readme: string, { begin, end }: ReadmeSection, text: string): string {
  const from = readme.indexOf(begin);
  const to = readme.indexOf(end);
  if (from === -1 || to < from) throw new Error(`the README has no markers ${begin} and ${end}`);
  return `${readme.slice(0, from + begin.length)}\n\n${text}\n\n${readme.slice(to)}`;
}
