/** Runs commands as a node of one shard would, over the model of the keyspace: bytes in, bytes out. */
import type { LocalContext } from '../../src/commands/local-context.ts';
import { COMMANDS } from '../../src/commands/table.ts';
import type { KeyCommand, KeyContext, LocalCommand } from '../../src/commands/types.ts';
import { Args } from '../../src/resp/args.ts';
import { CommandReader } from '../../src/resp/reader.ts';
import { ReplyWriter } from '../../src/resp/reply-writer.ts';
import type { Keyspace } from '../../src/store/types.ts';
import { PlainKeyspace } from './plain-keyspace.ts';

const LAST_SLOT = 16383;

export class CommandRunner {
  readonly context: KeyContext;
  /** The time that commands see. */
  timeMs = 1_700_000_000_000;
  private version = 0;
  private seed = 1;
  private readonly reader = new CommandReader();

  constructor(keyspace: Keyspace = new PlainKeyspace()) {
    const args = new Args();
    this.context = {
      args,
      db: 0,
      keyspace,
      reply: new ReplyWriter(256),
      timeMs: 0,
      slot: 0,
      slotOf: (argument) => slotOf(args, argument),
      random: () => this.random(),
      slots: null,
      scanTo: LAST_SLOT,
      monotonicMs: 1000,
      lfu: false,
      mayBeLong: false,
      long: null,
      hits: 0,
      misses: 0,
    };
  }

  set protocol(protocol: 2 | 3) {
    this.context.reply.protocol = protocol;
  }

  /** The reply as text, one character a byte. Words are latin1 text. */
  run(...words: (string | number)[]): string {
    const { context } = this;
    const bytes = encodeCommand(words);
    this.reader.feed(bytes, 0, bytes.length);
    context.reply.reset();
    while (this.reader.next(context.args) === 'command') this.runCommand();
    return context.reply.buffer.toString('latin1', 0, context.reply.size);
  }

  private runCommand(): void {
    const { context } = this;
    const row = COMMANDS.find(context.args);
    if (row === null) context.reply.error(COMMANDS.refusal(context.args));
    else if (row.kind === 'local') this.runLocally(row);
    else this.runOnKeys(row);
  }

  /** Of the local commands the data families have HELP only, which needs no more than this. */
  private runLocally(row: LocalCommand): void {
    const local: Partial<LocalContext> = { args: this.context.args, reply: this.context.reply };
    row.run(local as LocalContext);
  }

  private runOnKeys(row: KeyCommand): void {
    const { context } = this;
    const writing = row.flags.includes('write');
    if (writing) this.version += 1;
    context.timeMs = this.timeMs;
    context.slot = row.firstKey > 0 ? slotOf(context.args, row.firstKey) : 0;
    context.keyspace.at(this.timeMs, this.version, writing);
    row.run(context);
  }

  /** xorshift32: the same picks in every run. */
  private random(): number {
    this.seed ^= this.seed << 13;
    this.seed ^= this.seed >>> 17;
    this.seed ^= this.seed << 5;
    return this.seed >>> 0;
  }
}

export function encodeCommand(words: readonly (string | number)[]): Buffer {
  const parts = words.map((word) => {
    const text = String(word);
    return `$${text.length}\r\n${text}\r\n`;
  });
  return Buffer.from(`*${words.length}\r\n${parts.join('')}`, 'latin1');
}

/** Any function of the key's bytes does for one shard. */
function slotOf(args: Args, argument: number): number {
  let hash = 0;
  for (let at = args.start[argument]; at < args.end[argument]; at++)
    hash = (hash * 31 + args.bytes[at]) % 16384;
  return hash;
}
