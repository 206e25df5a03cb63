/** A network that needs no rights: nodes announce the ports of a proxy, which cuts and slows the lines. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import type { Site } from '../e2e/cluster/torc-node.ts';
import type { LineFault, Network, NetworkPlan } from './network.ts';
import type { Door, Order } from './proxy/main.ts';

const PROXY = fileURLToPath(new URL('proxy/main.ts', import.meta.url));
const HOST = '127.0.0.1';

export class ProxiedNetwork implements Network {
  readonly kind = 'proxy';
  readonly canSlow = true;
  private readonly plan: NetworkPlan;
  private readonly child: ChildProcess;
  private readonly answers: AsyncIterator<string>;
  private places: Readonly<Record<string, number>> = {};

  private constructor(plan: NetworkPlan, child: ChildProcess) {
    this.plan = plan;
    this.child = child;
    this.answers = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  }

  static async open(plan: NetworkPlan): Promise<ProxiedNetwork> {
    const doors = plan.sparePorts.map((port, place): Door => {
      return { place, port, targetPort: plan.ports[place].peer };
    });
    const words = ['--import', 'tsx', PROXY, JSON.stringify(doors)];
    const child = spawn(process.execPath, words, { stdio: ['pipe', 'pipe', 'inherit'] });
    const network = new ProxiedNetwork(plan, child);
    await network.answer();
    return network;
  }

  site(): Site {
    return { host: HOST, command: [] };
  }

  peerAddress(place: number): string {
    return `${HOST}:${this.plan.sparePorts[place]}`;
  }

  settings(place: number): readonly string[] {
    return ['--announce-peer-port', String(this.plan.sparePorts[place])];
  }

  async know(ids: readonly string[]): Promise<void> {
    this.places = Object.fromEntries(ids.map((id, place) => [id, place]));
    await this.apply([]);
  }

  async apply(faults: readonly LineFault[]): Promise<void> {
    const order: Order = { places: this.places, faults };
    this.child.stdin!.write(`${JSON.stringify(order)}\n`);
    await this.answer();
  }

  async close(): Promise<void> {
    const ended = once(this.child, 'exit');
    this.child.stdin!.end();
    if (this.child.exitCode === null) await ended;
  }

  private async answer(): Promise<void> {
    const { done } = await this.answers.next();
    if (done === true) throw new Error("the mesh's proxy has ended");
  }
}
