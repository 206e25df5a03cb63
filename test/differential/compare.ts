/** Runs the same commands on two sides and reports the first reply that differs. */
import { Generator, type Command } from './generator.ts';
import { agree } from './normalised.ts';

/** One connection to whatever is compared. */
export interface Side {
  run(commands: readonly Command[]): Promise<string[]>;
}

/** Commands of one pipeline: the clocks of the two sides read a pipeline at nearly the same time. */
const PIPELINE_COMMANDS = 50;
/** After so many commands the keys are flushed, so that a difference is found near its cause. */
const SEQUENCE_COMMANDS = 400;
const HISTORY_COMMANDS = 12;

/** Null: no difference in `count` commands; else a text that says where, and how to see it again. */
export async function compare(ours: Side, theirs: Side, seed: number, count: number): Promise<string | null> {
  const generator = new Generator(seed);
  let history: Command[] = [];
  for (let done = 0; done < count; done += PIPELINE_COMMANDS) {
    const commands: Command[] = Array.from({ length: PIPELINE_COMMANDS }, () => generator.next());
    if (done % SEQUENCE_COMMANDS === 0) {
      commands.unshift(['flushall']);
      history = [];
    }
    const [mine, other] = await Promise.all([ours.run(commands), theirs.run(commands)]);
    for (const [i, command] of commands.entries()) {
      history.push(command);
      if (!agree(command, mine[i], other[i])) return report(seed, done + i, history, mine[i], other[i]);
    }
  }
  return null;
}

function report(seed: number, at: number, history: Command[], ours: string, theirs: string): string {
  const command = history[history.length - 1];
  const key = command[command[0] === 'object' ? 2 : 1];
  const related = history
    .filter((earlier) => earlier.includes(key) || earlier[0] === 'select')
    .slice(-HISTORY_COMMANDS);
  return [
    `seed ${seed}, command ${at}:`,
    ...related.map((words) => `  ${words.map((word) => JSON.stringify(word)).join(' ')}`),
    `ours:   ${JSON.stringify(ours)}`,
    `theirs: ${JSON.stringify(theirs)}`,
  ].join('\n');
}
