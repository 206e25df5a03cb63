/** A cluster of real processes for one test: its ports, its data, and its end. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { TorcNode, type NodePorts } from './torc-node.ts';

/** Below the ports that systems give to outgoing connections: a dead node's port must not be taken before it is back. */
const FIRST_PORT = Number(process.env['TORC_E2E_PORT'] ?? 21_000);
/** Client, redirect, peer and admin ports have blocks of so many. */
const BLOCK = 25;
/** The default of election-timeout-ms: for so long a started member grants no vote. */
const START_HOLD_MS = 400;
const READY_TIMEOUT_MS = 30_000;
const POLL_MS = 20;

export interface ClusterOptions {
  nodes: number;
  /** Flags of `torc start`, the same for all. */
  settings?: readonly string[];
  /** The first node's place in the block of ports. */
  firstPlace?: number;
}

export function portsAt(place: number): NodePorts {
  const [client, redirect, peer, admin] = [0, 1, 2, 3].map((block) => FIRST_PORT + block * BLOCK + place);
  return { client, redirect, peer, admin };
}

export class TorcCluster {
  readonly nodes: readonly TorcNode[];
  readonly directory: string;

  private constructor(directory: string, nodes: readonly TorcNode[]) {
    this.directory = directory;
    this.nodes = nodes;
  }

  /** Of nodes that somebody else has made. */
  static of(directory: string, nodes: readonly TorcNode[]): TorcCluster {
    return new TorcCluster(directory, nodes);
  }

  /** Neither started nor ended by itself. */
  static async make({ nodes, settings = [], firstPlace = 0 }: ClusterOptions): Promise<TorcCluster> {
    const directory = await mkdtemp(join(tmpdir(), 'torc-e2e-'));
    const ports = Array.from({ length: nodes }, (_, place) => portsAt(firstPlace + place));
    const seeds = ports.map(({ peer }) => `127.0.0.1:${peer}`).join(',');
    const made = ports.map((own, place) => {
      const name = `node-${place}`;
      return new TorcNode(name, own, join(directory, name), [
        '--seeds',
        seeds,
        '--host',
        `host-${place}`,
        ...settings,
      ]);
    });
    return new TorcCluster(directory, made);
  }

  /** Ready to be used; ended with the test, its logs printed if the test fails. */
  static async forTest(options: ClusterOptions): Promise<TorcCluster> {
    // Not above: what runs without vitest may not import it.
    const { onTestFailed, onTestFinished } = await import('vitest');
    const cluster = await TorcCluster.make(options);
    if (process.env['TORC_E2E_LOGS'] === 'yes') onTestFinished(() => cluster.printLogs(2000));
    else onTestFailed(() => cluster.printLogs());
    onTestFinished(() => cluster.end());
    cluster.start();
    await cluster.waitReady();
    return cluster;
  }

  start(): void {
    for (const node of this.nodes) node.start();
  }

  /** All nodes are ready, reach each other, and know a leader of each shard: nodes stay ready while a shard elects. */
  async waitReady(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.waitReady(READY_TIMEOUT_MS)));
    const deadlineMs = performance.now() + READY_TIMEOUT_MS;
    while (!(await this.isWhole())) {
      if (performance.now() > deadlineMs) throw new Error('the nodes do not agree on leaders in time');
      await pause(POLL_MS);
    }
  }

  /** Each shard is led from its home: leadership does not move by itself any more. */
  async waitHome(): Promise<void> {
    const deadlineMs = performance.now() + READY_TIMEOUT_MS;
    for (;;) {
      const reports = await Promise.all(this.nodes.map((node) => node.status()));
      if (reports.every(({ replicas }) => replicas.every(({ leader, home }) => leader === home))) return;
      if (performance.now() > deadlineMs) throw new Error('leadership does not come home in time');
      await pause(POLL_MS);
    }
  }

  private async isWhole(): Promise<boolean> {
    const reports = await Promise.all(this.nodes.map((node) => node.status().catch(() => null)));
    const leaders = new Map<number, string>();
    for (const report of reports) {
      if (report === null || report.peers.some(({ connected }) => !connected)) return false;
      for (const { shard, leader } of report.replicas) {
        if (leader === null || (leaders.get(shard) ?? leader) !== leader) return false;
        leaders.set(shard, leader);
      }
    }
    return true;
  }

  /** All nodes have been ready for longer than a started member grants no vote: the next fault finds a cluster that can elect. */
  async settle(): Promise<void> {
    await this.waitReady();
    await pause(START_HOLD_MS + 200);
    await this.waitReady();
  }

  printLogs(lines?: number): void {
    console.error(this.nodes.map((node) => node.tail(lines)).join('\n'));
  }

  /** All at once. */
  async kill(): Promise<void> {
    await Promise.all(this.nodes.filter((node) => node.isRunning).map((node) => node.kill()));
  }

  /** Ends all at once, and removes their data. */
  async end(): Promise<void> {
    await this.kill();
    await rm(this.directory, { recursive: true, force: true });
  }
}

export function pause(delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, delayMs);
  });
}
