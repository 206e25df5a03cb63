/**
 * What the commands of a connection and of the node see of both. src/server implements all of it. Nothing here is on the path of a
 * command on keys; texts are bytes read as latin1, one character a byte, unless said otherwise.
 */
import type { Clock } from '../env/contracts.ts';
import type { Args } from '../resp/args.ts';
import type { ReplyWriter } from '../resp/reply-writer.ts';
import type { ClusterNode, ClusterView, SlotKeys } from './cluster-view.ts';
import type { NodeFigures } from './node-figures.ts';
import type { CommandRow } from './types.ts';

/** The port that a connection came in by: one standalone master, or one node of a Redis Cluster. */
export type PortKind = 'client' | 'redirect';

/** CLIENT REPLY. In `skip-next` the server drops the reply of the next command, and sets `on` again. */
export type ReplyMode = 'on' | 'off' | 'skip-next';

/** What the server counts of a connection's buffers, for CLIENT LIST. Taken when asked for. */
export interface SessionBuffers {
  queryBytes: number;
  queryFreeBytes: number;
  argumentBytes: number;
  /** Size of the reply buffer, and its highest use lately. */
  replyBufferBytes: number;
  replyPeakBytes: number;
  /** Replies that the system has not taken yet. */
  queuedReplies: number;
  queuedBytes: number;
  totalBytes: number;
}

/** One connection. Plain state that commands read and write; the server goes by it from the next command on. */
export interface ClientSession {
  readonly id: number;
  readonly port: PortKind;
  /** `host:port` of the client, and of our end. */
  readonly address: string;
  readonly localAddress: string;
  readonly createdWallMs: number;
  /** When its last command came, by the monotonic clock. */
  lastCommandMonotonicMs: number;
  /** The row's name of its last command, `client|list`; empty before the first. */
  lastCommand: string;

  protocol: 2 | 3;
  db: number;
  /**
   * Set by a SELECT that failed, cleared by one that did not: meanwhile commands are refused (gate.ts says which are not), since what
   * was sent behind it is meant for another database.
   */
  databaseRefused: boolean;
  /** Set by MULTI, which is refused, cleared by EXEC and DISCARD: what comes between was meant to be queued, and is not run (gate.ts). */
  transactionRefused: boolean;
  /** True from the start where no password is required. */
  authenticated: boolean;
  user: string;
  name: string;
  libraryName: string;
  libraryVersion: string;

  replyMode: ReplyMode;
  noEvict: boolean;
  /** READONLY on the redirect port. Leaders alone serve reads, so nothing comes of it but the flag in CLIENT LIST. */
  readonlyMode: boolean;
  /** ASKING: for the next command alone; the server clears it. */
  asking: boolean;
  /** The connection is closed once what was written so far is sent. */
  closeAfterReply: boolean;

  /** Kept by `NodeView.pubsub`; read by CLIENT LIST and by the gate of RESP2. */
  readonly channels: ReadonlySet<string>;
  readonly patterns: ReadonlySet<string>;
  /** A WAIT is under way. */
  readonly blocked: boolean;

  buffers(): SessionBuffers;
  /** Writes a message between replies, never within one. The writer's protocol is the session's. */
  push(write: (reply: ReplyWriter) => void): void;
  /** Ends a WAIT under way, as by its time running out, or with an error. False when there is none. */
  unblock(reason: 'timeout' | 'error'): boolean;
  /** Closes the connection at once (CLIENT KILL of another one). */
  kill(): void;
}

/** The reply of a command that answers later; the connection's later replies wait behind it. */
export interface Deferred {
  /** Called once. Does nothing when the connection is gone by then. */
  answer(write: (reply: ReplyWriter) => void): void;
}

/**
 * What a local command runs with. It writes all it has to say into `reply`: one reply mostly; SUBSCRIBE and its like one a channel,
 * CLIENT REPLY OFF and SKIP none, and none when `defer` was called. `args` hold during the call only.
 */
export interface LocalContext {
  args: Args;
  reply: ReplyWriter;
  session: ClientSession;
  node: NodeView;
  /** Takes the place of this command's reply in the connection's order. */
  defer(): Deferred;
}

export interface Setting {
  name: string;
  /** Read and written as UTF-8. */
  value: string;
}

/** Why CONFIG SET refused: a sentence without a code, such as `argument must be a memory value`. */
export type SettingRefusal =
  | { kind: 'unknown'; name: string }
  | { kind: 'immutable'; name: string; reason: string }
  | { kind: 'invalid'; name: string; reason: string };

/** The settings by their CONFIG names. Secrets are in it only where CONFIG GET may show them. */
export interface SettingsView {
  list(): Iterable<Setting>;
  /** All pairs or none. Null when they hold now. Names are lower case. */
  set(pairs: readonly Setting[]): SettingRefusal | null;
}

export interface SlowLogEntry {
  id: number;
  unixSeconds: number;
  durationUs: number;
  /** Already shortened as Redis does: at most 32 of them, of at most 128 bytes. */
  args: readonly string[];
  address: string;
  clientName: string;
}

export interface SlowLog {
  readonly length: number;
  /** Newest first. */
  newest(count: number): readonly SlowLogEntry[];
  reset(): void;
}

/** Who listens to what on this node. `PubSubRegistry` in pubsub-registry.ts is it. */
export interface PubSub {
  /** False when the session had it already. */
  subscribe(session: ClientSession, channel: string): boolean;
  unsubscribe(session: ClientSession, channel: string): boolean;
  subscribePattern(session: ClientSession, pattern: string): boolean;
  unsubscribePattern(session: ClientSession, pattern: string): boolean;
  /** Channels with at least one subscriber. */
  channelNames(): Iterable<string>;
  subscriberCount(channel: string): number;
  readonly patternCount: number;
}

/** All that local commands need to know of the node, or do to it. */
export interface NodeView {
  readonly nodeId: string;
  /** 40 hex digits, drawn at each start. */
  readonly runId: string;
  /** Counts the starts of the data directory, from 1. */
  readonly start: number;
  /** Torc's version. INFO and HELLO tell the Redis version that it speaks (redis-version.ts). */
  readonly version: string;
  readonly clock: Clock;
  /** The whole table: COMMAND is made from it. */
  readonly commands: readonly CommandRow[];
  readonly settings: SettingsView;
  readonly slowLog: SlowLog;
  readonly pubsub: PubSub;
  /** Names that SENTINEL was asked for, kept by sentinel.ts (bounded): `+switch-master` goes out for each. */
  readonly masterNames: Set<string>;

  /** True when clients must authenticate. */
  readonly passwordRequired: boolean;
  /** Both read as UTF-8. Compares in constant time. The one user is `default`. */
  checkPassword(user: string, password: string): boolean;

  /** The slot of a key. */
  slotOf(bytes: Buffer, start: number, end: number): number;
  cluster(): ClusterView;
  /** This node's row of `cluster()`. */
  self(): ClusterNode;
  /**
   * The keys of a slot, for one call: `elsewhere` when another node leads it, `not-ready` when this node leads it without a valid lease.
   */
  slotKeys(slot: number): SlotKeys | 'elsewhere' | 'not-ready';

  /** All connections of this node, both ports, by rising id. */
  sessions(): Iterable<ClientSession>;
  session(id: number): ClientSession | undefined;

  /** Numbers for INFO and MEMORY; those that differ by port are of `port`. */
  figures(port: PortKind): NodeFigures;
  /** CONFIG RESETSTAT. */
  resetStatistics(): void;
  /**
   * Calls `done`, once, with the number of other replicas that hold the session's last write, as soon as there are `replicas` of them or
   * `timeoutMs` (0: never) is over or CLIENT UNBLOCK ends it; before it returns when that is so already. `unblocked`: ended with an error.
   */
  waitForReplicas(
    session: ClientSession,
    replicas: number,
    timeoutMs: number,
    done: (held: number | 'unblocked') => void,
  ): void;
}
