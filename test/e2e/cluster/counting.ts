import { Redis } from 'ioredis';
import { onTestFinished } from 'vitest';

/** A client that counts one key up without a pause. */
export class Counting {
  counted = 0;
  readonly wrong: string[] = [];
  private isOver = false;
  private readonly done: Promise<void>;
  private readonly client: Redis;

  constructor(port: number, key: string) {
    this.client = new Redis(port, '127.0.0.1', { maxRetriesPerRequest: 0 });
    this.client.on('error', (error) => this.wrong.push(String(error)));
    onTestFinished(() => this.client.disconnect());
    this.done = this.run(key);
  }

  async stop(): Promise<void> {
    this.isOver = true;
    await this.done;
  }

  private async run(key: string): Promise<void> {
    while (!this.isOver) {
      try {
        const value = await this.client.incr(key);
        if (value !== ++this.counted) this.wrong.push(`${key} is ${value}, not ${this.counted}`);
      } catch (error) {
        this.wrong.push(String(error));
        return;
      }
    }
  }
}
