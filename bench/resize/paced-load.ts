/** Load at a constant rate, measured in parts: a latency counts from when its command was due, so what waits behind a pause counts, too. */
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { createInterface, type Interface } from 'node:readline';
import type { Readable } from 'node:stream';

import {
  entranceWords,
  GENERATOR,
  sizeWords,
  type Entrance,
  type LoadResult,
  type LoadSize,
} from '../load.ts';

export interface PacedOptions {
  connections: number;
  /** Commands a second, one in ten a SET. */
  rate: number;
  size: LoadSize;
}

export class PacedLoad {
  private readonly child: ChildProcessByStdio<null, Readable, Readable>;
  private readonly lines: Interface;
  private readonly ended: Promise<never>;
  private complaints = '';

  private constructor(child: ChildProcessByStdio<null, Readable, Readable>) {
    this.child = child;
    this.ended = once(child, 'exit').then(() => {
      throw new Error(`the load has ended: ${this.complaints.slice(0, 300)}`);
    });
    // Heard of where a line is waited for.
    this.ended.catch(() => undefined);
    this.lines = createInterface(child.stdout);
    child.stderr.on('data', (bytes: Buffer) => {
      this.complaints += bytes.toString();
    });
    process.once('exit', () => child.kill('SIGKILL'));
  }

  static start(entrance: Entrance, { connections, rate, size }: PacedOptions): PacedLoad {
    const words = ['--workload', 'mixed', '--connections', String(connections), '--rate', String(rate)];
    const all = [
      ...entranceWords(entrance),
      ...words,
      ...sizeWords({ ...size, seconds: 0, warmupSeconds: 0 }),
    ];
    return new PacedLoad(spawn(GENERATOR, all, { stdio: ['ignore', 'pipe', 'pipe'] }));
  }

  /** What was measured since the last one. */
  cut(): Promise<LoadResult> {
    return this.told('SIGUSR1');
  }

  stop(): Promise<LoadResult> {
    return this.told('SIGTERM');
  }

  private async told(signal: NodeJS.Signals): Promise<LoadResult> {
    const line = once(this.lines, 'line') as Promise<[string]>;
    this.child.kill(signal);
    const [text] = await Promise.race([line, this.ended]);
    if (this.complaints !== '') console.log(this.complaints.slice(0, 300));
    return JSON.parse(text) as LoadResult;
  }
}
