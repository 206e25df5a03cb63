/**
 * A network for root: each node in a network namespace of its own, joined by a bridge. A line is cut by dropping its packets where they arrive, so
 * that nothing tells the sender: not even a reset.
 */
import type { Site } from '../e2e/cluster/torc-node.ts';
import { run, runAll } from './command-line.ts';
import type { LineFault, Network, NetworkPlan } from './network.ts';

const LISTEN_EVERYWHERE = ['--bind', '0.0.0.0', '--protected-mode', 'no'];
const REACH_TIMEOUT_S = '3';
/** A third byte for the addresses that others are unlikely to use, by the process. */
const SUBNETS = 250;

export class Namespaces implements Network {
  readonly kind = 'namespaces';
  readonly canSlow = false;
  private readonly plan: NetworkPlan;
  private readonly bridge = `tcb${process.pid}`;
  private readonly subnet = `10.213.${process.pid % SUBNETS}`;

  private constructor(plan: NetworkPlan) {
    this.plan = plan;
  }

  /** Throws when this machine does not allow it; then nothing is left of it. */
  static async open(plan: NetworkPlan): Promise<Namespaces> {
    const network = new Namespaces(plan);
    try {
      await network.build();
      if (plan.ports.length > 1) await network.checkReach();
    } catch (error) {
      await network.close();
      throw error;
    }
    return network;
  }

  site(place: number): Site {
    return { host: this.host(place), command: ['ip', 'netns', 'exec', this.namespace(place)] };
  }

  peerAddress(place: number): string {
    return `${this.host(place)}:${this.plan.ports[place].peer}`;
  }

  settings(place: number): readonly string[] {
    return [...LISTEN_EVERYWHERE, '--announce-host', this.host(place)];
  }

  /** A namespace knows its node. */
  know(): Promise<void> {
    return Promise.resolve();
  }

  async apply(faults: readonly LineFault[]): Promise<void> {
    await Promise.all(
      this.plan.ports.map(async (_, to) => {
        await this.inside(to, 'iptables', '-w', '-F', 'INPUT');
        for (const { from } of faults.filter((fault) => fault.to === to && fault.cut === true))
          await this.inside(to, 'iptables', '-w', '-A', 'INPUT', '-s', this.host(from), '-j', 'DROP');
      }),
    );
  }

  /** An interface goes with its namespace. */
  async close(): Promise<void> {
    const namespaces = await run('ip', 'netns', 'list').catch(() => '');
    const own = this.plan.ports
      .map((_, place) => this.namespace(place))
      .filter((name) => namespaces.split(/\s+/).includes(name));
    await runAll(own.map((name) => ['ip', 'netns', 'delete', name]));
    const links = await run('ip', '-o', 'link', 'show').catch(() => '');
    if (links.includes(`${this.bridge}:`)) await runAll([['ip', 'link', 'delete', this.bridge]]);
  }

  private async build(): Promise<void> {
    const { bridge } = this;
    await run('ip', 'link', 'add', bridge, 'type', 'bridge');
    await run('ip', 'address', 'add', `${this.subnet}.254/24`, 'dev', bridge);
    await run('ip', 'link', 'set', bridge, 'up');
    for (const place of this.plan.ports.keys()) {
      const namespace = this.namespace(place);
      const outside = `tcv${process.pid}n${place}`;
      await run('ip', 'netns', 'add', namespace);
      await run(...words(`ip link add ${outside} type veth peer name eth0 netns ${namespace}`));
      await run('ip', 'link', 'set', outside, 'master', bridge, 'up');
      await run(...words(`ip -n ${namespace} address add ${this.host(place)}/24 dev eth0`));
      await run('ip', '-n', namespace, 'link', 'set', 'eth0', 'up');
      await run('ip', '-n', namespace, 'link', 'set', 'lo', 'up');
    }
    await this.apply([]);
  }

  /** Some machines let nothing pass from one to the other: a closed port must say so at once. */
  private async checkReach(): Promise<void> {
    const knock = `exec 3<>/dev/tcp/${this.host(1)}/${this.plan.ports[1].peer}`;
    const complaint = await this.inside(0, 'timeout', REACH_TIMEOUT_S, 'bash', '-c', knock).then(
      () => 'somebody listens there',
      (error: unknown) => String(error),
    );
    if (!/refused/i.test(complaint)) throw new Error(`namespaces do not reach each other: ${complaint}`);
  }

  private inside(place: number, ...line: readonly string[]): Promise<string> {
    return run('ip', 'netns', 'exec', this.namespace(place), ...line);
  }

  private namespace(place: number): string {
    return `torc-${process.pid}-${place}`;
  }

  private host(place: number): string {
    return `${this.subnet}.${place + 1}`;
  }
}

function words(line: string): [string, ...string[]] {
  return line.split(' ') as [string, ...string[]];
}
