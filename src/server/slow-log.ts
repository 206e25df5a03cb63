/** SLOWLOG: the commands that took longest lately, shortened as Redis shortens them. */
import type { SlowLog, SlowLogEntry } from '../commands/local-context.ts';
import type { Args } from '../resp/args.ts';

const ARGUMENTS_MAX = 32;
const ARGUMENT_MAX_BYTES = 128;

export class SlowLogRing implements SlowLog {
  private entries: SlowLogEntry[] = [];
  private nextId = 0;
  private readonly maxLength: () => number;

  constructor(maxLength: () => number) {
    this.maxLength = maxLength;
  }

  get length(): number {
    return this.entries.length;
  }

  add(args: Args, durationUs: number, wallMs: number, address: string, clientName: string): void {
    this.entries.unshift({
      id: this.nextId++,
      unixSeconds: Math.floor(wallMs / 1000),
      durationUs: Math.round(durationUs),
      args: shortened(args),
      address,
      clientName,
    });
    this.entries.length = Math.min(this.entries.length, this.maxLength());
  }

  newest(count: number): readonly SlowLogEntry[] {
    return count < 0 ? this.entries : this.entries.slice(0, count);
  }

  reset(): void {
    this.entries = [];
  }
}

function shortened(args: Args): string[] {
  const kept = args.count > ARGUMENTS_MAX ? ARGUMENTS_MAX - 1 : args.count;
  const texts: string[] = [];
  for (let i = 0; i < kept; i++) {
    const start = args.start[i];
    const more = args.lengthBytes(i) - ARGUMENT_MAX_BYTES;
    if (more <= 0) texts.push(args.text(i));
    else {
      const head = args.bytes.toString('latin1', start, start + ARGUMENT_MAX_BYTES);
      texts.push(`${head}... (${more} more bytes)`);
    }
  }
  if (kept < args.count) texts.push(`... (${args.count - kept} more arguments)`);
  return texts;
}
