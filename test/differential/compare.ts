/** Runs the same commands on two sides and reports the first reply that differs. */
import { encodeCommand } from '../commands/command-runner.ts';
import { CROSS_SLOT_TEXT, isCrossSlot } from './cross-slot.ts';
import { Generator, SPREAD_KEYS, type Command } from './generator.ts';
import { encodeInline } from './inline.ts';
import { agree } from './normalised.ts';

/** One connection to whatever is compared. */
export interface Side {
  run(commands: readonly Command[], bytes: Buffer): Promise<string[]>;
}

export interface Course {
  seed: number;
  count: number;
  /** Keys of many slots; else all are in one. */
  isSpread?: boolean;
  /** Our side runs what one shard must do at once on keys of several slots, as no cluster does. */
  runsCrossSlot?: boolean;
  /** HELLO, CLIENT and other commands about the connection among the others. */
  hasConnectionCommands?: boolean;
}

/** The clocks of the two sides read a pipeline at nearly the same time. */
const PIPELINE_MAX_COMMANDS = 100;
/** After so many commands the keys are flushed, so that a difference is found near its cause. */
const SEQUENCE_COMMANDS = 400;
const HISTORY_COMMANDS = 12;
const INLINE_SHARE = 0.1;

/** Null: no difference in `count` commands; else a text that says where, and how to see it again. */
export async function compare(ours: Side, theirs: Side, course: Course): Promise<string | null> {
  const { seed, count } = course;
  const generator = new Generator(seed, course.isSpread === true ? SPREAD_KEYS : undefined);
  generator.hasConnectionCommands = course.hasConnectionCommands === true;
  let history: Command[] = [];
  let sequence = -1;
  for (let done = 0; done < count;) {
    const size = generator.upTo(PIPELINE_MAX_COMMANDS);
    const commands: Command[] = Array.from({ length: size }, () => generator.next());
    if (Math.floor(done / SEQUENCE_COMMANDS) > sequence) {
      sequence = Math.floor(done / SEQUENCE_COMMANDS);
      commands.unshift(['flushall']);
      history = [];
    }
    // A command that Torc refuses for its keys' slots must not run on the other side either.
    const refused = commands.map((command) => course.runsCrossSlot !== true && isCrossSlot(command));
    const forThem = commands.map((command, i) => (refused[i] ? ['ping'] : command));
    const isInline = commands.map(() => generator.chance(INLINE_SHARE));
    const [mine, other] = await Promise.all([
      ours.run(commands, encode(commands, isInline)),
      theirs.run(forThem, encode(forThem, isInline)),
    ]);
    for (const [i, command] of commands.entries()) {
      history.push(command);
      const isSame = refused[i] ? mine[i] === CROSS_SLOT_TEXT : agree(command, mine[i], other[i]);
      if (!isSame) return report(seed, done + i, history, mine[i], other[i]);
    }
    done += size;
  }
  return null;
}

function encode(commands: readonly Command[], isInline: readonly boolean[]): Buffer {
  return Buffer.concat(
    commands.map((command, i) => (isInline[i] ? encodeInline(command) : encodeCommand(command))),
  );
}

function report(seed: number, at: number, history: Command[], ours: string, theirs: string): string {
  const command = history[history.length - 1];
  const key = command[String(command[0]).toLowerCase() === 'object' ? 2 : 1];
  const related = history
    .filter((earlier) => earlier.includes(key) || String(earlier[0]).toLowerCase() === 'select')
    .slice(-HISTORY_COMMANDS);
  return [
    `seed ${seed}, command ${at}:`,
    ...related.map((words) => `  ${words.map((word) => JSON.stringify(word)).join(' ')}`),
    `ours:   ${JSON.stringify(ours)}`,
    `theirs: ${JSON.stringify(theirs)}`,
  ].join('\n');
}
