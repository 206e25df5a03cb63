/** The cluster version is raised: node by node the next build takes the place of this one, then an operator says so; who goes back after that is refused. */
import { RULES } from '../../../../src/commands/table.ts';
import type { SeededRandom } from '../../../../src/env/sim/random.ts';
import { portOf } from '../cluster.ts';
import type { Builds } from './builds.ts';
import { changeTopology } from './changes.ts';
import { Line } from './line.ts';
import type { Victim } from './victim.ts';
import type { World } from './world.ts';

const STEP_MS = 700;
const DOWN_MS = 500;
const BACK_EVERY_MS = 12_000;
const PROBE_EVERY_MS = 400;
const PROBED_FOR_MS = 5000;
/** DECRBY by one of a key that was not there, by the rules of this build and of the next. */
const ONCE = ':-1\r\n';
const TWICE = ':-2\r\n';

export class VersionFaults {
  /** Begins by itself, in some runs, when its time has come; counted when a node has synced that it was raised. */
  readonly strikes = { 'cluster version raised': () => false };
  private readonly world: World;
  private readonly builds: Builds;
  private readonly random: SeededRandom;
  private probes = 0;

  constructor(world: World) {
    this.world = world;
    this.builds = world.builds;
    this.random = world.builds.random;
    const { raisedFromMs } = world.builds;
    if (raisedFromMs === null) return;
    this.after(PROBE_EVERY_MS, () => this.probe());
    this.after(raisedFromMs, () => {
      world.log.say('all nodes are to run the next build');
      this.builds.isUpgrading = true;
      this.step();
    });
  }

  private after(ms: number, run: () => void): void {
    this.world.scheduler.after(ms, () => {
      if (!this.world.isHealed && this.world.failure === null) run();
    });
  }

  private step(): void {
    const { builds, world } = this;
    if (builds.isRaised) {
      this.after(this.random.below(BACK_EVERY_MS), () => this.goBack());
      return;
    }
    const behind = world.victims.filter(({ life, rules }) => life !== 'down' && rules !== builds.next);
    if (behind.length > 0) this.upgrade(behind[this.random.below(behind.length)]);
    else this.raise();
    this.after(this.random.below(STEP_MS), () => this.step());
  }

  private upgrade(victim: Victim): void {
    const { random, world } = this;
    if (victim.isPaused || victim.life === 'stopping') return;
    if (victim.life === 'starting' || random.chance(0.5)) {
      world.log.say(`${victim.name} is killed: it is to run the next build`);
      world.crash(victim, 'kill', false);
      world.startLater(victim, random.below(DOWN_MS));
      return;
    }
    world.log.say(`${victim.name} is stopped in good order: it is to run the next build`);
    world
      .stop(victim)
      .then(() => world.startLater(victim, random.below(DOWN_MS)))
      .catch((error: unknown) => world.fail(error));
  }

  /** Refused as long as a node is not reached. */
  private raise(): void {
    const { newest } = this.builds.next;
    changeTopology(
      this.world,
      this.random,
      ({ version }) => (version < newest ? { kind: 'raise-version', version: newest } : null),
      () => {},
    );
  }

  /** A node that knows of the raise starts as this build: it is refused. */
  private goBack(): void {
    const { builds, random, world } = this;
    const those = world.victims.filter(
      ({ i, isReady, damage }) => isReady && damage === null && builds.isRaisedAt(i),
    );
    if (those.length > 0) {
      const victim = those[random.below(those.length)];
      world.log.say(`${victim.name} is killed: it is to run the build of version ${RULES.newest} again`);
      world.crash(victim, 'kill', false);
      builds.goBack(victim.i);
      world.startLater(victim, random.below(DOWN_MS));
    }
    this.after(random.below(BACK_EVERY_MS), () => this.goBack());
  }

  /** What the builds do differently is asked for all the time, on any node. */
  private probe(): void {
    const { random, world } = this;
    this.after(PROBE_EVERY_MS, () => this.probe());
    const { i } = world.victims[random.below(world.victims.length)];
    const key = `version-${++this.probes}`;
    const line = new Line(world.cluster.network, 'probe', portOf(i), {
      reply: (told) => {
        line.drop();
        this.judge(told);
      },
      closed: () => {},
    });
    if (!line.isOpen) return;
    line.send([['DECRBY', key, '1']]);
    world.scheduler.after(PROBED_FOR_MS, () => line.drop());
  }

  private judge(reply: string): void {
    const { builds, counters } = this.world;
    if (reply.startsWith('-') || reply === ONCE) return;
    if (reply !== TWICE) this.world.broken('cluster-version', `DECRBY of a new key was answered ${reply}`);
    if (!builds.isRaised)
      this.world.broken('cluster-version', 'a command did as in the next version before that was raised');
    counters.sometimes('command of a raised version');
  }
}
