import type { ByteStream } from '../../../../src/env/contracts.ts';
import type { SimNetwork } from '../../../../src/env/sim/network.ts';
import { HOST, wholeReply } from '../cluster.ts';

const NO_BYTES = Buffer.alloc(0);

/** A client's connection: commands out, whole replies in. */
export class Line {
  readonly port: number;
  private readonly stream: ByteStream | null;
  private input: Buffer = NO_BYTES;
  private isOver = false;

  constructor(
    network: SimNetwork,
    from: string,
    port: number,
    heard: { reply: (reply: string) => void; closed: () => void },
  ) {
    this.port = port;
    this.stream = network.openStream(from, { host: HOST, port }, () => ({
      onData: (bytes, start, end) => this.take(bytes, start, end, heard.reply),
      onDrain: () => {},
      onEnd: () => {},
      onClose: () => {
        if (this.isOver) return;
        this.isOver = true;
        heard.closed();
      },
    }));
  }

  /** False when nobody listened. */
  get isOpen(): boolean {
    return this.stream !== null && !this.isOver;
  }

  send(commands: readonly (readonly string[])[]): void {
    this.stream?.write(Buffer.from(commands.map(respText).join('')));
  }

  /** Nothing of it is heard any more. */
  drop(): void {
    this.isOver = true;
    this.stream?.destroy();
  }

  private take(bytes: Buffer, start: number, end: number, tell: (reply: string) => void): void {
    const given = bytes.subarray(start, end);
    this.input = this.input.length === 0 ? Buffer.from(given) : Buffer.concat([this.input, given]);
    while (!this.isOver && this.input.length > 0) {
      const size = wholeReply(this.input);
      if (size < 0) return;
      const reply = this.input.toString('latin1', 0, size);
      this.input = this.input.subarray(size);
      tell(reply);
    }
  }
}

/** One string, and one buffer of it: values may be large. */
function respText(words: readonly string[]): string {
  let text = `*${words.length}\r\n`;
  for (const word of words) text += `$${Buffer.byteLength(word)}\r\n${word}\r\n`;
  return text;
}
