/** Scenario scripts of the gossip: members by letters, commands that move time and faults, and what the members come to hold of each other. */
import { incarnationParts } from '../../src/gossip/member.ts';
import { PRESETS, type PresetName } from '../../src/gossip/presets.ts';
import type { GossipEvent, Message, Rumour } from '../../src/gossip/types.ts';
import { metadataOf, World, type SimulatedNode } from '../sim/gossip/world.ts';

const LABELS = 'abcdefghijklmnopqrstuvwxyz';

export class Scenario {
  private world: World | null = null;
  private lines: string[] = [];
  private isTracing = false;

  /** Runs one command; returns what it prints. */
  run(command: string): string {
    this.lines = [];
    const [name, ...args] = command.split(' ');
    const handler = this.commands[name];
    if (handler === undefined) throw new Error(`no such command: ${name}`);
    handler(args);
    return this.lines.length === 0 ? 'ok' : this.lines.join('\n');
  }

  private readonly commands: Record<string, (args: string[]) => void> = {
    /** `5 lan`, `5 lan plain`: so many members that know each other, by a preset, `plain`: without Lifeguard. */
    members: ([count, preset, ...options]) => this.begin(Number(count), preset, options),
    advance: ([ms]) => this.its.advance(Number(ms)),
    /** Messages are told from here on. */
    trace: ([state]) => {
      this.isTracing = state === 'on';
    },
    kill: ([a]) => this.its.kill(this.node(a)),
    restart: ([a]) => this.its.restart(this.node(a)),
    freeze: ([a]) => this.its.freeze(this.node(a)),
    thaw: ([a]) => this.its.thaw(this.node(a)),
    /** What a sends b is lost. */
    cut: ([a, b]) => this.its.cut(this.node(a), this.node(b)),
    heal: () => this.its.healAll(),
    /** The connection between them ends, which both see. */
    close: ([a, b]) => {
      this.node(a).gossip.disconnected(this.node(b).name, this.its.nowMs);
      this.its.settle(this.node(a));
    },
    open: ([a, b]) => {
      this.node(a).gossip.connected(this.node(b).name, this.its.nowMs);
      this.its.settle(this.node(a));
    },
    leave: ([a]) => {
      this.node(a).gossip.leave(this.its.nowMs);
      this.its.settle(this.node(a));
    },
    /** A new member, which knows only the one that it is connected to, and is in no topology. */
    join: ([a, b]) => {
      const node = this.its.add(a);
      node.gossip.connected(this.node(b).name, this.its.nowMs);
      this.its.settle(node);
    },
    /** `load=2048`, `zone=z`, `epoch=7`. */
    announce: ([a, ...changes]) => {
      const values = Object.fromEntries(changes.map((change) => change.split('=')));
      const { load = '1024', zone = 'zone-a', epoch = '1' } = values;
      const metadata = { ...metadataOf(a), load: Number(load), zone };
      this.node(a).gossip.announce(
        { ...metadata, epoch: { generation: 1, epoch: Number(epoch) } },
        this.its.nowMs,
      );
      this.its.settle(this.node(a));
    },
    /** What a holds of all. */
    view: ([a]) => this.tellView(this.node(a)),
    /** The highest epoch that a has heard of. */
    epoch: ([a]) => {
      const { generation, epoch } = this.node(a).gossip.epoch;
      this.lines.push(`epoch ${generation}.${epoch}`);
    },
    /** Local health, and what waits to be passed on. */
    health: ([a]) => {
      const { localHealth, queued } = this.node(a).gossip;
      this.lines.push(`health ${localHealth}, ${queued} rumours wait`);
    },
  };

  private begin(count: number, preset: string, options: readonly string[]): void {
    const world = new World({
      seed: 1,
      settings: PRESETS[preset as PresetName],
      lifeguard: !options.includes('plain'),
      latencyMs: 1,
      observe: (node, event) => this.tellEvent(node, event),
      trace: (from, to, message) => this.tellMessage(from, to, message),
    });
    this.world = world;
    for (const label of LABELS.slice(0, count)) world.add(label);
    world.expectAll();
    if (!options.includes('unheard')) world.acquaintAll();
  }

  private get its(): World {
    if (this.world === null) throw new Error('a scenario begins with members');
    return this.world;
  }

  private node(label: string): SimulatedNode {
    const node = this.its.nodes.find((one) => one.label === label);
    if (node === undefined) throw new Error(`no such member: ${label}`);
    return node;
  }

  private tellEvent(node: SimulatedNode, event: GossipEvent): void {
    if (event.kind === 'round-trip') return;
    const at = `${Math.round(this.its.nowMs)} ms: ${node.label}`;
    if (event.kind === 'refuted') this.lines.push(`${at} refutes`);
    else {
      const { state, was, name, from } = event;
      const before = was === null ? 'unheard' : was;
      this.lines.push(
        `${at} holds ${this.its.labelOf(name)} ${state}, ${before} before, by ${this.its.labelOf(from)}`,
      );
    }
  }

  private tellMessage(from: SimulatedNode, to: SimulatedNode, message: Message): void {
    if (!this.isTracing) return;
    const at = `${Math.round(this.its.nowMs)} ms: ${from.label}->${to.label} ${message.kind}`;
    const target = message.kind === 'ping-request' ? ` of ${this.its.labelOf(message.target)}` : '';
    const rumours = message.rumours.map((rumour) => this.textOf(rumour)).join(', ');
    this.lines.push(`${at}${target}${rumours === '' ? '' : ` [${rumours}]`}`);
  }

  private textOf(rumour: Rumour): string {
    return `${this.its.labelOf(rumour.name)} ${rumour.kind}`;
  }

  private tellView(node: SimulatedNode): void {
    const rows = node.gossip.members.map(({ name, state, incarnation, metadata }) => {
      const { start, count } = incarnationParts(incarnation);
      const zone = metadata === null ? 'nothing known' : `${metadata.zone}, load ${metadata.load}`;
      return `${this.its.labelOf(name)} ${state}, incarnation ${start}.${count}, ${zone}`;
    });
    this.lines.push(...rows.sort());
  }
}
