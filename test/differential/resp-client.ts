/** A client that sees replies as the bytes that they are. */
import { connect, type Socket } from 'node:net';

import { encodeCommand } from '../commands/command-runner.ts';
import { parseReply } from './reply.ts';

export class RespClient {
  private readonly socket: Socket;
  private received = Buffer.alloc(0);
  private wake: () => void = () => {};
  private failure: Error | null = null;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (bytes) => {
      this.received = Buffer.concat([this.received, bytes]);
      this.wake();
    });
    socket.on('error', (error) => this.fail(error));
    socket.on('close', () => this.fail(new Error('the server closed the connection')));
  }

  static async open(port: number, host = '127.0.0.1'): Promise<RespClient> {
    const socket = connect({ port, host, noDelay: true });
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    return new RespClient(socket);
  }

  /** Sends the commands as one pipeline; the replies' bytes as latin1 text, in order. */
  async run(commands: readonly (readonly (string | number)[])[]): Promise<string[]> {
    this.socket.write(Buffer.concat(commands.map(encodeCommand)));
    const replies: string[] = [];
    while (replies.length < commands.length) replies.push(await this.reply());
    return replies;
  }

  close(): void {
    this.socket.destroy();
  }

  private async reply(): Promise<string> {
    for (;;) {
      const reply = parseReply(this.received, 0);
      if (reply !== null) {
        const text = this.received.toString('latin1', 0, reply.end);
        this.received = this.received.subarray(reply.end);
        return text;
      }
      if (this.failure !== null) throw this.failure;
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
  }

  private fail(error: Error): void {
    this.failure ??= error;
    this.wake();
  }
}
