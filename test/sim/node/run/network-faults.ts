import type { SeededRandom } from '../../../../src/env/sim/random.ts';
import { clientName } from './client.ts';
import { bothWays } from './cuts.ts';
import type { World } from './world.ts';

const CUT_MIN_MS = 100;
const CUT_MAX_MS = 7000;
const SLOW_MAX_MS = [20, 100, 700];
const SLOW_LINK_MAX_MS = [60, 300, 1500];
const CLOG_STEP_MS = 800;

type Direction = readonly [from: string, to: string];

export class NetworkFaults {
  readonly strikes = {
    'one-way cut': () => this.cutOneWay(),
    'two-way cut': () => this.cutPair(),
    'node cut off': () => this.cutOff(),
    split: () => this.split(),
    bridge: () => this.bridge(),
    clog: () => this.clog(),
    'slow network': () => this.slow(),
    'slow link': () => this.slowLink(),
    'connections reset': () => this.reset(),
    'clients cut off': () => this.cutClients(),
    'clients send no more': () => this.finishClient(),
  };
  private readonly world: World;
  private readonly random: SeededRandom;

  constructor(world: World, random: SeededRandom) {
    this.world = world;
    this.random = random;
  }

  /** Nodes in an order of chance. */
  private names(): string[] {
    const names = this.world.victims.map(({ name }) => name);
    for (let i = names.length - 1; i > 0; i--) {
      const j = this.random.below(i + 1);
      [names[i], names[j]] = [names[j], names[i]];
    }
    return names;
  }

  private cut(what: string, directions: readonly Direction[]): boolean {
    const { random, world } = this;
    const durationMs = CUT_MIN_MS + random.below(CUT_MAX_MS);
    world.log.say(`network: ${what} for ${durationMs} ms`);
    const mend = world.cuts.cut(directions);
    world.lasts(durationMs, () => {
      mend();
      world.log.say(`network: ${what}: no more`);
    });
    return true;
  }

  /** What it has sent is answered, and then the node ends the connection, too. */
  private finishClient(): boolean {
    const { random, world } = this;
    const name = clientName(random.below(world.plan.load.clients));
    const count = world.cluster.network.finish(name);
    if (count > 0) world.log.say(`network: ${name} sends no more on ${count} connections`);
    return count > 0;
  }

  private cutOneWay(): boolean {
    const [from, to] = this.names();
    return to !== undefined && this.cut(`nothing gets from ${from} to ${to}`, [[from, to]]);
  }

  private cutPair(): boolean {
    const [a, b] = this.names();
    return b !== undefined && this.cut(`${a} and ${b} are cut off from each other`, bothWays(a, b));
  }

  /** From all other nodes, both ways, or so that it is heard and does not hear, or the other way round. */
  private cutOff(): boolean {
    const [node, ...others] = this.names();
    if (others.length === 0) return false;
    const how = this.random.below(3);
    const directions = others.flatMap((other) =>
      bothWays(node, other).filter((_, i) => how === 2 || how === i),
    );
    return this.cut(
      `${node} ${['hears no node', 'is heard by no node', 'is cut off from all nodes'][2 - how] ?? ''}`,
      directions,
    );
  }

  private split(): boolean {
    const names = this.names();
    if (names.length < 3) return false;
    const size = 1 + this.random.below(names.length - 1);
    const [left, right] = [names.slice(0, size), names.slice(size)];
    return this.cut(`${left.join(' ')} | ${right.join(' ')}`, between(left, right));
  }

  /** Two sides that only one node reaches both of. */
  private bridge(): boolean {
    const [bridge, ...others] = this.names();
    if (others.length < 2) return false;
    const size = 1 + this.random.below(others.length - 1);
    const [left, right] = [others.slice(0, size), others.slice(size)];
    return this.cut(
      `${left.join(' ')} | ${right.join(' ')}, and ${bridge} reaches all`,
      between(left, right),
    );
  }

  /** Links of some nodes stand still one after the other, and go on in another order. */
  private clog(): boolean {
    const { random, world } = this;
    const names = this.names();
    if (names.length < 2) return false;
    const clogged = names.slice(0, 1 + random.below(names.length - 1));
    for (const name of clogged) {
      world.scheduler.after(random.below(CLOG_STEP_MS * clogged.length), () => {
        if (world.isHealed) return;
        const others = names.filter((other) => other !== name);
        this.cut(
          `${name} is clogged`,
          others.flatMap((other) => bothWays(name, other)),
        );
      });
    }
    return true;
  }

  private slow(): boolean {
    const { random, world } = this;
    const { network } = world.cluster;
    const before = network.options;
    const maxDelayMs = SLOW_MAX_MS[random.below(SLOW_MAX_MS.length)] + world.plan.delayMs.max;
    network.options = { ...before, maxDelayMs };
    const durationMs = CUT_MIN_MS + random.below(CUT_MAX_MS);
    world.log.say(`network: up to ${maxDelayMs} ms a message for ${durationMs} ms`);
    world.invariants.slowness += 1;
    world.lasts(durationMs, () => {
      network.options = { ...network.options, maxDelayMs: world.plan.delayMs.max };
      world.invariants.slowness -= 1;
    });
    return true;
  }

  /** In one direction: who is told late of what others know already goes on as if nothing had happened. */
  private slowLink(): boolean {
    const { random, world } = this;
    const [from, to] = this.names();
    if (to === undefined) return false;
    const byMs = SLOW_LINK_MAX_MS[random.below(SLOW_LINK_MAX_MS.length)];
    const durationMs = CUT_MIN_MS + random.below(CUT_MAX_MS);
    world.log.say(`network: up to ${byMs} ms more from ${from} to ${to} for ${durationMs} ms`);
    world.cluster.network.slow(from, to, byMs);
    world.invariants.slowness += 1;
    world.lasts(durationMs, () => {
      world.cluster.network.slow(from, to, 0);
      world.invariants.slowness -= 1;
    });
    return true;
  }

  private reset(): boolean {
    const { random, world } = this;
    const [a, b] = this.names();
    const other =
      b === undefined || random.chance(0.4) ? clientName(random.below(world.plan.load.clients)) : b;
    world.log.say(`network: connections of ${a} and ${other} are reset`);
    world.cluster.network.reset(a, other);
    return true;
  }

  private cutClients(): boolean {
    const { random, world } = this;
    const [node] = this.names();
    const { clients } = world.plan.load;
    const names = Array.from({ length: clients }, (_, i) => clientName(i)).filter(() => random.chance(0.5));
    const how = random.below(3);
    const directions = names.flatMap((name) => bothWays(name, node).filter((_, i) => how === 2 || how === i));
    return (
      names.length > 0 &&
      this.cut(`${names.length} clients and ${node} do not reach each other (${how})`, directions)
    );
  }
}

function between(left: readonly string[], right: readonly string[]): Direction[] {
  return left.flatMap((a) => right.flatMap((b) => bothWays(a, b)));
}
