/** A client that sees replies as the bytes that they are. */
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

import { encodeCommand } from '../commands/command-runner.ts';
import { parseReply } from './reply.ts';

const INITIAL_BYTES = 64 * 1024;

export class RespClient {
  readonly socket: Socket;
  private buffer = Buffer.allocUnsafe(INITIAL_BYTES);
  private start = 0;
  private end = 0;
  private wake: () => void = () => {};
  private failure: Error | null = null;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (bytes) => {
      this.keep(bytes);
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

  get isClosed(): boolean {
    return this.failure !== null;
  }

  /** Sends the commands as one pipeline; the replies' bytes as latin1 text, in order. */
  run(commands: readonly (readonly (string | number)[])[]): Promise<string[]> {
    return this.exchange(Buffer.concat(commands.map(encodeCommand)), commands.length);
  }

  /** Sends bytes, and takes so many replies. */
  async exchange(bytes: Buffer, count: number): Promise<string[]> {
    this.send(bytes);
    const replies: string[] = [];
    while (replies.length < count) replies.push(await this.reply());
    return replies;
  }

  send(bytes: Buffer): void {
    this.socket.write(bytes);
  }

  async reply(): Promise<string> {
    for (;;) {
      const received = this.buffer.subarray(this.start, this.end);
      const reply = parseReply(received, 0);
      if (reply !== null) {
        this.start += reply.end;
        return received.toString('latin1', 0, reply.end);
      }
      if (this.failure !== null) throw this.failure;
      await this.more();
    }
  }

  /** All bytes up to and with `mark`, or until the server closes the connection or says nothing for so long. */
  async until(mark: string, silenceMs: number): Promise<string> {
    let isSilent = false;
    for (;;) {
      const text = this.buffer.toString('latin1', this.start, this.end);
      const at = text.indexOf(mark);
      if (at >= 0 || this.failure !== null || isSilent) {
        const end = at < 0 ? text.length : at + mark.length;
        this.start += end;
        return text.slice(0, end);
      }
      isSilent = (await Promise.race([this.more(), delay(silenceMs, 'silent')])) === 'silent';
    }
  }

  close(): void {
    this.socket.destroy();
  }

  private more(): Promise<void> {
    return new Promise((resolve) => {
      this.wake = resolve;
    });
  }

  private keep(bytes: Buffer): void {
    if (this.start === this.end) this.start = this.end = 0;
    if (this.end + bytes.length > this.buffer.length) {
      const kept = this.buffer.subarray(this.start, this.end);
      const larger = Buffer.allocUnsafe(Math.max(2 * (kept.length + bytes.length), INITIAL_BYTES));
      kept.copy(larger);
      this.end = kept.length;
      this.start = 0;
      this.buffer = larger;
    }
    this.end += bytes.copy(this.buffer, this.end);
  }

  private fail(error: Error): void {
    this.failure ??= error;
    this.wake();
  }
}
