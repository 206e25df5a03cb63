/** Watches for how long the event loops of nodes are held, each by a probe within the node (hold-probe.cjs), which costs it about 1 % of its time. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

/** The probe writes down what it saw so often. */
const SETTLE_MS = 500;

export interface Hold {
  /** Of the wall clock, when it ended. */
  at: number;
  holdMs: number;
  /** Of these the thread ran. */
  ranMs: number;
  /** Of these the thread could have run, and others ran on all processors. */
  waitedMs: number;
  /** Of these the collector ran. */
  gcMs: number;
}

/** Of one node in one span of time. */
export interface HoldFigures {
  /** The longest by the clock; less what it waited for a processor; less what it waited for anything; and the longest part that was the collector's. */
  longestMs: number;
  longestOwnMs: number;
  longestRunMs: number;
  longestGcMs: number;
  /** Longer than asked, less what they waited for a processor. */
  over: number;
}

function ownMs({ holdMs, waitedMs }: Hold): number {
  return Math.max(0, holdMs - waitedMs);
}

export class HoldWatch {
  private readonly directory = mkdtempSync(join(tmpdir(), 'torc-holds-'));

  /** Nodes that are started from now on are watched. */
  constructor() {
    process.env['NODE_OPTIONS'] = `--require ${fileURLToPath(new URL('hold-probe.cjs', import.meta.url))}`;
    process.env['HOLD_PROBE_DIRECTORY'] = this.directory;
  }

  /** What was seen of a node between two moments of the wall clock; the later one is now, or past. */
  async figures(pid: number, fromMs: number, toMs: number, overMs: number): Promise<HoldFigures> {
    await delay(Math.max(0, toMs + SETTLE_MS - Date.now()));
    const holds = this.holds(pid).filter(({ at }) => at > fromMs && at <= toMs);
    return {
      longestMs: Math.max(0, ...holds.map(({ holdMs }) => holdMs)),
      longestOwnMs: Math.max(0, ...holds.map(ownMs)),
      longestRunMs: Math.max(0, ...holds.map(({ holdMs, ranMs }) => Math.min(holdMs, ranMs))),
      longestGcMs: Math.max(0, ...holds.map(({ gcMs }) => gcMs)),
      over: holds.filter((hold) => ownMs(hold) > overMs).length,
    };
  }

  private holds(pid: number): Hold[] {
    const path = join(this.directory, String(pid));
    if (!existsSync(path)) return [];
    const lines = readFileSync(path, 'utf8').trimEnd().split('\n');
    return lines.map((line) => JSON.parse(line) as Hold);
  }

  end(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}
