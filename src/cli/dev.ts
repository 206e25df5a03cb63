/** `torc dev`: a cluster of this machine, a process a node. */
import { SystemDisk } from '../env/disk.ts';
import type { DiskLock } from '../env/contracts.ts';
import type { Settings } from '../settings/rows.ts';
import { unknownVariables } from '../settings/unknown-variables.ts';
import { colourful, paint } from './colour.ts';
import { devBanner } from './dev-banner.ts';
import { claimDirectory } from './dev-directory.ts';
import { planNodes, variablesOf, type DevRequest } from './dev-plan.ts';
import { ExitCode, exitCodeOf } from './exit-code.ts';
import { checkPortsFree } from './ports.ts';
import { Supervisor, type ChildPlan, type SupervisorListener } from './supervisor.ts';

export interface DevOptions extends DevRequest {
  readonly fresh: boolean;
  readonly restart: boolean;
  /** What runs this program: the children are it, with `start`. */
  readonly self: readonly [string, ...string[]];
}

const RESTART_DELAY_MS = 2000;
/** A node ends itself sooner than this after its own limit. */
const KILL_GRACE_MS = 4000;
/** One Ctrl-C can arrive twice: from the terminal, and passed on by npm. */
const SAME_SIGNAL_MS = 200;
const PREFIX_COLOURS = ['cyan', 'magenta', 'blue', 'green', 'yellow'] as const;

/** Resolves with the exit code. Throws StartupError, with nothing left running. */
export async function runDev(options: DevOptions): Promise<number> {
  const nodes = planNodes(options);
  warnOfUnknown(unknownVariables(options.environment));
  await checkPortsFree(nodes);
  const [first] = nodes;
  const cluster = { nodes: nodes.length, port: first.clientPort, host: first.announceHost };
  const lock = await claimDirectory(new SystemDisk(), options.directory, cluster, options.fresh);
  const coloured = colourful(process.stdout);
  const printer = new Printer(nodes, coloured);
  const supervisor = new Supervisor(
    nodes.map((settings) => childPlan(settings, options, coloured)),
    {
      restartDelayMs: options.restart ? RESTART_DELAY_MS : null,
      stopLimitMs: first.stopTimeoutMs + KILL_GRACE_MS,
    },
    printer.listener(options.restart),
  );
  const stopped = stopOnSignal(supervisor, lock);
  try {
    const started = supervisor.start().then(() => printer.banner(options.directory));
    // A stop may come first; then there is nothing to wait for, and nothing to print.
    await Promise.race([started, stopped]);
  } catch (error) {
    await supervisor.stop();
    await lock.release();
    throw error;
  }
  return stopped;
}

/** Here, once, and not by each node. */
function warnOfUnknown(names: readonly string[]): void {
  if (names.length === 0) return;
  process.stderr.write(`torc: no setting has the variable ${names.join(', ')}: it does nothing.\n`);
}

/** The first signal stops the nodes in order, a second one ends all at once. */
function stopOnSignal(supervisor: Supervisor, lock: DiskLock): Promise<number> {
  return new Promise((resolve, reject) => {
    let firstAtMs: number | null = null;
    const stop = (signal: NodeJS.Signals): void => {
      const nowMs = performance.now();
      if (firstAtMs !== null) {
        if (nowMs - firstAtMs < SAME_SIGNAL_MS) return;
        supervisor.kill();
        process.exit(exitCodeOf(signal));
      }
      firstAtMs = nowMs;
      process.stdout.write('Stopping; once more to kill.\n');
      supervisor
        .stop()
        .then(() => lock.release())
        .then(() => {
          process.stdout.write('All nodes have stopped. Their data is kept.\n');
          resolve(ExitCode.OK);
        }, reject);
    };
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stop(signal));
    // Nobody reads any more, as after `torc dev | head`.
    process.stdout.on('error', () => {
      if (firstAtMs === null) stop('SIGHUP');
    });
  });
}

function childPlan(settings: Settings, options: DevOptions, coloured: boolean): ChildPlan {
  const dropped = new Set(['TORC_CONFIG', ...unknownVariables(options.environment)]);
  const environment = Object.fromEntries(
    Object.entries(options.environment).filter(([name]) => !dropped.has(name)),
  );
  return {
    name: settings.id,
    command: [...options.self, 'start', '--id', settings.id],
    // Their output passes through here: whether it goes to a terminal is known only here.
    environment: { ...environment, ...(coloured ? { FORCE_COLOR: '1' } : {}), ...variablesOf(settings) },
  };
}

class Printer {
  readonly #nodes: readonly Settings[];
  readonly #coloured: boolean;
  readonly #prefixes: ReadonlyMap<string, string>;

  constructor(nodes: readonly Settings[], coloured: boolean) {
    this.#nodes = nodes;
    this.#coloured = coloured;
    const width = Math.max(...nodes.map(({ id }) => id.length));
    this.#prefixes = new Map(
      nodes.map(({ id }, at) => {
        const padded = `${id.padEnd(width)} |`;
        const colour = PREFIX_COLOURS[at % PREFIX_COLOURS.length];
        return [id, paint(colour, padded, this.#coloured)];
      }),
    );
  }

  banner(directory: string): void {
    const style = { coloured: this.#coloured, boxed: process.stdout.isTTY };
    process.stdout.write(devBanner(this.#nodes, directory, style));
  }

  listener(restart: boolean): SupervisorListener {
    const next = restart ? `restarted in ${RESTART_DELAY_MS / 1000} s` : 'left so (--no-restart)';
    return {
      onLine: (name, line) => this.#print(name, line),
      onDeath: (name, how) => this.#print(name, `died (${how}); the others go on; ${next}`),
      onRefusal: (name, message) => this.#print(name, `does not start and is left so: ${message}`),
    };
  }

  #print(name: string, line: string): void {
    process.stdout.write(`${this.#prefixes.get(name) ?? name} ${line}\n`);
  }
}
