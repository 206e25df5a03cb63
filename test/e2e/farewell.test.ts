/**
 * Nodes leave, one after the other, and node-redis in cluster mode follows: it cuts its connection to a node as soon as CLUSTER SLOTS lists that no
 * more, and rejects what it has under way there. A leaving node has nothing of its clients by then, so none of their commands fails.
 */
import { createCluster } from 'redis';
import { expect, onTestFinished, test } from 'vitest';

import { pause, TorcCluster } from './cluster/torc-cluster.ts';
import { runTorc } from './cluster/torc-node.ts';

const HOST = '127.0.0.1';
const NODES = 6;
const LEAVING = 3;
const LANES = 8;
const KEYS = 1000;

interface Commands {
  set(key: string, value: string): Promise<unknown>;
  get(key: string): Promise<unknown>;
}

/** A client of its own connections with so many commands at once, sent so often: each lane again once it is answered, or all at the same time. */
class Lanes {
  readonly name: string;
  readonly failures: string[] = [];
  done = 0;
  private readonly client: Commands;
  private readonly everyMs: number;
  private isStopped = false;
  private readonly ended: Promise<unknown>;

  constructor(name: string, client: Commands, everyMs: number, isTogether: boolean) {
    this.name = name;
    this.client = client;
    this.everyMs = everyMs;
    const lanes = Array.from({ length: LANES }, (_, lane) => lane);
    this.ended = isTogether
      ? this.work((n) => Promise.all(lanes.map((lane) => this.run(lane, n))))
      : Promise.all(lanes.map((lane) => this.work((n) => this.run(lane, n))));
  }

  async stop(): Promise<void> {
    this.isStopped = true;
    await this.ended;
  }

  private async work(run: (n: number) => Promise<unknown>): Promise<void> {
    for (let n = 0; !this.isStopped; n++) {
      await run(n);
      await pause(this.everyMs);
    }
  }

  private async run(lane: number, n: number): Promise<void> {
    const key = `${this.name}:${lane}:${(n * 7) % KEYS}`;
    try {
      await (n % 2 === 0 ? this.client.set(key, String(n)) : this.client.get(key));
    } catch (error) {
      this.failures.push(`${key}: ${String(error)}`);
    }
    this.done += 1;
  }
}

async function startLanes(cluster: TorcCluster): Promise<Lanes[]> {
  const [{ ports }] = cluster.nodes;
  const connected = async (): Promise<Commands> => {
    const client = createCluster({ rootNodes: [{ socket: { host: HOST, port: ports.redirect } }] });
    client.on('error', () => undefined);
    onTestFinished(() => client.destroy());
    await client.connect();
    return client;
  };
  return [
    new Lanes('busy', await connected(), 3, false),
    new Lanes('calm', await connected(), 10, false),
    new Lanes('calmer', await connected(), 100, false),
    new Lanes('in bursts', await connected(), 200, true),
  ];
}

test('no command fails when nodes leave', { timeout: 300_000 }, async () => {
  const cluster = await TorcCluster.forTest({ nodes: NODES });
  await cluster.waitHome();
  const [{ ports }] = cluster.nodes;
  const lanes = await startLanes(cluster);
  const tookMs: number[] = [];
  for (const node of cluster.nodes.slice(-LEAVING).reverse()) {
    const startMs = performance.now();
    const left = await runTorc('node', 'decommission', node.name, '--address', `${HOST}:${ports.admin}`);
    tookMs.push(performance.now() - startMs);
    expect(left.output).toContain('holds nothing any more. Its process may stop now.');
    // Whoever still has a connection has nothing under way there.
    expect(await node.stop()).toMatchObject({ code: 0 });
  }
  await pause(500);
  await Promise.all(lanes.map((one) => one.stop()));
  const counts = lanes.map(({ name, done, failures }) => `${name}: ${failures.length} of ${done}`).join(', ');
  console.log(
    `failed: ${counts}; nodes left within ${tookMs.map((ms) => (ms / 1000).toFixed(1)).join(', ')} s`,
  );
  for (const { name, failures, done } of lanes) {
    expect(failures, name).toEqual([]);
    expect(done, name).toBeGreaterThan(100);
  }
});
