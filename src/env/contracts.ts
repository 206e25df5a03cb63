/**
 * What a node may ask of the world outside. The real implementations lie beside this file; the simulator has its own.
 * Nothing outside src/env touches the clock, timers, randomness, disk or network by itself (command line and client apart).
 */

export interface Clock {
  /** Milliseconds, fractional, never going back; the origin is arbitrary. */
  monotonicMs(): number;
  /** Milliseconds since 1970, fractional; may jump either way. */
  wallMs(): number;
  /** Both, at one moment, into `reading`: cheaper than one after the other. */
  read(reading: ClockReading): void;
}

export interface ClockReading {
  monotonicMs: number;
  wallMs: number;
}

export interface Timer {
  cancel(): void;
}

export interface Timers {
  after(delayMs: number, run: () => void): Timer;
  /** Runs once all input that is ready now has been read: the end of the event-loop turn. */
  endOfTurn(run: () => void): void;
}

export interface Random {
  /** A uniform integer from 0 to 2^32 - 1. */
  uint32(): number;
  /** Unpredictable bytes. */
  bytes(sizeBytes: number): Uint8Array;
}

/** The outcome of an asynchronous write or sync: null when it succeeded. */
export type DiskDone = (error: Error | null) => void;

export interface DiskFile {
  readonly path: string;
  sizeBytes(): Promise<number>;
  /** Reads up to `target.length` bytes at `position`; returns how many were read (0 at the end). */
  read(target: Uint8Array, position: number): Promise<number>;
  /** Hands the bytes to the operating system before it returns: they survive a kill of the process, not of the machine. Throws. */
  writeNow(bytes: Uint8Array, position: number, sizeBytes?: number): void;
  /** The same off the event loop; writes of one file are done in the order given. */
  write(bytes: Uint8Array, position: number, done: DiskDone): void;
  /** fdatasync. Once done without error, all writes that were done before the call are durable. */
  sync(done: DiskDone): void;
  truncate(sizeBytes: number): Promise<void>;
  close(): Promise<void>;
}

export interface DiskLock {
  release(): Promise<void>;
}

export interface Disk {
  /** Opens for reading and writing. With `create`, makes it when absent; else an absent file throws ENOENT. */
  open(path: string, options: { create: boolean }): Promise<DiskFile>;
  /** The whole file, or null when there is none. */
  readFile(path: string): Promise<Uint8Array | null>;
  /** Writes beside, syncs, renames over `path`, syncs the directory: old or new content after a crash, never a mixture. */
  replaceFile(path: string, bytes: Uint8Array): Promise<void>;
  /** Names in a directory, sorted; empty when there is none. */
  list(path: string): Promise<string[]>;
  /** Makes the directory and its parents, durably. */
  makeDirectory(path: string): Promise<void>;
  /** Renames and syncs the directory. */
  rename(from: string, to: string): Promise<void>;
  /** Removes a file, or does nothing when absent; durable after `syncDirectory`. */
  remove(path: string): Promise<void>;
  /** Removes a directory with all that is in it. */
  removeTree(path: string): Promise<void>;
  syncDirectory(path: string): Promise<void>;
  /** Of the file system that the path lies on. */
  space(path: string): Promise<{ totalBytes: number; freeBytes: number }>;
  /** Takes the lock for this process's life; null when another living process holds it. */
  lock(path: string): Promise<DiskLock | null>;
}

/** A byte stream to a client (TCP, later TLS). */
export interface ByteStream {
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
  /** Bytes given to `write` that the operating system has not taken yet. */
  readonly bufferedBytes: number;
  /**
   * Sends the bytes. True: the system took them all and `bytes` may be used again at once.
   * False: they are queued, and must not be changed until `onDrain`.
   */
  write(bytes: Uint8Array): boolean;
  pause(): void;
  resume(): void;
  /** Sends what is queued, then closes. */
  end(): void;
  /** Closes at once. */
  destroy(): void;
}

export interface ByteStreamHandler {
  /** `bytes[start, end)` may be read during the call only: the buffer is used again. */
  onData(bytes: Buffer, start: number, end: number): void;
  onDrain(): void;
  /** The other side sends no more, and may still read: whoever has answered what it sent calls `end`. Not called when both ways closed at once. */
  onEnd(): void;
  /** Called once, last. */
  onClose(): void;
}

/** A WebSocket to another node: whole binary messages, in order, or a close. */
export interface MessageSocket {
  readonly remoteAddress: string;
  readonly bufferedBytes: number;
  /** The bytes must not be changed afterwards. */
  send(bytes: Uint8Array): void;
  /** How many bytes `sendInPlace` wants in front of a message of this size. */
  roomBytes(messageBytes: number): number;
  /**
   * Sends what lies behind the first `roomBytes` of `bytes`, as many as were told for its size; those are overwritten.
   * True: the system took it all, or it is dropped, and `bytes` may be used again at once. False: they must not be changed afterwards.
   */
  sendInPlace(bytes: Buffer, roomBytes: number): boolean;
  /** A larger message closes the connection. Until it is called, the network's own limit holds. */
  limitMessageBytes(maxBytes: number): void;
  /** Closes in good order, with a reason of at most 120 bytes. */
  close(code: number, reason: string): void;
  /** Closes at once. */
  terminate(): void;
}

export interface MessageSocketHandler {
  /** `bytes[start, end)` may be read during the call only: the buffer is used again. */
  onMessage(bytes: Buffer, start: number, end: number): void;
  onClose(code: number, reason: string): void;
}

export interface HttpRequest {
  method: string;
  path: string;
  query: URLSearchParams;
  /** The body, at most 64 KiB. */
  body: string;
  /** The header of this name. */
  authorization?: string | undefined;
  /** The header of this name: a browser says whose page asks. */
  origin?: string | undefined;
  /** From where it came. */
  peerAddress?: string | undefined;
}

export interface HttpResponse {
  status: number;
  contentType: string;
  body: string | Uint8Array;
}

export interface Address {
  host: string;
  port: number;
}

export interface ListenAddress extends Address {
  /** Named when listening fails: "client port". */
  readonly purpose?: string;
}

export interface Listener {
  /** Where it listens; the port that the system chose when 0 was asked for. */
  readonly address: Address;
  /** Stops taking new connections; those there are live on. */
  close(): Promise<void>;
}

/** Errors of listening are StartupErrors with one clear line (a port that is taken, an address that is not ours). */
export interface Network {
  listenStream(address: ListenAddress, accept: (stream: ByteStream) => ByteStreamHandler): Promise<Listener>;
  listenMessages(
    address: ListenAddress,
    path: string,
    accept: (socket: MessageSocket) => MessageSocketHandler,
  ): Promise<Listener>;
  /** Calls `opened` or `failed`, once. The returned timer gives up. */
  connectMessages(
    address: Address,
    path: string,
    opened: (socket: MessageSocket) => MessageSocketHandler,
    failed: (error: Error) => void,
  ): Timer;
  listenHttp(
    address: ListenAddress,
    handle: (request: HttpRequest) => Promise<HttpResponse>,
  ): Promise<Listener>;
}

/** What the machine tells about itself. */
export interface Machine {
  readonly processId: number;
  /** Changes with each start of the machine's kernel. */
  readonly bootId: string;
  /** Memory of the container or machine, in bytes. */
  readonly memoryBytes: number;
  readonly hostName: string;
  /** How many files and sockets this process may have open; Infinity when the system does not tell. */
  readonly openFilesMost: number;
  /** Memory of this process, in bytes: all that is resident, and the heap of the language. */
  residentBytes(): number;
  heap(): { usedBytes: number; totalBytes: number };
  /** CPU time of this process so far, in microseconds. */
  cpuTime(): { userUs: number; systemUs: number };
}

export interface Env {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly disk: Disk;
  readonly network: Network;
  readonly machine: Machine;
}
