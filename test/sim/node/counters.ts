/** Clients that count up without a pause, and know what each reply must be. */
import type { SimClient, SimCluster } from './cluster.ts';

const PAUSE_MS = 20;

export class Counter {
  private sent = 0;
  private readonly client: SimClient;
  private readonly key: string;

  constructor(cluster: SimCluster, node: number) {
    this.client = cluster.client(node);
    this.key = `n${node}`;
  }

  send(keys: number): void {
    for (let i = 0; i < keys; i++) this.client.send(['incr', `${this.key}-${i}`]);
    this.sent += keys;
  }

  /** Null: every command was answered, each key with one more than before. */
  wrong(keys: number): string | null {
    const { replies } = this.client;
    if (replies.length !== this.sent) return `${replies.length} replies to ${this.sent} commands`;
    const wrong = replies.findIndex((reply, at) => reply !== `:${Math.floor(at / keys) + 1}\r\n`);
    return wrong < 0 ? null : `reply ${wrong} is ${replies[wrong]}`;
  }
}

export async function load(
  cluster: SimCluster,
  counters: readonly Counter[],
  keys: number,
  ms: number,
): Promise<void> {
  for (let passed = 0; passed < ms; passed += PAUSE_MS) {
    for (const counter of counters) counter.send(keys);
    await cluster.pass(PAUSE_MS);
  }
}
