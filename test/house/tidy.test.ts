/** What no tool of `npm run check` holds: where the outside world may be touched, and how long things may grow. */
import { describe, expect, test } from 'vitest';
import type { SourceFile } from './sources.ts';
import { importsOf, sourceFiles, withoutComments, withoutStrings } from './sources.ts';

/** Of comments and code: strings cannot be broken and do not count. Prettier keeps code under 110. */
const MAX_LINE_LENGTH = 160;
const MAX_FILE_LINES = 700;
const MAX_FUNCTION_LINES = 80;

/** These touch the world by their nature: env for everybody else, the others as programs of their own. */
const OUTSIDE = ['src/env/', 'src/cli/', 'src/client/'];

const FORBIDDEN_GLOBALS = [
  /\bDate\.now\b/,
  /\bnew Date\(\s*\)/,
  /\bMath\.random\b/,
  /\b(?:setTimeout|setInterval|setImmediate|queueMicrotask)\b/,
  /\bprocess\.(?:hrtime|nextTick|memoryUsage|cpuUsage)\b/,
  /\bperformance\./,
  /\bfetch\(/,
  /\b(?:randomBytes|randomUUID|randomInt|randomFillSync|getRandomValues)\b/,
];

const FORBIDDEN_MODULES =
  /^(?:node:)?(?:fs|net|http|http2|https|tls|dgram|dns|timers|os|child_process|cluster|worker_threads|perf_hooks)(?:\/.*)?$|^ws$/;

const product = sourceFiles('src', 'ring').filter(({ path }) => !path.startsWith('ring/test/'));
const everything = sourceFiles('src', 'ring', 'bench', 'test');

/** `path:line what` for every match in the text that `read` makes of each file. */
function findings(
  files: readonly SourceFile[],
  pattern: RegExp,
  read: (file: SourceFile) => string,
): string[] {
  return files.flatMap((file) => {
    const text = read(file);
    return [...text.matchAll(new RegExp(pattern, 'g'))].map((match) => {
      const line = text.slice(0, match.index).split('\n').length;
      return `${file.path}:${line} ${match[0].trim()}`;
    });
  });
}

describe('outside src/env', () => {
  const inside = product.filter(({ path }) => !OUTSIDE.some((folder) => path.startsWith(folder)));

  test.each(FORBIDDEN_GLOBALS.map((pattern) => [pattern.source, pattern] as const))(
    'nothing has %s',
    (_, pattern) => {
      expect(findings(inside, pattern, (file) => file.code)).toEqual([]);
    },
  );

  test('nothing imports a module that touches the machine', () => {
    const imports = inside.flatMap((file) => importsOf(file).map((name) => ({ path: file.path, name })));
    expect(imports.length).toBeGreaterThan(0);
    expect(imports.filter(({ name }) => FORBIDDEN_MODULES.test(name))).toEqual([]);
  });
});

describe('no file', () => {
  test('has a type that is no type', () => {
    expect(findings(everything, /(?:[:<|]|\bas)\s*any\b|\bany\[\]/, (file) => file.code)).toEqual([]);
  });

  test('swallows an error without a word of why', () => {
    const empty = /\bcatch\s*(?:\([^)]*\)\s*)?\{\s*\}|\.catch\(\s*\([^)]*\)\s*=>\s*\{\s*\}\s*\)/;
    expect(findings(product, empty, (file) => file.text)).toEqual([]);
    expect(
      ['try { f(); } catch {}', 'try { f(); } catch (error) {\n}', 'f().catch(() => {})'].every((text) =>
        empty.test(text),
      ),
    ).toBe(true);
    expect(empty.test('try { f(); } catch {\n  // Gone already.\n}')).toBe(false);
  });

  test('turns a checker off', () => {
    const off = /@ts-(?:ignore|nocheck|expect-error)|(?:eslint|oxlint)-disable(?!-next-line [\w/-]+ -- .)/;
    expect(findings(product, off, (file) => file.text)).toEqual([]);
  });

  test('leaves work for later', () => {
    // In brackets, so that this line is not among the findings.
    const notes = /\b(?:TOD[O]|FIXM[E]|XX[X]|HAC[K])\b/;
    expect(findings(everything, notes, (file) => file.text)).toEqual([]);
  });

  test(`has a line over ${MAX_LINE_LENGTH} characters`, () => {
    const tooLong = new RegExp(`^.{${MAX_LINE_LENGTH + 1},}$`, 'm');
    const long = everything.filter(({ text }) => tooLong.test(withoutStrings(text))).map(({ path }) => path);
    expect(long).toEqual([]);
  });

  test(`has more than ${MAX_FILE_LINES} lines`, () => {
    const long = everything
      .filter(({ text }) => text.split('\n').length > MAX_FILE_LINES)
      .map(({ path }) => path);
    expect(long).toEqual([]);
  });

  test(`has a function over ${MAX_FUNCTION_LINES} lines`, () => {
    const long = product.flatMap((file) => longFunctions(file.path, withoutComments(file.text)));
    expect(long).toEqual([]);
  });
});

/** Functions and methods by their first line; Prettier puts the closing brace at the same indentation. */
function longFunctions(path: string, text: string): string[] {
  const lines = text.split('\n');
  const start =
    /^(\s*)(?:export )?(?:default )?(?:(?:async |static |private |protected |override |get |set )*)(?:function\*? )?#?[\w$]+(?:<.*>)?\(/;
  const keyword = /^\s*(?:if|for|while|switch|catch|return|expect|test|describe|super)\b/;
  return lines.flatMap((line, index) => {
    const match = start.exec(line);
    if (match === null || keyword.test(line)) return [];
    const end = lines.findIndex(
      (later, at) => at > index && later.startsWith(match[1]) && /^[^\s)]/.test(later.slice(match[1].length)),
    );
    const length = end - index + 1;
    return lines[end]?.trim() === '}' && length > MAX_FUNCTION_LINES
      ? [`${path}:${index + 1} ${length} lines`]
      : [];
  });
}

describe('these tests', () => {
  const sample = (text: string): SourceFile => ({ path: 'sample.ts', text, code: text });

  test('see a forbidden global, and not one in a comment', () => {
    const source = 'const a = 1; // Math.random()\n/* Date.now() */ const b = Math.random();';
    expect(findings([sample(source)], /\bMath\.random\b/, (file) => withoutComments(file.text))).toEqual([
      'sample.ts:2 Math.random',
    ]);
    expect(findings([sample(source)], /\bDate\.now\b/, (file) => withoutComments(file.text))).toEqual([]);
  });

  test('see every form of import', () => {
    const source = [
      "import a from 'node:fs';",
      "import type { B } from './b.ts';",
      'import {',
      '  c,',
      "} from 'ws';",
      "export { d } from './d.ts';",
      "import './side-effect.ts';",
      "const e = await import('node:net');",
      "// import f from 'node:os';",
    ].join('\n');
    expect(importsOf(sample(source)).sort()).toEqual([
      './b.ts',
      './d.ts',
      './side-effect.ts',
      'node:fs',
      'node:net',
      'ws',
    ]);
    expect(
      ['node:fs', 'fs/promises', 'ws', 'node:timers/promises'].every((name) => FORBIDDEN_MODULES.test(name)),
    ).toBe(true);
    expect(
      ['node:zlib', 'node:crypto', './fs.ts', 'hash-wasm'].some((name) => FORBIDDEN_MODULES.test(name)),
    ).toBe(false);
  });

  test('see a long function', () => {
    const body = '  work();\n'.repeat(MAX_FUNCTION_LINES);
    expect(longFunctions('x.ts', `function f() {\n${body}}\n`)).toEqual([
      `x.ts:1 ${MAX_FUNCTION_LINES + 2} lines`,
    ]);
    expect(longFunctions('x.ts', `function f(\n  a: number,\n): void {\n${body}}\n`)).toHaveLength(1);
    expect(
      longFunctions('x.ts', `class C {\n  m(): void {\n${body.replaceAll('  work', '    work')}  }\n}\n`),
    ).toHaveLength(1);
    expect(longFunctions('x.ts', 'function f() {\n  work();\n}\n')).toEqual([]);
  });
});
