/** A node beside those that are always there: it joins, is given a share of the slots, gives them back and leaves. Each time it is another node. */
import type { RebalanceReport } from '../../src/admin/rebalance.ts';
import { pause, type TorcCluster } from '../e2e/cluster/torc-cluster.ts';
import { THIS_BUILD, type TorcNode } from '../e2e/cluster/torc-node.ts';
import { run } from './command-line.ts';
import type { Network } from './network.ts';

const READY_LIMIT_MS = 60_000;
const RESIZED_LIMIT_MS = 120_000;
const POLL_MS = 100;
const LAST_WORDS = 300;

export class Guest {
  private readonly cluster: TorcCluster;
  private readonly network: Network;
  private readonly make: (visit: number) => TorcNode;
  private visits = 0;
  private node: TorcNode | null = null;
  private id = '';

  constructor(cluster: TorcCluster, network: Network, make: (visit: number) => TorcNode) {
    this.cluster = cluster;
    this.network = network;
    this.make = make;
  }

  get here(): TorcNode {
    if (this.node === null) throw new Error('the guest has not come');
    return this.node;
  }

  /** Resolves when slots are on their way to it. */
  async arrive(): Promise<void> {
    this.visits += 1;
    this.node = this.make(this.visits);
    this.node.start();
    await this.node.waitReady(READY_LIMIT_MS);
    const all = [...this.cluster.nodes, this.node];
    await this.network.know(await idsOf(all));
    [this.id] = await idsOf([this.node]);
    await this.until('slots are on their way to the guest', async () => {
      const { plan, history } = await this.report();
      return (plan?.moved ?? 0) > 0 || history.some(({ transfers }) => transfers.length > 0);
    });
  }

  /** Nothing moves any more, and it has its share. */
  async staysWithShare(): Promise<void> {
    await this.until('the guest has its share of the slots', async () => {
      const { plan, shards, unknown } = await this.report();
      return plan === null && unknown.length === 0 && shards.every(({ slots, quota }) => slots === quota);
    });
  }

  /** Slots and replicas go to the others. It may be refused for a while: no change is made that would cost a shard its quorum. */
  async decommission(): Promise<void> {
    let refusal = '';
    await this.until(`the guest has left (${refusal})`, async () => {
      try {
        const { admin } = this.cluster.nodes[0].ports;
        const [program, ...words] = [...this.cluster.nodes[0].site.command, process.execPath, ...THIS_BUILD];
        await run(program, ...words, 'node', 'decommission', this.id, '--address', `127.0.0.1:${admin}`);
        return true;
      } catch (error) {
        refusal = String(error).slice(-LAST_WORDS);
        return false;
      }
    });
  }

  /** Its process ends, and the others know it no more. */
  async leave(): Promise<void> {
    const { code } = await this.here.stop();
    if (code !== 0) throw new Error(`the guest was asked to stop and ended with ${code}`);
    await this.until('the others know the guest no more', async () => {
      const [{ peers }, { shards }] = [await this.cluster.nodes[0].status(), await this.report()];
      return peers.length === this.cluster.nodes.length - 1 && shards.length === this.cluster.nodes.length;
    });
    this.node = null;
  }

  async kill(): Promise<void> {
    if (this.node?.isRunning === true) await this.node.kill();
  }

  private async until(what: string, done: () => Promise<boolean>): Promise<void> {
    const deadlineMs = performance.now() + RESIZED_LIMIT_MS;
    // A node that is struck just now does not answer.
    while (!(await done().catch(() => false))) {
      if (performance.now() > deadlineMs) throw new Error(`not in time: ${what}`);
      await pause(POLL_MS);
    }
  }

  private async report(): Promise<RebalanceReport> {
    const { site, ports } = this.cluster.nodes[0];
    const answer = await fetch(`http://${site.host}:${ports.admin}/api/rebalance`);
    return (await answer.json()) as RebalanceReport;
  }
}

export async function idsOf(nodes: readonly TorcNode[]): Promise<string[]> {
  const reports = await Promise.all(nodes.map((node) => node.status()));
  return reports.map(({ node }) => {
    if (node.id === null) throw new Error(`${node.name} is ready and has no id`);
    return node.id;
  });
}
