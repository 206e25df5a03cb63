/** Whole nodes in one thread on a simulated clock, network and disk; the same seed gives the same run. */
import type { ClockReading, Env, Network } from '../../../src/env/contracts.ts';
import { SimulatedClock, SimulatedTimers } from '../../../src/env/sim/clock.ts';
import { attachDisk } from '../../../src/env/sim/disk-process.ts';
import { SimulatedDisk, type Crash } from '../../../src/env/sim/disk.ts';
import type { SimStream } from '../../../src/env/sim/sockets.ts';
import { SimNetwork } from '../../../src/env/sim/network.ts';
import { SeededRandom } from '../../../src/env/sim/random.ts';
import { Scheduler } from '../../../src/env/sim/scheduler.ts';
import { silentLog, type Log, type LogEvent, type LogFields } from '../../../src/log.ts';
import { startNode, type RunningNode } from '../../../src/node.ts';
import type { NodeSurroundings } from '../../../src/node-surroundings.ts';
import type { NodeParts } from '../../../src/observe/parts.ts';
import { loadSettings } from '../../../src/settings/load.ts';
import type { Settings } from '../../../src/settings/rows.ts';
import type { LogRetention } from '../../../src/shard/log-retention.ts';
import type { Replica } from '../../../src/shard/replica.ts';
import type { Topology } from '../../../src/topology/types.ts';
import type { RecoveredGroup } from '../../../src/wal/types.ts';
import { respOf } from '../../shard/encode.ts';

const WALL_MS = 1_700_000_000_000;
export const HOST = '127.0.0.1';
const FIRST_PORT = 7001;
const MEMORY_BYTES = 2 ** 33;
/** So small that a run goes through several files. */
const SEGMENT_BYTES = '1mb';
const SLAB_BYTES = 2 ** 18;
const LF = 10;
const NO_DELAY = { meanMs: 0, p50Ms: 0, p99Ms: 0, maxMs: 0 };

class SimNode {
  readonly disk: SimulatedDisk;
  readonly clock: SimulatedClock;
  timers: SimulatedTimers;
  running: RunningNode | null = null;
  fatal: Error | null = null;
  /** Counts the processes that there were: what one of them began says nothing of the next. */
  life = 0;
  /** Counts the starts of the machine's kernel. */
  boot = 0;

  constructor(scheduler: Scheduler, seed: number) {
    this.disk = new SimulatedDisk({ seed });
    this.clock = new SimulatedClock(scheduler, { rate: 1, wallMs: WALL_MS });
    this.timers = new SimulatedTimers(scheduler);
  }
}

/** Who looks on: at what is logged, and at what invariants are checked on. */
export interface Onlooker {
  onEvent?(i: number, event: LogEvent, fields: LogFields): void;
  onReplica?(i: number, replica: Replica, recovered: RecoveredGroup | undefined): void;
  /** Each that is synced there, and the one that was found. */
  onTopology?(i: number, topology: Topology): void;
  onServing?(i: number, parts: NodeParts): void;
  /** The process ended itself, or refused to start. Its machine runs on. */
  onEnded?(i: number, error: Error): void;
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
  /** Of each node that is started from now on: also what flags may not say, such as files smaller than anybody would want. */
  overrides: Partial<Settings> = {};
  onlooker: Onlooker = {};
  /** By node, at its next start: what else differs. */
  readonly surroundings: Partial<NodeSurroundings>[] = [];
  /** Of what operators ask: no id is drawn twice, and nothing else is drawn otherwise for it. */
  readonly requests: SeededRandom;
  private readonly random: SeededRandom;
  /** Of each node that is started from now on. */
  flags: Record<string, string>;
  /** By node, at its next start: what its flags differ in. */
  readonly ownFlags: Record<string, string>[] = [];
  /** So many nodes found the cluster; those after them join it. */
  founders: number;

  constructor(seed: number, size: number, flags: Record<string, string> = {}) {
    this.random = new SeededRandom(seed);
    this.requests = new SeededRandom(~seed);
    this.flags = flags;
    this.founders = size;
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
    await this.settle(this.launch(i));
  }

  /** Begins to start the node. Rejects when it refuses to; never settles when it is killed before. */
  async launch(i: number): Promise<void> {
    const node = this.nodes[i];
    node.timers = new SimulatedTimers(this.scheduler);
    node.fatal = null;
    node.life += 1;
    this.network.returned(nameOf(i));
    const { life } = node;
    const running = await startNode(this.envOf(i), this.settingsOf(i), this.logOf(i), {
      loopDelay: { read: () => NO_DELAY, takeWorstMs: () => 0, stop: () => {} },
      nodeVersion: 'v0',
      sameSecret: (a, b) => a === b,
      logRetention: this.logRetention,
      slabBytes: SLAB_BYTES,
      ...this.surroundings[i],
      onReplica: (replica, recovered) => this.onlooker.onReplica?.(i, replica, recovered),
      onTopology: (topology) => {
        if (node.life === life) this.onlooker.onTopology?.(i, topology);
      },
      onServing: (parts) => this.onlooker.onServing?.(i, parts),
    });
    if (node.life !== life) return;
    running.onFatal((error) => {
      if (node.life !== life) return;
      node.fatal = error;
      this.onlooker.onEnded?.(i, error);
    });
    node.running = running;
  }

  private logOf(i: number): Log {
    const tell = (event: LogEvent, fields: LogFields = {}): void => {
      this.events.set(event, (this.events.get(event) ?? 0) + 1);
      this.onlooker.onEvent?.(i, event, fields);
    };
    return { ...silentLog, info: tell, warn: tell, error: tell };
  }

  private envOf(i: number): Env {
    const node = this.nodes[i];
    const { clock } = node;
    const env: Env = {
      clock,
      timers: node.timers,
      random: new SeededRandom(this.random.uint32()),
      disk: attachDisk(node.disk, node.timers),
      network: this.networkOf(i),
      machine: {
        processId: 1,
        bootId: `boot-${node.boot}`,
        memoryBytes: MEMORY_BYTES,
        hostName: nameOf(i),
        openFilesMost: this.openFilesMost,
        residentBytes: () => 0,
        heap: () => ({ usedBytes: 0, totalBytes: 0 }),
        cpuTime: () => ({ userUs: 0, systemUs: 0 }),
      },
    };
    return env;
  }

  /** Of the process that begins now: once it is dead it listens nowhere and reaches nobody, whatever its promises go on with. */
  private networkOf(i: number): Network {
    const node = this.nodes[i];
    const { life } = node;
    const network = this.network.networkOf(nameOf(i));
    const alive = <T>(run: () => Promise<T>): Promise<T> =>
      node.life === life ? run() : new Promise(() => {});
    return {
      listenStream: (...of) => alive(() => network.listenStream(...of)),
      listenMessages: (...of) => alive(() => network.listenMessages(...of)),
      listenHttp: (...of) => alive(() => network.listenHttp(...of)),
      connectMessages: (...of) =>
        node.life === life ? network.connectMessages(...of) : { cancel: () => {} },
    };
  }

  private settingsOf(i: number): Settings {
    const founding = this.nodes.slice(0, this.founders);
    const seeds = founding.map((_, at) => `${HOST}:${portOf(at) + 10_000}`).join(',');
    const settings = loadSettings({
      flags: {
        'wal-segment-bytes': SEGMENT_BYTES,
        'client-port': String(portOf(i)),
        seeds,
        data: '/data',
        host: nameOf(i),
        ...this.flags,
        ...this.ownFlags[i],
      },
      machine: { memoryBytes: MEMORY_BYTES, hostName: nameOf(i) },
    });
    return { ...settings, ...this.overrides };
  }

  /** All that found the cluster. */
  async startAll(): Promise<void> {
    const founding = this.nodes.slice(0, this.founders);
    for (const i of founding.keys()) await this.start(i);
    await this.until(() => founding.every((node) => node.running?.ready === true));
  }

  /** `silent`: nobody is told, as when a machine stops; half-open connections stay until it is back. */
  crash(i: number, as: Crash = 'kill', silent = false): void {
    this.nodes[i].disk.crash(as);
    this.bury(i, as, silent);
  }

  /** What is left to do once the disk has crashed. */
  bury(i: number, as: Crash, silent: boolean): void {
    const node = this.nodes[i];
    node.timers.stop();
    node.life += 1;
    if (as !== 'kill') node.boot += 1;
    this.network.crash(nameOf(i), silent);
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

  /** The run is over. */
  dispose(): void {
    for (const node of this.nodes) {
      node.timers.stop();
      node.disk.dispose();
    }
  }

  client(i: number): SimClient {
    return new SimClient(this, portOf(i));
  }
}

export function nameOf(i: number): string {
  return `node-${i}`;
}

export function portOf(i: number): number {
  return FIRST_PORT + i;
}

export class SimClient {
  readonly replies: string[] = [];
  /** When each of them came. */
  readonly times: number[] = [];
  isClosed = false;
  private readonly cluster: SimCluster;
  private readonly stream: SimStream | null;
  private input = Buffer.alloc(0);

  constructor(cluster: SimCluster, port: number) {
    this.cluster = cluster;
    this.stream = cluster.network.openStream('client', { host: HOST, port }, () => ({
      onData: (bytes, start, end) => this.take(bytes.subarray(start, end)),
      onDrain: () => {},
      onEnd: () => {},
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

  /** Its system says so: one way of the connection is over. */
  sendNoMore(): void {
    this.stream?.sendNoMore();
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
export function wholeReply(input: Buffer): number {
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
