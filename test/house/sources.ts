/** The source files, as the house tests read them. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));

export interface SourceFile {
  /** From the root of the repository, with forward slashes. */
  path: string;
  text: string;
  /** Without comments and with empty strings: what the language sees. */
  code: string;
}

/** All TypeScript files under the folders, in order. */
export function sourceFiles(...folders: string[]): SourceFile[] {
  return folders
    .flatMap((folder) =>
      readdirSync(`${root}${folder}`, { recursive: true, encoding: 'utf8' }).map(
        (name) => `${folder}/${name}`,
      ),
    )
    .map((path) => path.replaceAll('\\', '/'))
    .filter((path) => path.endsWith('.ts'))
    .sort()
    .map((path) => {
      const text = readFileSync(`${root}${path}`, 'utf8');
      return { path, text, code: withoutStrings(withoutComments(text)) };
    });
}

/** What a file imports or re-exports from, types included, in the order of the text. */
export function importsOf(file: SourceFile): string[] {
  const text = withoutComments(file.text);
  const statements = /^(?:import|export)\b[^;'"]*?\bfrom\s*['"]([^'"]+)['"]|^import\s*['"]([^'"]+)['"]/gm;
  const calls = /\b(?:import|require)\(\s*['"]([^'"]+)['"]\s*\)/g;
  return [...text.matchAll(statements), ...text.matchAll(calls)].map((match) => match[1] ?? match[2]);
}

const STRING = /'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`/.source;
const COMMENT = /\/\/.*|\/\*[\s\S]*?\*\//.source;

/** Keeps line breaks, so that line numbers stay right. */
export function withoutComments(text: string): string {
  return text.replace(new RegExp(`(${STRING})|${COMMENT}`, 'g'), (match, string: string | undefined) =>
    string === undefined ? match.replaceAll(/[^\n]/g, '') : string,
  );
}

/** Every string literal empty. */
export function withoutStrings(text: string): string {
  return text.replace(new RegExp(STRING, 'g'), (match) => `''${match.replaceAll(/[^\n]/g, '')}`);
}
