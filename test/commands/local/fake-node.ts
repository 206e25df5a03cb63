/** A node without anything behind it: enough to run local commands as the server does, and to see what they did. */
import { isUnrestricted, refusalOf } from '../../../src/commands/gate.ts';
import type {
  ClientSession,
  NodeView,
  PortKind,
  ReplyMode,
  Setting,
  SettingRefusal,
  SettingsView,
  SlowLogEntry,
} from '../../../src/commands/local-context.ts';
import { takesArguments } from '../../../src/commands/command-index.ts';
import type { ClusterNode, ClusterShard, SlotKeys } from '../../../src/commands/cluster-view.ts';
import { localCommands } from '../../../src/commands/local-table.ts';
import type { NodeFigures } from '../../../src/commands/node-figures.ts';
import { PubSubRegistry } from '../../../src/commands/pubsub-registry.ts';
import type { CommandRow, KeyCommand } from '../../../src/commands/types.ts';
import type { Clock } from '../../../src/env/contracts.ts';
import { Args } from '../../../src/resp/args.ts';
import { ReplyWriter } from '../../../src/resp/reply-writer.ts';

export const NODE_IDS = ['a', 'b', 'c'].map((letter) => letter.repeat(40));
const MONOTONIC_MS = 3_500;
const WALL_MS = 1_700_000_000_123.456;

export class FakeSession implements ClientSession {
  readonly createdWallMs = WALL_MS - 5_000;
  readonly localAddress = '127.0.0.1:6379';
  lastCommandMonotonicMs = 1_000;
  lastCommand = '';
  protocol: 2 | 3 = 2;
  db = 0;
  databaseRefused = false;
  transactionRefused = false;
  authenticated = true;
  user = 'default';
  name = '';
  libraryName = '';
  libraryVersion = '';
  replyMode: ReplyMode = 'on';
  noEvict = false;
  readonlyMode = false;
  asking = false;
  closeAfterReply = false;
  readonly channels = new Set<string>();
  readonly patterns = new Set<string>();
  blocked = false;
  killed = false;
  unblockedBy: string[] = [];
  /** What was pushed between replies. */
  pushed = '';
  onPush: (text: string) => void = () => undefined;
  readonly id: number;
  readonly port: PortKind;

  constructor(id: number, port: PortKind) {
    this.id = id;
    this.port = port;
  }

  get address(): string {
    return `127.0.0.1:${50_000 + this.id}`;
  }

  buffers() {
    return {
      queryBytes: 26,
      queryFreeBytes: 100,
      argumentBytes: 10,
      replyBufferBytes: 1024,
      replyPeakBytes: 512,
      queuedReplies: 0,
      queuedBytes: 0,
      totalBytes: 2048,
    };
  }

  push(write: (reply: ReplyWriter) => void): void {
    const reply = new ReplyWriter(64);
    reply.protocol = this.protocol;
    write(reply);
    this.pushed += textOf(reply);
    this.onPush(textOf(reply));
  }

  unblock(reason: 'timeout' | 'error'): boolean {
    this.unblockedBy.push(reason);
    return this.blocked;
  }

  kill(): void {
    this.killed = true;
  }
}

/** Keys are in slot 5 of this node, and nowhere else. */
class FakeSlotKeys implements SlotKeys {
  readonly count = 2;

  each(limit: number, visit: (bytes: Buffer, start: number, end: number) => void): void {
    for (const key of ['one', 'two'].slice(0, limit)) visit(Buffer.from(`<${key}>`), 1, key.length + 1);
  }
}

export class FakeNode implements NodeView {
  /** Which of the nodes this one is. */
  selfIndex = 0;
  readonly runId = 'f'.repeat(40);
  readonly start = 7;
  readonly version = '0.1.0';
  readonly clock: Clock = {
    monotonicMs: () => MONOTONIC_MS,
    wallMs: () => WALL_MS,
    read: (reading) => void Object.assign(reading, { monotonicMs: MONOTONIC_MS, wallMs: WALL_MS }),
  };
  commands: readonly CommandRow[] = [...localCommands, ...KEY_ROWS];
  readonly masterNames = new Set<string>();
  readonly pubsub = new PubSubRegistry((session) => this.fake(session.id));
  password: string | null = null;
  settingRows: Setting[] = [
    { name: 'maxmemory', value: '0' },
    { name: 'maxmemory-policy', value: 'noeviction' },
    { name: 'timeout', value: '0' },
  ];
  slowEntries: SlowLogEntry[] = [];
  statisticsReset = 0;
  nodes: ClusterNode[] = NODE_IDS.map((id, index) => fakeClusterNode(id, index));
  shards: ClusterShard[] = [
    { id: 1, leader: NODE_IDS[0], lastLeader: NODE_IDS[0], term: 3, slots: [{ from: 0, to: 5460 }] },
    { id: 2, leader: NODE_IDS[1], lastLeader: NODE_IDS[1], term: 2, slots: [{ from: 5461, to: 10922 }] },
    { id: 3, leader: NODE_IDS[2], lastLeader: NODE_IDS[2], term: 4, slots: [{ from: 10923, to: 16383 }] },
  ];
  waits: { replicas: number; timeoutMs: number; done: (held: number | 'unblocked') => void }[] = [];
  readonly all: FakeSession[] = [];

  settings: SettingsView = {
    list: (): Setting[] => this.settingRows,
    set: (pairs: readonly Setting[]): SettingRefusal | null => {
      for (const { name, value } of pairs) {
        const known = this.settingRows.find((row) => row.name === name);
        if (known === undefined) return { kind: 'unknown', name };
        if (value === 'bad') return { kind: 'invalid', name, reason: 'argument must be a memory value' };
        if (value.startsWith('bad ')) return { kind: 'invalid', name, reason: `'${value}' is not allowed` };
        known.value = value;
      }
      return null;
    },
  };
  readonly slowLog = {
    newest: (count: number) => this.slowEntries.slice(0, count),
    reset: () => this.slowEntries.splice(0),
    get length(): number {
      return this.newest(Number.MAX_SAFE_INTEGER).length;
    },
  };

  get nodeId(): string {
    return NODE_IDS[this.selfIndex];
  }

  get passwordRequired(): boolean {
    return this.password !== null;
  }

  checkPassword(user: string, password: string): boolean {
    return user === 'default' && password === this.password;
  }

  slotOf(_bytes: Buffer, start: number, end: number): number {
    return end - start;
  }

  cluster() {
    return { self: this.nodeId, epoch: 1, nodes: this.nodes, shards: this.shards };
  }

  self(): ClusterNode {
    return this.nodes[this.selfIndex];
  }

  slotKeys(slot: number): SlotKeys | 'elsewhere' | 'not-ready' {
    if (slot === 5) return new FakeSlotKeys();
    return slot > 5460 ? 'elsewhere' : 'not-ready';
  }

  sessions(): FakeSession[] {
    return this.all;
  }

  session(id: number): FakeSession | undefined {
    return this.all.find((session) => session.id === id);
  }

  figures(): NodeFigures {
    return FIGURES;
  }

  resetStatistics(): void {
    this.statisticsReset += 1;
  }

  waitForReplicas(
    _session: ClientSession,
    replicas: number,
    timeoutMs: number,
    done: (held: number | 'unblocked') => void,
  ): void {
    this.waits.push({ replicas, timeoutMs, done });
  }

  connect(port: PortKind = 'client'): FakeSession {
    const session = new FakeSession(this.all.length + 1, port);
    session.authenticated = this.password === null;
    this.all.push(session);
    return session;
  }

  /** Runs a command as the server does: looks it up, checks arity and gate, and returns the bytes of the reply. */
  send(session: FakeSession, ...words: string[]): string {
    const reply = new ReplyWriter(16);
    reply.protocol = session.protocol;
    const row = this.rowOf(words);
    const refusal = isUnrestricted(session) ? null : refusalOf(session, row);
    if (!takesArguments(row, words.length)) {
      reply.error(`ERR wrong number of arguments for '${row.name}' command`);
    } else if (refusal !== null) reply.error(refusal);
    else {
      const defer = () => ({ answer: session.push.bind(session) });
      row.run({ args: argsOf(words), reply, session, node: this, defer });
    }
    return textOf(reply);
  }

  private rowOf(words: string[]) {
    const name = words[0].toLowerCase();
    const full = `${name}|${(words[1] ?? '').toLowerCase()}`;
    const row =
      localCommands.find((one) => one.name === full) ?? localCommands.find((one) => one.name === name);
    if (row === undefined) throw new Error(`no such local command: ${words.join(' ')}`);
    return row;
  }

  private fake(id: number): FakeSession {
    const session = this.session(id);
    if (session === undefined) throw new Error(`no session ${id}`);
    return session;
  }
}

function fakeClusterNode(id: string, index: number): ClusterNode {
  return {
    id,
    host: '127.0.0.1',
    clientPort: 6379 + index,
    redirectPort: 7379 + index,
    peerPort: 16379 + index,
    ready: true,
    failed: false,
    connected: true,
    link: index === 0 ? null : { sinceWallMs: WALL_MS - 1000.4, unsentBytes: index * 100 },
    heardWallMs: index === 0 ? 0 : WALL_MS - 40,
  };
}

function argsOf(words: readonly string[]): Args {
  const args = new Args();
  args.bytes = Buffer.from(words.join(''), 'latin1');
  let at = 0;
  for (const word of words) {
    args.push(at, at + word.length);
    at += word.length;
  }
  return args;
}

function textOf(reply: ReplyWriter): string {
  return reply.buffer.toString('latin1', 0, reply.size);
}

function keyRow(
  name: string,
  arity: number,
  flags: KeyCommand['flags'],
  categories: readonly string[],
  keys: readonly [number, number, number],
): KeyCommand {
  const [firstKey, lastKey, keyStep] = keys;
  const run = (): never => {
    throw new Error('a command on keys is not run here');
  };
  return {
    kind: 'key',
    name,
    arity,
    flags,
    categories,
    firstKey,
    lastKey,
    keyStep,
    spread: { by: 'slot' },
    run,
  };
}

/** A few commands on keys, as the families on keys have them. */
const KEY_ROWS: readonly CommandRow[] = [
  {
    ...keyRow('get', 2, ['readonly', 'fast'], ['read', 'string', 'fast'], [1, 1, 1]),
    doc: { summary: 'Returns a string.', since: '1.0.0', complexity: 'O(1)', group: 'string' },
  },
  keyRow('set', -3, ['write', 'denyoom'], ['write', 'string', 'slow'], [1, 1, 1]),
  keyRow('mset', -3, ['write', 'denyoom'], ['write', 'string', 'slow'], [1, -1, 2]),
  keyRow('rename', 3, ['write'], ['keyspace', 'write', 'slow'], [1, 2, 1]),
  keyRow('dbsize', 1, ['readonly', 'fast'], ['keyspace', 'read', 'fast'], [0, 0, 0]),
  keyRow('object|encoding', 3, ['readonly'], ['keyspace', 'read', 'slow'], [2, 2, 1]),
  keyRow('memory|usage', -3, ['readonly'], ['read', 'slow'], [2, 2, 1]),
];

const FIGURES: NodeFigures = {
  startedWallMs: WALL_MS - 100_000,
  processId: 4711,
  clientPort: 6379,
  redirectPort: 7379,
  clients: {
    connected: 3,
    clusterConnections: 1,
    maxClients: 10_000,
    blocked: 0,
    pubsub: 0,
    largestQueryBytes: 20,
    largestReplyBytes: 30,
    bufferBytes: 4096,
  },
  memory: {
    usedBytes: 1_500_000,
    peakBytes: 3_000_000,
    slabBytes: 2_000_000,
    heapUsedBytes: 10,
    heapTotalBytes: 20,
    residentBytes: 6_000_000,
    logBytes: 30,
    systemBytes: 8 * 1024 ** 3,
    maxmemoryBytes: 0,
    maxmemoryPolicy: 'noeviction',
  },
  persistence: {
    durability: 'fsync',
    lastSnapshotUnixSeconds: 1_699_999_000,
    snapshotUnderWay: false,
    logBytesOnDisk: 1234,
    walSyncs: 9,
  },
  statistics: {
    connectionsReceived: 5,
    connectionsRejected: 0,
    commandsProcessed: 100,
    commandsPerSecond: 12.4,
    inputBytes: 1000,
    outputBytes: 2000,
    inputKilobytesPerSecond: 1.234,
    outputKilobytesPerSecond: 2,
    expiredKeys: 1,
    evictedKeys: 0,
    keyspaceHits: 60,
    keyspaceMisses: 40,
    errorReplies: 2,
    readsProcessed: 10,
    writesProcessed: 11,
    forwarded: 7,
    redirected: 0,
  },
  replication: { shardsLed: 1, replicasHeld: 3, offset: 42 },
  cpu: { userUs: 1_500_000, systemUs: 250_000 },
  commands: [
    { name: 'get', calls: 4, totalUs: 10, rejected: 1, failed: 2, p50Us: 2, p99Us: 3, p999Us: 3 },
    { name: 'set', calls: 0, totalUs: 0, rejected: 1, failed: 0, p50Us: 0, p99Us: 0, p999Us: 0 },
  ],
  errors: [{ code: 'ERR', count: 2 }],
  databases: [{ db: 0, keys: 10, expires: 2 }],
};
