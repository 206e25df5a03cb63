/** Few of the keys that clients ask for lie in a slot just when that is fenced: here somebody asks for those, and for all else that was fenced with them. */
import { slotOf } from '../../../../ring/index.ts';
import type { SeededRandom } from '../../../../src/env/sim/random.ts';
import { portOf } from '../cluster.ts';
import { Line } from './line.ts';
import type { World } from './world.ts';

const ASKED_MOST = 3;
/** A fence lasts for some milliseconds. */
const SOON_MS = 8;
const READ_AFTER_MS = 4000;
const GIVEN_UP_AFTER_MS = 8000;
const ONCE = ':1\r\n';
const HELD = '$1\r\n1\r\n';
const NIL = '$-1\r\n';

/** Tags, by slot, as they were found so far. */
const tags: (string | undefined)[] = [];
let tried = 0;

export class FenceProbe {
  private readonly world: World;
  private readonly random: SeededRandom;
  private asked = 0;

  constructor(world: World, random: SeededRandom) {
    this.world = world;
    this.random = random;
  }

  start(): void {
    const { invariants, scheduler } = this.world;
    // Not from within an apply.
    invariants.slots.onFrozen = (slots) => scheduler.after(0, () => this.probe(slots));
  }

  private probe(slots: readonly number[]): void {
    const { random, world } = this;
    if (world.isHealed || world.failure !== null) return;
    for (let count = 1 + random.below(ASKED_MOST); count > 0; count--) {
      const slot = slots[random.below(slots.length)];
      world.scheduler.after(random.below(SOON_MS), () => this.increment(slot));
    }
  }

  /** Of a key that nobody else knows: answered, it ran once, and is there. */
  private increment(slot: number): void {
    const { counters } = this.world;
    const key = `fence-${++this.asked}{${tagOf(slot)}}`;
    this.ask(['INCR', key], (reply) => {
      if (reply.startsWith('-')) return;
      if (reply !== ONCE) this.world.broken('replies-as-asked', `INCR of a new key was answered ${reply}`);
      counters.sometimes('command answered that met a fence');
      this.world.scheduler.after(READ_AFTER_MS, () => this.read(key));
    });
  }

  private read(key: string): void {
    this.ask(['GET', key], (reply) => {
      const isGone = this.world.plan.load.evictsAll && reply === NIL;
      if (!reply.startsWith('-') && reply !== HELD && !isGone)
        this.world.broken('replies-as-asked', `${key} was 1 when its slot moved, and is ${reply}`);
    });
  }

  private ask(words: readonly string[], told: (reply: string) => void): void {
    const { random, world } = this;
    if (world.failure !== null) return;
    const port = portOf(random.below(world.victims.length));
    const line = new Line(world.cluster.network, 'probe', port, {
      reply: (reply) => {
        line.drop();
        told(reply);
      },
      closed: () => {},
    });
    if (!line.isOpen) return;
    line.send([words]);
    world.scheduler.after(GIVEN_UP_AFTER_MS, () => line.drop());
  }
}

function tagOf(slot: number): string {
  for (; ; tried++) {
    const tag = tags[slot];
    if (tag !== undefined) return tag;
    const next = `t${tried}`;
    tags[slotOf(Buffer.from(next), 0, next.length)] ??= next;
  }
}
