/** Programs of the system that the harness calls for. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const execute = promisify(execFile);
const TIMEOUT_MS = 60_000;

/** What it printed; throws with what it complained of. */
export async function run(program: string, ...words: readonly string[]): Promise<string> {
  try {
    return (await execute(program, words, { timeout: TIMEOUT_MS })).stdout;
  } catch (error) {
    const { stdout = '', stderr = '', message } = error as Error & { stdout?: string; stderr?: string };
    const complaint = [stdout.trim(), stderr.trim()].filter((text) => text !== '').join('\n') || message;
    throw new Error(`${[program, ...words].join(' ')}: ${complaint}`, { cause: error });
  }
}

/** Runs all, also when some fail: for what must be taken down. Complaints are printed. */
export async function runAll(lines: readonly (readonly [string, ...string[]])[]): Promise<void> {
  for (const [program, ...words] of lines) {
    await run(program, ...words).catch((error: unknown) => console.error(String(error)));
  }
}
