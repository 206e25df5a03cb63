/** Members of the gossip in virtual time, on a network that delays and loses what they send each other, in processes that may stand still. */
import { Scheduler } from '../../../src/env/sim/scheduler.ts';
import { messageBytes } from '../../../src/gossip/codec.ts';
import { Gossip } from '../../../src/gossip/gossip.ts';
import type {
  GossipEvent,
  GossipSettings,
  MemberName,
  Message,
  Metadata,
} from '../../../src/gossip/types.ts';
import { SeededRandom } from '../raft/random.ts';

/** A node looks at what is due so often. */
const LOOK_INTERVAL_MS = 100;
const LATENCY_MIN_MS = 0.2;
const LATENCY_MAX_MS = 2;

/** TCP sends again what was not acknowledged for so long, then for twice as long, and so on. */
const RETRANSMISSION_MS = 200;

/** `connections`: what is lost is sent again, and what was sent later waits for it, as TCP has it. */
export interface Loss {
  share: number;
  over: 'datagrams' | 'connections';
}

export interface WorldOptions {
  seed: number;
  settings: GossipSettings;
  lifeguard: boolean;
  /** Replaces the random latency. */
  latencyMs?: number;
  /** Sees each event of each living member. */
  observe?: (node: SimulatedNode, event: GossipEvent, nowMs: number) => void;
  /** Sees each message that is handed to the network. */
  trace?: (from: SimulatedNode, to: SimulatedNode, message: Message) => void;
}

export interface SimulatedNode {
  readonly label: string;
  readonly name: MemberName;
  start: number;
  gossip: Gossip;
  isUp: boolean;
  /** Since when it stands still; null while it does not. */
  frozenSinceMs: number | null;
  /** What came meanwhile. */
  waiting: { from: MemberName; message: Message }[];
  /** When it looks at what is due next. */
  lookAtMs: number;
  sentMessages: number;
  sentBytes: number;
}

export class World {
  readonly scheduler = new Scheduler();
  readonly random: SeededRandom;
  readonly nodes: SimulatedNode[] = [];
  private readonly options: WorldOptions;
  private readonly byName = new Map<MemberName, SimulatedNode>();
  private readonly cuts = new Set<string>();
  loss: Loss = { share: 0, over: 'datagrams' };
  /** When what was sent last over a connection arrives: nothing overtakes it. */
  private readonly arrivals = new Map<string, number>();

  constructor(options: WorldOptions) {
    this.options = options;
    this.random = new SeededRandom(options.seed);
  }

  get nowMs(): number {
    return this.scheduler.nowMs;
  }

  add(label: string): SimulatedNode {
    const name = Array.from({ length: 5 }, () => this.random.uint32().toString(16).padStart(8, '0')).join('');
    const node: SimulatedNode = {
      label,
      name,
      start: 1,
      gossip: this.makeGossip(name, label, 1),
      isUp: true,
      frozenSinceMs: null,
      waiting: [],
      lookAtMs: Infinity,
      sentMessages: 0,
      sentBytes: 0,
    };
    this.nodes.push(node);
    this.byName.set(name, node);
    this.settle(node);
    return node;
  }

  labelOf(name: MemberName): string {
    return this.byName.get(name)?.label ?? name;
  }

  /** All are named by one topology, and connected with each other. */
  expectAll(): void {
    const names = this.nodes.map(({ name }) => name);
    for (const node of this.nodes) node.gossip.expect(names, this.nowMs);
    for (const node of this.nodes) this.settle(node);
  }

  /** Each has heard all others: the state of a cluster that has been running, without the exchange that led there. */
  acquaintAll(): void {
    const rumours = this.nodes.map(({ name, label }) => ({
      kind: 'alive' as const,
      name,
      incarnation: 2 ** 24 + 1,
      metadata: metadataOf(label),
    }));
    const epoch = { generation: 1, epoch: 1 };
    for (const node of this.nodes) {
      node.gossip.step(node.name, { kind: 'gossip', epoch, rumours }, this.nowMs);
      node.gossip.takeEvents();
      this.settle(node);
    }
  }

  advance(durationMs: number): void {
    this.scheduler.advance(durationMs);
  }

  // --- faults

  kill(node: SimulatedNode): void {
    node.isUp = false;
    node.waiting = [];
  }

  /** It comes back with a greater start number, and knows no more than its topology. */
  restart(node: SimulatedNode): void {
    node.start += 1;
    node.isUp = true;
    node.frozenSinceMs = null;
    node.gossip = this.makeGossip(node.name, node.label, node.start);
    node.gossip.expect(
      this.nodes.map(({ name }) => name),
      this.nowMs,
    );
    for (const other of this.nodes) {
      if (other === node || !other.isUp) continue;
      node.gossip.connected(other.name, this.nowMs);
      other.gossip.connected(node.name, this.nowMs);
      this.settle(other);
    }
    this.settle(node);
  }

  freeze(node: SimulatedNode): void {
    node.frozenSinceMs ??= this.nowMs;
  }

  /** Timers come first, then what there is to read: as in an event loop. `isDelayTold`: the member learns how late it is. */
  thaw(node: SimulatedNode, isDelayTold = true): void {
    if (node.frozenSinceMs === null) return;
    const delayMs = this.nowMs - node.frozenSinceMs;
    node.frozenSinceMs = null;
    if (!node.isUp) return;
    node.gossip.tick(this.nowMs, isDelayTold ? delayMs : 0);
    this.settle(node);
    const { waiting } = node;
    node.waiting = [];
    for (const { from, message } of waiting) this.deliver(node, from, message);
  }

  /** What `from` sends `to` is lost. */
  cut(from: SimulatedNode, to: SimulatedNode): void {
    this.cuts.add(`${from.name} ${to.name}`);
  }

  healAll(): void {
    this.cuts.clear();
  }

  // --- the members' driver

  /** Takes what came out of a call, and looks again when something is due. */
  settle(node: SimulatedNode): void {
    for (const event of node.gossip.takeEvents()) this.options.observe?.(node, event, this.nowMs);
    for (const { to, message } of node.gossip.takeOutgoing()) this.send(node, to, message);
    const dueMs = Math.max(node.gossip.nextDeadlineMs(), this.nowMs);
    const lookAtMs = Math.ceil(dueMs / LOOK_INTERVAL_MS) * LOOK_INTERVAL_MS;
    if (lookAtMs >= node.lookAtMs || lookAtMs === Infinity) return;
    node.lookAtMs = lookAtMs;
    this.scheduler.after(lookAtMs - this.nowMs, () => this.look(node, lookAtMs));
  }

  private look(node: SimulatedNode, lookAtMs: number): void {
    if (node.lookAtMs !== lookAtMs) return;
    node.lookAtMs = Infinity;
    if (!node.isUp || node.frozenSinceMs !== null) return;
    node.gossip.tick(this.nowMs, 0);
    this.settle(node);
  }

  private send(from: SimulatedNode, to: MemberName, message: Message): void {
    const target = this.byName.get(to);
    if (target === undefined) return;
    from.sentMessages += 1;
    from.sentBytes += messageBytes(message);
    this.options.trace?.(from, target, message);
    if (this.cuts.has(`${from.name} ${to}`)) return;
    const latencyMs = this.options.latencyMs ?? this.random.between(LATENCY_MIN_MS, LATENCY_MAX_MS);
    const delayMs = latencyMs + this.lossDelayMs(`${from.name} ${to}`, latencyMs);
    if (delayMs < Infinity) this.scheduler.after(delayMs, () => this.deliver(target, from.name, message));
  }

  /** By how much later it arrives; Infinity when it does not. */
  private lossDelayMs(connection: string, latencyMs: number): number {
    const { share, over } = this.loss;
    if (share === 0) return 0;
    if (over === 'datagrams') return this.random.chance(share) ? Infinity : 0;
    let delayMs = 0;
    for (let timeoutMs = RETRANSMISSION_MS; this.random.chance(share); timeoutMs *= 2) delayMs += timeoutMs;
    const arrivesMs = Math.max(this.nowMs + latencyMs + delayMs, this.arrivals.get(connection) ?? 0);
    this.arrivals.set(connection, arrivesMs);
    return arrivesMs - this.nowMs - latencyMs;
  }

  private deliver(node: SimulatedNode, from: MemberName, message: Message): void {
    if (!node.isUp) return;
    if (node.frozenSinceMs !== null) {
      node.waiting.push({ from, message });
      return;
    }
    node.gossip.step(from, message, this.nowMs);
    this.settle(node);
  }

  private makeGossip(name: MemberName, label: string, start: number): Gossip {
    const { settings, lifeguard } = this.options;
    const metadata = metadataOf(label);
    const random = (): number => this.random.uint32();
    return new Gossip({ self: name, start, metadata, settings, lifeguard, random }, this.nowMs);
  }
}

export function metadataOf(label: string): Metadata {
  return {
    label,
    host: `${label}.example.net`,
    clientPort: 6379,
    redirectPort: 7379,
    peerPort: 16379,
    adminPort: 8379,
    zone: 'zone-a',
    machine: `${label}.example.net`,
    weight: 1,
    version: '0.1.0',
    load: 1024,
    epoch: { generation: 1, epoch: 1 },
    leads: [{ shard: 1, term: 3 }],
  };
}
