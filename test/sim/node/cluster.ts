/** Whole nodes in one thread on a simulated clock, network and disk; the same seed gives the same run. */
import type { ByteStream, ClockReading, Env } from '../../../src/env/contracts.ts';
import { SimulatedClock, SimulatedTimers } from '../../../src/env/sim/clock.ts';
import { attachDisk } from '../../../src/env/sim/disk-process.ts';
import { SimulatedDisk, type Crash } from '../../../src/env/sim/disk.ts';
import { SimNetwork } from '../../../src/env/sim/network.ts';
import { SeededRandom } from '../../../src/env/sim/random.ts';
import { Scheduler } from '../../../src/env/sim/scheduler.ts';
import { silentLog, type Log } from '../../../src/log.ts';
import { startNode, type NodeSurroundings, type RunningNode } from '../../../src/node.ts';
import { loadSettings } from '../../../src/settings/load.ts';
import type { LogRetention } from '../../../src/shard/log-retention.ts';
import { respOf } from '../../shard/encode.ts';

const WALL_MS = 1_700_000_000_000;
const HOST = '127.0.0.1';
const FIRST_PORT = 7001;
const MEMORY_BYTES = 2 ** 33;
/** So small that a run goes through several files. */
const SEGMENT_BYTES = '1mb';
const LF = 10;
const NO_DELAY = { meanMs: 0, p50Ms: 0, p99Ms: 0, maxMs: 0 };

class SimNode {
  readonly disk: SimulatedDisk;
  readonly clock: SimulatedClock;
  timers: SimulatedTimers;
  running: RunningNode | null = null;
  fatal: Error | null = null;

  constructor(scheduler: Scheduler, seed: number) {
    this.disk = new SimulatedDisk({ seed });
    this.clock = new SimulatedClock(scheduler, { rate: 1, wallMs: WALL_MS });
    this.timers = new SimulatedTimers(scheduler);
  }
}

export class SimCluster {
  readonly scheduler = new Scheduler();
  readonly network: SimNetwork;
  readonly nodes: SimNode[] = [];
  /** How often each event was logged: what a run must have been through. */
  readonly events = new Map<string, number>();
  /** Of each node that is started from now on. */
  openFilesMost = Number.POSITIVE_INFINITY;
  logRetention: LogRetention | undefined;
  /** By node, at its next start: what else differs. */
  readonly surroundings: Partial<NodeSurroundings>[] = [];
  bootId = 'boot';
  private readonly random: SeededRandom;
  /** Of each node that is started from now on. */
  flags: Record<string, string>;
  private readonly log: Log;

  constructor(seed: number, size: number, flags: Record<string, string> = {}) {
    this.random = new SeededRandom(seed);
    this.flags = flags;
    const count = (event: string): void => {
      this.events.set(event, (this.events.get(event) ?? 0) + 1);
    };
    this.log = { ...silentLog, info: count, warn: count, error: count };
    const clock = new SimulatedClock(this.scheduler, { rate: 1, wallMs: WALL_MS });
    const timers = new SimulatedTimers(this.scheduler);
    const time = {
      monotonicMs: () => clock.monotonicMs(),
      wallMs: () => clock.wallMs(),
      read: (reading: ClockReading) => clock.read(reading),
      after: (delayMs: number, run: () => void) => timers.after(delayMs, run),
      endOfTurn: (run: () => void) => timers.endOfTurn(run),
    };
    this.network = new SimNetwork(time, this.random, { minDelayMs: 0.1, maxDelayMs: 1, resetRatio: 0 });
    for (let i = 0; i < size; i++) this.nodes.push(new SimNode(this.scheduler, this.random.uint32()));
  }

  async start(i: number): Promise<void> {
    const node = this.nodes[i];
    const { clock } = node;
    node.timers = new SimulatedTimers(this.scheduler);
    node.fatal = null;
    const env: Env = {
      clock,
      timers: node.timers,
      random: new SeededRandom(this.random.uint32()),
      disk: attachDisk(node.disk, node.timers),
      network: this.network.networkOf(nameOf(i)),
      machine: {
        processId: 1,
        bootId: this.bootId,
        memoryBytes: MEMORY_BYTES,
        hostName: nameOf(i),
        openFilesMost: this.openFilesMost,
        residentBytes: () => 0,
        heap: () => ({ usedBytes: 0, totalBytes: 0 }),
        cpuTime: () => ({ userUs: 0, systemUs: 0 }),
      },
    };
    const seeds = this.nodes.map((_, at) => `${HOST}:${portOf(at) + 10_000}`).join(',');
    const settings = loadSettings({
      flags: {
        'wal-segment-bytes': SEGMENT_BYTES,
        'client-port': String(portOf(i)),
        seeds,
        data: '/data',
        host: nameOf(i),
        ...this.flags,
      },
      machine: { memoryBytes: MEMORY_BYTES, hostName: nameOf(i) },
    });
    const starting = startNode(env, settings, this.log, {
      loopDelay: { read: () => NO_DELAY, stop: () => {} },
      nodeVersion: 'v0',
      sameSecret: (a, b) => a === b,
      logRetention: this.logRetention,
      ...this.surroundings[i],
    });
    const running = await this.settle(starting);
    running.onFatal((error) => {
      node.fatal = error;
    });
    node.running = running;
  }

  async startAll(): Promise<void> {
    for (const i of this.nodes.keys()) await this.start(i);
    await this.until(() => this.nodes.every((node) => node.running?.ready === true));
  }

  crash(i: number, as: Crash = 'kill'): void {
    const node = this.nodes[i];
    node.timers.stop();
    node.disk.crash(as);
    this.network.crash(nameOf(i));
    node.running = null;
  }

  /** The process stands still, and what is sent to it is kept until it goes on. */
  pause(i: number): void {
    this.nodes[i].timers.pause();
    for (const j of this.nodes.keys()) if (j !== i) this.cut(i, j);
    this.network.block('client', nameOf(i));
  }

  /** Nothing gets through between the two, either way. */
  cut(i: number, j: number): void {
    this.network.block(nameOf(i), nameOf(j));
    this.network.block(nameOf(j), nameOf(i));
  }

  resume(i: number): void {
    this.network.heal();
    this.nodes[i].timers.resume();
  }

  async stop(i: number): Promise<void> {
    const { running } = this.nodes[i];
    if (running !== null) await this.settle(running.stop());
    this.nodes[i].running = null;
  }

  /** The ring's hash is compiled outside simulated time: while nothing else is left to do, that is waited for. */
  async settle<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    const settled = (): void => {
      isSettled = true;
    };
    promise.then(settled, settled);
    while (!(await this.scheduler.runUntil(() => isSettled)))
      await new Promise((resolve) => setTimeout(resolve, 1));
    return promise;
  }

  async pass(durationMs: number): Promise<void> {
    const untilMs = this.scheduler.nowMs + durationMs;
    this.scheduler.after(durationMs, () => {});
    await this.scheduler.runUntil(() => this.scheduler.nowMs >= untilMs);
  }

  async until(done: () => boolean, limitMs = 20_000): Promise<void> {
    const untilMs = this.scheduler.nowMs + limitMs;
    await this.scheduler.runUntil(() => done() || this.scheduler.nowMs > untilMs);
    const fatal = this.nodes.find((node) => node.fatal !== null)?.fatal;
    if (fatal !== undefined && fatal !== null) throw fatal;
    if (!done()) throw new Error(`not within ${limitMs} ms of simulated time`);
  }

  /** What the admin port answers; null: not now. */
  async admin(i: number, path: string, query: Record<string, string> = {}): Promise<unknown> {
    const address = { host: HOST, port: portOf(i) + 2000 };
    const request = { method: 'GET', path, query: new URLSearchParams(query), body: '' };
    const { status, body } = await this.settle(this.network.request(address, request));
    return status === 200 ? (JSON.parse(body.toString()) as unknown) : null;
  }

  /** What the admin port answers to a POST from its own machine; null when it refuses. */
  async post(port: number, path: string, body: string, authorization: string): Promise<string | null> {
    const query = new URLSearchParams();
    const request = { method: 'POST', path, query, body, authorization, peerAddress: HOST };
    const answer = await this.settle(this.network.request({ host: HOST, port }, request));
    return answer.status === 200 ? answer.body.toString() : null;
  }

  portOf(i: number): number {
    return portOf(i);
  }

  client(i: number): SimClient {
    return new SimClient(this, portOf(i));
  }
}

function nameOf(i: number): string {
  return `node-${i}`;
}

function portOf(i: number): number {
  return FIRST_PORT + i;
}

export class SimClient {
  readonly replies: string[] = [];
  /** When each of them came. */
  readonly times: number[] = [];
  isClosed = false;
  private readonly cluster: SimCluster;
  private readonly stream: ByteStream | null;
  private input = Buffer.alloc(0);

  constructor(cluster: SimCluster, port: number) {
    this.cluster = cluster;
    this.stream = cluster.network.openStream('client', { host: HOST, port }, () => ({
      onData: (bytes, start, end) => this.take(bytes.subarray(start, end)),
      onDrain: () => {},
      onClose: () => {
        this.isClosed = true;
      },
    }));
  }

  /** False when nobody listened. */
  get isOpen(): boolean {
    return this.stream !== null;
  }

  /** Pipelined: the replies come into `replies`. */
  send(...commands: (readonly (string | Buffer)[])[]): void {
    this.stream?.write(Buffer.concat(commands.map((words) => respOf(...words))));
  }

  async ask(...words: (string | Buffer)[]): Promise<string> {
    const at = this.replies.length;
    this.send(words);
    await this.cluster.until(() => this.replies.length > at || this.isClosed);
    return this.replies[at] ?? 'closed';
  }

  /** Takes no more replies for now. */
  pause(): void {
    this.stream?.pause();
  }

  resume(): void {
    this.stream?.resume();
  }

  close(): void {
    this.stream?.destroy();
  }

  private take(bytes: Buffer): void {
    this.input = Buffer.concat([this.input, bytes]);
    for (;;) {
      const end = this.input.length === 0 ? -1 : wholeReply(this.input);
      if (end < 0) return;
      this.replies.push(this.input.toString('latin1', 0, end));
      this.times.push(this.cluster.scheduler.nowMs);
      this.input = this.input.subarray(end);
    }
  }
}

/** Where the first reply ends; -1 while some of it is missing. */
function wholeReply(input: Buffer): number {
  let offset = 0;
  for (let pending = 1; pending > 0; pending--) {
    const lineEnd = input.indexOf(LF, offset) + 1;
    if (lineEnd === 0) return -1;
    const type = String.fromCharCode(input[offset]);
    const count = Number(input.toString('latin1', offset + 1, lineEnd - 2));
    offset = lineEnd;
    if (type === '$') offset += count < 0 ? 0 : count + 2;
    else if (type === '*') pending += Math.max(count, 0);
    else if (type === '%') pending += Math.max(count, 0) * 2;
  }
  return offset <= input.length ? offset : -1;
}
