import { StartupError } from '../../errors.ts';
import type {
  Address,
  ByteStream,
  ByteStreamHandler,
  Clock,
  HttpRequest,
  HttpResponse,
  ListenAddress,
  Listener,
  MessageSocket,
  MessageSocketHandler,
  Network,
  Random,
  Timer,
  Timers,
} from '../contracts.ts';
import { SimConnection, type SimEnd } from './connection.ts';
import { SimMessageSocket, SimStream } from './sockets.ts';
import type { Route } from './pipe.ts';

export interface SimNetworkOptions {
  minDelayMs: number;
  maxDelayMs: number;
  /** The part of messages whose loss breaks their connection. */
  resetRatio: number;
}

/** Counts what really struck, so that a run can show that it was worth its time. */
export interface SimNetworkCounts {
  messages: number;
  resets: number;
  blockedMessages: number;
  /** To whoever had said that it sends no more. */
  afterFinish: number;
}

type Service =
  | { kind: 'stream'; node: string; accept: (stream: ByteStream) => ByteStreamHandler }
  | { kind: 'messages'; node: string; path: string; accept: (socket: MessageSocket) => MessageSocketHandler }
  | { kind: 'http'; node: string; handle: (request: HttpRequest) => Promise<HttpResponse> };

/** From one node to another: nothing gets through until then. */
interface Direction {
  blockedUntilMs: number;
  /** What a message may take longer there than elsewhere. */
  slowerByMs: number;
}

const NOT_BLOCKED = -Infinity;
const UINT32_RANGE = 0x1_0000_0000;
const FIRST_FREE_PORT = 40_000;

/** A request over HTTP that has no answer yet. */
interface Asked {
  node: string;
  hangUp(): void;
}

/** The network between simulated nodes, in one thread: the same seed and timers give the same run. */
export class SimNetwork {
  readonly counts: SimNetworkCounts = { messages: 0, resets: 0, blockedMessages: 0, afterFinish: 0 };
  options: SimNetworkOptions;
  private readonly time: Clock & Timers;
  private readonly random: Pick<Random, 'uint32'>;
  private readonly services = new Map<string, Service>();
  private readonly asked = new Set<Asked>();
  private readonly connections = new Set<SimConnection>();
  private readonly directions = new Map<string, Direction>();
  private nextPort = FIRST_FREE_PORT;

  constructor(time: Clock & Timers, random: Pick<Random, 'uint32'>, options: SimNetworkOptions) {
    this.time = time;
    this.random = random;
    this.options = options;
  }

  /** The network as this node sees it. */
  networkOf(node: string): Network {
    return {
      listenStream: (address, accept) => this.listen(address, { kind: 'stream', node, accept }),
      listenMessages: (address, path, accept) =>
        this.listen(address, { kind: 'messages', node, path, accept }),
      connectMessages: (address, path, opened, failed) => this.connect(node, address, path, opened, failed),
      listenHttp: (address, handle) => this.listen(address, { kind: 'http', node, handle }),
    };
  }

  /** A client of a simulated node; null when nobody listens there or no way leads there. */
  openStream(
    from: string,
    address: Address,
    accept: (stream: ByteStream) => ByteStreamHandler,
  ): SimStream | null {
    const service = this.services.get(keyOf(address));
    if (service?.kind !== 'stream' || this.isBlocked(from, service.node)) return null;
    const connection = this.connection(from, service.node);
    const client = new SimStream(connection, connection.dialer, address, this.time);
    const server = new SimStream(connection, connection.acceptor, address, this.time);
    server.attach(service.accept(server));
    client.attach(accept(client));
    return client;
  }

  /** An HTTP request to a simulated node. */
  async request(address: Address, request: HttpRequest): Promise<HttpResponse> {
    const service = this.services.get(keyOf(address));
    if (service?.kind !== 'http') throw new Error(`connect ECONNREFUSED ${keyOf(address)}`);
    return new Promise((resolve, reject) => {
      const asked: Asked = { node: service.node, hangUp: () => reject(new Error('socket hang up')) };
      this.asked.add(asked);
      void service
        .handle(request)
        .then(resolve, reject)
        .finally(() => this.asked.delete(asked));
    });
  }

  /** Cuts one direction, until `heal` or for `durationMs`. Both together are a partition. */
  block(from: string, to: string, durationMs = Infinity): void {
    this.direction(from, to).blockedUntilMs = this.time.monotonicMs() + durationMs;
    if (durationMs !== Infinity) this.time.after(durationMs, () => this.wake());
  }

  unblock(from: string, to: string): void {
    this.direction(from, to).blockedUntilMs = NOT_BLOCKED;
    this.wake();
  }

  /** Whoever dialed from there sends no more on its streams, and still hears: how many there were. */
  finish(from: string): number {
    let count = 0;
    for (const connection of this.connections) {
      const { dialer } = connection;
      if (dialer.node !== from || dialer.closed || dialer.finished) continue;
      connection.finish(dialer);
      this.countAnswers(dialer);
      count++;
    }
    return count;
  }

  private countAnswers({ events }: SimEnd): void {
    if (events === null) return;
    const data = events.data.bind(events);
    events.data = (buffer, sizeBytes) => {
      this.counts.afterFinish++;
      data(buffer, sizeBytes);
    };
  }

  /** From now on messages in this direction take up to so much longer; 0: no longer than elsewhere. */
  slow(from: string, to: string, byMs: number): void {
    this.direction(from, to).slowerByMs = byMs;
  }

  /** No cut is left. */
  heal(): void {
    for (const direction of this.directions.values()) direction.blockedUntilMs = NOT_BLOCKED;
    this.wake();
  }

  /** Breaks all connections of a pair; both ends hear of it. */
  reset(one: string, other: string): void {
    for (const connection of this.between(one, other)) this.breakConnection(connection);
  }

  /**
   * The node's process is gone, with its listeners. The others hear of it, as when a process is killed; `silent`: they do not, as when
   * the machine loses power, and are left with half-open connections.
   */
  crash(node: string, silent = false): void {
    for (const [key, service] of this.services) if (service.node === node) this.services.delete(key);
    for (const asked of this.asked) {
      if (asked.node !== node) continue;
      this.asked.delete(asked);
      asked.hangUp();
    }
    for (const connection of this.connections) {
      const { dialer, acceptor } = connection;
      for (const end of [dialer, acceptor]) {
        if (end.node !== node) continue;
        end.events = null;
        if (silent) connection.forget(end);
        else connection.abort(end, 'connection reset');
      }
    }
  }

  /** A machine that stopped in silence is back: it knows nothing of its connections, and says so to whoever believed in them. */
  returned(node: string): void {
    for (const connection of this.connections) {
      const { dialer, acceptor } = connection;
      for (const end of [dialer, acceptor])
        if (end.node === node && end.closed) connection.abort(connection.other(end), 'connection reset');
    }
  }

  private listen(address: ListenAddress, service: Service): Promise<Listener> {
    const port = address.port === 0 ? this.nextPort++ : address.port;
    const bound = { host: address.host, port };
    const key = keyOf(bound);
    if (this.services.has(key)) {
      const purpose = address.purpose === undefined ? '' : ` (${address.purpose})`;
      const line = `port ${port} on ${address.host} is taken by another process${purpose}`;
      return Promise.reject(new StartupError('TORC_PORT_TAKEN', line));
    }
    this.services.set(key, service);
    const close = (): Promise<void> => {
      if (this.services.get(key) === service) this.services.delete(key);
      return Promise.resolve();
    };
    return Promise.resolve({ address: bound, close });
  }

  private connect(
    from: string,
    address: Address,
    path: string,
    opened: (socket: MessageSocket) => MessageSocketHandler,
    failed: (error: Error) => void,
  ): Timer {
    return this.time.after(this.delayMs(), () => {
      const service = this.services.get(keyOf(address));
      if (service === undefined) return failed(new Error(`connect ECONNREFUSED ${keyOf(address)}`));
      const { node } = service;
      if (this.isBlocked(from, node) || this.isBlocked(node, from)) {
        return failed(new Error(`connect ETIMEDOUT ${keyOf(address)}`));
      }
      if (service.kind !== 'messages' || service.path !== path) {
        return failed(new Error('Unexpected server response: 400'));
      }
      const connection = this.connection(from, node);
      const server = new SimMessageSocket(connection, connection.acceptor, from);
      const client = new SimMessageSocket(connection, connection.dialer, address.host);
      server.attach(service.accept(server));
      client.attach(opened(client));
    });
  }

  private connection(from: string, to: string): SimConnection {
    for (const connection of this.connections) if (connection.over) this.connections.delete(connection);
    const connection: SimConnection = new SimConnection(this.time, from, to, (source, target) =>
      this.route(source, target, () => this.breakConnection(connection)),
    );
    this.connections.add(connection);
    return connection;
  }

  private route(from: string, to: string, breakIt: () => void): Route {
    const direction = this.direction(from, to);
    return {
      delayMs: () => {
        this.counts.messages++;
        if (this.isClosed(direction)) this.counts.blockedMessages++;
        if (this.chance() < this.options.resetRatio) this.time.after(0, breakIt);
        return this.delayMs() + (direction.slowerByMs === 0 ? 0 : this.chance() * direction.slowerByMs);
      },
      blocked: () => this.isClosed(direction),
    };
  }

  private breakConnection(connection: SimConnection): void {
    if (connection.over) return;
    this.counts.resets++;
    for (const end of [connection.dialer, connection.acceptor]) connection.abort(end, 'connection reset');
  }

  private between(one: string, other: string): SimConnection[] {
    return [...this.connections].filter(({ dialer, acceptor }) => {
      const pair = [dialer.node, acceptor.node];
      return pair.includes(one) && pair.includes(other);
    });
  }

  private wake(): void {
    for (const connection of this.connections) connection.unblocked();
  }

  private isBlocked(from: string, to: string): boolean {
    return this.isClosed(this.direction(from, to));
  }

  private isClosed({ blockedUntilMs }: Direction): boolean {
    return blockedUntilMs !== NOT_BLOCKED && this.time.monotonicMs() < blockedUntilMs;
  }

  private direction(from: string, to: string): Direction {
    const key = `${from}>${to}`;
    let direction = this.directions.get(key);
    if (direction === undefined)
      this.directions.set(key, (direction = { blockedUntilMs: NOT_BLOCKED, slowerByMs: 0 }));
    return direction;
  }

  private delayMs(): number {
    const { minDelayMs, maxDelayMs } = this.options;
    return minDelayMs + this.chance() * (maxDelayMs - minDelayMs);
  }

  private chance(): number {
    return this.random.uint32() / UINT32_RANGE;
  }
}

function keyOf(address: Address): string {
  return `${address.host}:${address.port}`;
}
