/** The processes of `torc dev`: started, watched, restarted, stopped. They end by themselves when this process does. */
import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { StartupError } from '../errors.ts';
import { isChildMessage, type ChildMessage } from './child-message.ts';

export interface ChildPlan {
  readonly name: string;
  /** The program and its arguments. */
  readonly command: readonly [string, ...string[]];
  readonly environment: Readonly<Record<string, string | undefined>>;
}

export interface SupervisorOptions {
  /** Null: what dies stays dead. */
  readonly restartDelayMs: number | null;
  /** A child that has not stopped by then is killed. */
  readonly stopLimitMs: number;
}

export interface SupervisorListener {
  onLine(name: string, line: string): void;
  /** It ended without having been told to. */
  onDeath(name: string, how: string): void;
  /** It was ready before, died, and now refuses to start: it is left so. */
  onRefusal(name: string, message: string): void;
}

interface Child {
  readonly plan: ChildPlan;
  process: ChildProcess | null;
  restart: NodeJS.Timeout | null;
  wasReady: boolean;
  refused: string | null;
  /** Called when the process has ended. */
  ended: (() => void)[];
}

export class Supervisor {
  readonly #children: readonly Child[];
  readonly #options: SupervisorOptions;
  readonly #listener: SupervisorListener;
  #stopping = false;
  #allReady: (() => void) | null = null;
  #notStarted: ((error: StartupError) => void) | null = null;

  constructor(plans: readonly ChildPlan[], options: SupervisorOptions, listener: SupervisorListener) {
    this.#children = plans.map((plan) => ({
      plan,
      process: null,
      restart: null,
      wasReady: false,
      refused: null,
      ended: [],
    }));
    this.#options = options;
    this.#listener = listener;
  }

  /** Resolves when all have been ready once; rejects when one refuses to start, or dies for good before. */
  start(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#allReady = resolve;
      this.#notStarted = reject;
      for (const child of this.#children) this.#spawn(child);
    });
  }

  /** One after the other, so that each can hand its leaderships to the next ones. */
  async stop(): Promise<void> {
    this.#stopping = true;
    for (const { restart } of this.#children) if (restart !== null) clearTimeout(restart);
    for (const child of this.#children) await this.#stopOne(child);
  }

  /** At once. */
  kill(): void {
    this.#stopping = true;
    for (const child of this.#children) child.process?.kill('SIGKILL');
  }

  #spawn(child: Child): void {
    const [program, ...programArguments] = child.plan.command;
    // A process group of its own: the terminal's Ctrl-C must reach this process alone, which then stops them in order.
    const started = spawn(program, programArguments, {
      env: child.plan.environment,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      detached: true,
    });
    child.process = started;
    child.restart = null;
    child.refused = null;
    for (const stream of [started.stdout, started.stderr]) {
      if (stream === null) continue;
      createInterface({ input: stream }).on('line', (line) => this.#listener.onLine(child.plan.name, line));
    }
    started.on('message', (message) => {
      if (isChildMessage(message)) this.#onMessage(child, message);
    });
    started.on('error', (error) => this.#onEnd(child, error.message));
    started.on('close', (code, signal) =>
      this.#onEnd(child, signal === null ? `exit code ${code}` : `killed by ${signal}`),
    );
  }

  #onMessage(child: Child, message: ChildMessage): void {
    if (message.kind === 'refused') {
      child.refused = message.message;
      return;
    }
    child.wasReady = true;
    if (this.#children.every(({ wasReady }) => wasReady)) this.#allReady?.();
  }

  #onEnd(child: Child, how: string): void {
    // An error of the start is followed by a close, or is not: whichever comes first counts.
    if (child.process === null) return;
    child.process = null;
    for (const ended of child.ended.splice(0)) ended();
    if (this.#stopping) return;
    if (child.refused !== null) return this.#onRefused(child, child.refused);
    this.#listener.onDeath(child.plan.name, how);
    const { restartDelayMs } = this.#options;
    if (restartDelayMs !== null) child.restart = setTimeout(() => this.#spawn(child), restartDelayMs);
    else if (!child.wasReady)
      this.#notStarted?.(
        new StartupError('TORC_DEV_CHILD', `${child.plan.name} died before it was ready (${how}).`),
      );
  }

  #onRefused(child: Child, message: string): void {
    if (child.wasReady) this.#listener.onRefusal(child.plan.name, message);
    else this.#notStarted?.(new StartupError('TORC_DEV_CHILD', `${child.plan.name}: ${message}`));
  }

  #stopOne(child: Child): Promise<void> {
    const running = child.process;
    if (running === null) return Promise.resolve();
    return new Promise((resolve) => {
      const limit = setTimeout(() => running.kill('SIGKILL'), this.#options.stopLimitMs);
      child.ended.push(() => {
        clearTimeout(limit);
        resolve();
      });
      running.kill('SIGTERM');
    });
  }
}
