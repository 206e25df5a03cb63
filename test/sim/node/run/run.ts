/** A run of one seed: whole nodes in this thread, faults, clients, then healing and the verdict. The same seed gives the same run. */
import { loadTokenHash } from '../../../../ring/index.ts';
import { SeededRandom } from '../../../../src/env/sim/random.ts';
import { Client } from './client.ts';
import { asideOf, Commands, EXPIRED_AFTER_MS, type Asked } from './commands.ts';
import type { Counters } from './counters.ts';
import { Faults } from './faults.ts';
import { FenceProbe } from './fence-probe.ts';
import { requireAgreement, requireProgress } from './liveness.ts';
import { drawPlan, type RunPlan, type Wanted } from './plan.ts';
import { Recorder } from './recorder.ts';
import { World } from './world.ts';

/** A run counts that lives so long, with so many commands and faults that struck. */
const LIFE_MS = 60_000;
const LIFE_MAX_MS = 240_000;
const COMMANDS_LEAST = 2000;
const FAULTS_LEAST = 5;
const AUDIT_AT_ONCE = 20;
/** A leader may have changed while it was asked: then it asks again. */
const AUDIT_MS = 20_000;
const CHECK_MS = 100;

export interface RunOptions {
  wanted?: Wanted;
  /** Told each line. */
  told?: (line: string) => void;
}

export interface RunResult {
  seed: number;
  /** Null: all held. */
  failure: string | null;
  plan: RunPlan;
  virtualMs: number;
  commands: number;
  answered: number;
  counters: Counters;
  lines: number;
  /** Of all lines. */
  digest: string;
}

export async function runSeed(seed: number, { wanted, told }: RunOptions = {}): Promise<RunResult> {
  // Compiled outside simulated time, once.
  await loadTokenHash();
  const random = new SeededRandom(Math.imul(seed, 0x9e3779b1) ^ 0x5eed);
  const late = new SeededRandom(~seed);
  const plan = drawPlan(random, late, wanted);
  const world = new World(random.uint32(), plan, told ?? null);
  const recorder = new Recorder(world.scheduler);
  world.log.say(describe(plan));
  try {
    await live(world, recorder, random, late);
  } catch (error) {
    world.fail(error);
  }
  if (world.failure === null) judge(world, recorder);
  world.end();
  world.log.say(world.failure === null ? 'all held' : `failed: ${world.failure}`);
  return {
    seed,
    failure: world.failure,
    plan,
    virtualMs: world.scheduler.nowMs,
    commands: recorder.commands,
    answered: recorder.answeredCount,
    counters: world.counters,
    lines: world.log.lines,
    digest: world.log.digest,
  };
}

async function live(
  world: World,
  recorder: Recorder,
  random: SeededRandom,
  late: SeededRandom,
): Promise<void> {
  const { plan } = world;
  const commands = new Commands(new SeededRandom(random.uint32()), plan.load);
  const clients = Array.from(
    { length: plan.load.clients },
    (_, number) => new Client(world, number, commands, recorder, new SeededRandom(random.uint32())),
  );
  if (plan.load.asksAtFences) new FenceProbe(world, late).start();
  const faults = new Faults(world, new SeededRandom(random.uint32()));
  for (const victim of world.victims) {
    const isLast = victim.i === plan.nodes - 1;
    world.startLater(victim, random.below(50) + (isLast ? (plan.joinsAfterMs ?? 0) : 0));
  }
  faults.start();
  await prepare(world, clients[0], commands);
  for (const client of clients) client.start();
  while (world.failure === null && !isLongEnough(world, recorder)) await world.pass(CHECK_MS);
  faults.stop();
  if (world.failure === null) await requireProgress(world, clients, random);
  if (world.failure === null) await audit(world, clients[0], commands);
  if (world.failure === null) await requireAgreement(world);
}

function isLongEnough({ counters, scheduler }: World, { commands }: Recorder): boolean {
  const { nowMs } = scheduler;
  if (nowMs < LIFE_MS) return false;
  return nowMs > LIFE_MAX_MS || (commands >= COMMANDS_LEAST && counters.faultsStruck >= FAULTS_LEAST);
}

async function prepare(world: World, client: Client, commands: Commands): Promise<void> {
  const preparations = commands.preparations();
  if (preparations.length === 0) return;
  while (world.failure === null && !world.victims.every(({ isReady }) => isReady)) await world.pass(CHECK_MS);
  for (const words of preparations) await insist(world, client, words);
}

/** Asks until it was done: what all later replies are judged by must not be lost to a fault. */
async function insist(world: World, client: Client, words: readonly string[]): Promise<void> {
  const done = { replies: 0 };
  const wrong = (reply: string): null => {
    if (reply.startsWith('+')) done.replies += 1;
    return null;
  };
  while (world.failure === null && done.replies === 0) {
    await client.askAll([asideOf({ words, wrong })], 1);
    // Where nobody listens it is given up at once.
    if (done.replies === 0) await world.pass(CHECK_MS);
  }
}

/** All that was acknowledged is there: each key is read, and answered. */
async function audit(world: World, client: Client, commands: Commands): Promise<void> {
  await world.pass(EXPIRED_AFTER_MS);
  world.log.say('audit: all that was written is read');
  const untilMs = world.scheduler.nowMs + AUDIT_MS;
  let left: readonly Asked[] = commands.audit();
  while (left.length > 0 && world.failure === null) {
    left = await client.askAll(left, AUDIT_AT_ONCE);
    if (left.length === 0) return;
    if (world.scheduler.nowMs > untilMs)
      world.found(
        'answers-after-healing',
        `${left.length} reads are not answered: ${left[0].words.join(' ')}`,
      );
    await world.pass(CHECK_MS);
  }
}

function describe(plan: RunPlan): string {
  const { nodes, durability, faults, load, joinsAfterMs } = plan;
  const joins = joinsAfterMs === null ? '' : ` (the last joins after ${joinsAfterMs} ms)`;
  return `${nodes} nodes${joins}, ${durability}, ${load.clients} clients; faults: ${faults.join(', ')}`;
}

function judge(world: World, recorder: Recorder): void {
  const verdict = recorder.verdict();
  if (verdict !== null) world.found(verdict.name, verdict.what);
}
