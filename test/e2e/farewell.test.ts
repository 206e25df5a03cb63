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

/** A client of its own connections that sends so often, in so many lanes: each sends again once it is answered, or all at the same time. */
class Lanes {
  readonly failures: string[] = [];
  done = 0;
  private isStopped = false;
  private readonly ended: Promise<unknown>;

  constructor(
    readonly name: string,
    private readonly client: ReturnType<typeof createCluster>,
    private readonly everyMs: number,
    isTogether: boolean,
  ) {
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
      if (n % 2 === 0) await this.client.set(key, String(n));
      else await this.client.get(key);
    } catch (error) {
      this.failures.push(`${key}: ${String(error)}`);
    }
    this.done += 1;
  }
}

async function startLanes(cluster: TorcCluster): Promise<Lanes[]> {
  const [{ ports }] = cluster.nodes;
  const clients = await Promise.all(
    Array.from({ length: 4 }, () =>
      createCluster({ rootNodes: [{ socket: { host: HOST, port: ports.redirect } }] })
        .on('error', () => undefined)
        .connect(),
    ),
  );
  onTestFinished(() => {
    for (const client of clients) client.destroy();
  });
  const [busy, busier, calm, inBursts] = clients;
  return [
    new Lanes('busy', busy, 10, false),
    new Lanes('busier', busier, 3, false),
    new Lanes('calm', calm, 100, false),
    new Lanes('in bursts', inBursts, 200, true),
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
