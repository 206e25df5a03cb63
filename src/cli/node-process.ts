/** One node in the foreground: `torc start`. Signals stop it; so does the end of the `torc dev` that started it. */
import { REPLACED, StartupError } from '../errors.ts';
import type { Settings } from '../settings/rows.ts';
import { redacted } from '../settings/views.ts';
import { VERSION } from '../version.ts';
import type { ChildMessage } from './child-message.ts';
import { ExitCode, exitCodeOf } from './exit-code.ts';
import { createProcessLog, type ProcessLog } from './process-log.ts';
import type { LaunchNode, RunningNode } from './running-node.ts';

const READY_POLL_MS = 25;
/** Beyond the time that the node takes itself for stopping. */
const STOP_GRACE_MS = 2000;

export class NodeProcess {
  readonly #settings: Settings;
  readonly #unknownVariables: readonly string[];
  readonly #log: ProcessLog;
  #node: RunningNode | null = null;
  #stopping = false;
  #poll: NodeJS.Timeout | undefined;

  /** `unknownVariables`: names of variables that were meant for Torc, it seems, and are none of its. */
  constructor(settings: Settings, unknownVariables: readonly string[]) {
    this.#settings = settings;
    this.#unknownVariables = unknownVariables;
    this.#log = createProcessLog(settings);
  }

  /** Ends with the process. */
  async run(launch: LaunchNode): Promise<void> {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => this.#onSignal(signal));
    process.on('disconnect', () => this.#exit(ExitCode.FAILED));
    // What nobody caught is a bug: the node must not serve on with a broken state.
    process.on('uncaughtException', (error) => this.#fail(error));
    await this.#launch(launch);
  }

  async #launch(launch: LaunchNode): Promise<void> {
    try {
      const node = await launch(this.#settings, this.#log, () => this.#onClaimed());
      node.onFatal((error) => this.#onFatal(error, launch));
      this.#node = node;
      if (process.send !== undefined) this.#announceWhenReady(node);
    } catch (error) {
      this.#giveUp(error);
    }
  }

  /** One that was replaced while it was away goes on as one that has nothing. */
  #onFatal(error: Error, launch: LaunchNode): void {
    if (this.#stopping || !(error instanceof StartupError) || error.code !== REPLACED) {
      this.#giveUp(error);
      return;
    }
    this.#log.warn('replaced', { reason: error.message });
    this.#node = null;
    clearInterval(this.#poll);
    void this.#launch(launch);
  }

  #onClaimed(): void {
    this.#log.info('starting', {
      version: VERSION,
      processId: process.pid,
      data: this.#settings.dataDirectory,
    });
    this.#log.debug('settings', redacted(this.#settings));
    if (this.#unknownVariables.length > 0)
      this.#log.warn('variables-unknown', { names: this.#unknownVariables });
  }

  /** Some refusals come late: only the others of the cluster know that this node has no place there. */
  #giveUp(error: unknown): void {
    if (error instanceof StartupError) this.#refuse(error);
    else this.#fail(error);
  }

  #onSignal(signal: NodeJS.Signals): void {
    const node = this.#node;
    // Nothing is served yet, or the person is done waiting: what is on disk is good after a crash, too.
    if (node === null || this.#stopping) return this.#exit(exitCodeOf(signal));
    this.#stopping = true;
    this.#log.info('stopping', { signal });
    const limitMs = this.#settings.stopTimeoutMs + STOP_GRACE_MS;
    setTimeout(() => this.#fail(new Error(`the stop took longer than ${limitMs} ms`)), limitMs);
    node.stop().then(
      () => {
        this.#log.info('stopped');
        this.#log.settle(() => this.#exit(ExitCode.OK));
      },
      (error: unknown) => this.#fail(error),
    );
  }

  #announceWhenReady(node: RunningNode): void {
    this.#poll = setInterval(() => {
      if (!node.ready) return;
      clearInterval(this.#poll);
      this.#tellParent({ kind: 'ready' }, () => {});
    }, READY_POLL_MS);
  }

  #refuse(error: StartupError): void {
    const exit = (): void => this.#exit(ExitCode.REFUSED);
    if (process.send !== undefined)
      return this.#tellParent({ kind: 'refused', message: error.message }, exit);
    process.stderr.write(`torc: ${error.message}\n`);
    exit();
  }

  #fail(error: unknown): void {
    this.#log.error('failed', { error });
    this.#exit(ExitCode.FAILED);
  }

  #tellParent(message: ChildMessage, sent: () => void): void {
    process.send?.(message, undefined, undefined, sent);
  }

  #exit(code: number): void {
    try {
      this.#log.flush();
    } finally {
      process.exit(code);
    }
  }
}
