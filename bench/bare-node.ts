/**
 * `bare` in `npm run bench`: one of three Node.js processes that do what no replicated write can do without, and nothing else. Each leads a
 * third of the slots, writes what comes in a turn of the event loop to its file, sends it to both others, and when two of three have it, stores
 * it in a Map and answers. It elects nobody, checks nothing and loses all when a process dies: what remains between its figures and Redis's is
 * the platform, what lies between its figures and Torc's is Torc. Takes SET alone.
 */
import { fdatasync, openSync, writeSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';

import { READ_BUFFER, reread } from '../src/env/shared-buffer.ts';

const [, , ID, BASE_PORT, DURABILITY, LOG_FILE] = process.argv;
const id = Number(ID);
const basePort = Number(BASE_PORT);
const synced = DURABILITY === 'fsync';
/** Of the port for the others over that for clients. */
const PEER_OFFSET = 3;
const NODES = [0, 1, 2];
const SLOTS = 16_384;
const OTHERS_RETRY_MS = 50;

const CR = 13;
const ZERO = 48;
/** `*3\r\n$3\r\nSET\r\n`. */
const SET_HEAD_BYTES = 13;
const HEADER_BYTES = 8;
const OK = Buffer.from('+OK\r\n');

interface Batch {
  sequence: number;
  bytes: Buffer;
  /** Who waits, and for how many commands. */
  clients: Socket[];
  counts: number[];
}

const file = openSync(LOG_FILE, 'w');
const values = new Map<string, Buffer>();

/** As a leader: the batches that are not answered yet, and how far this node and the others have written. */
const pending: Batch[] = [];
const written = [0, 0, 0];
const followers: Socket[] = [];
let lastSequence = 0;
let turn: Batch = emptyBatch();
let parts: Buffer[] = [];
let isTurnPlanned = false;

function emptyBatch(): Batch {
  return { sequence: 0, bytes: OK, clients: [], counts: [] };
}

/** Where the command at `from` ends; 0 when it is not whole. Stores it when told to. */
function passCommand(bytes: Buffer, from: number, to: number, isStored: boolean): number {
  let at = from + SET_HEAD_BYTES + 1;
  let keyBytes = 0;
  for (; at < to && bytes[at] !== CR; at++) keyBytes = keyBytes * 10 + bytes[at] - ZERO;
  const keyFrom = at + 2;
  at = keyFrom + keyBytes + 3;
  let valueBytes = 0;
  for (; at < to && bytes[at] !== CR; at++) valueBytes = valueBytes * 10 + bytes[at] - ZERO;
  const valueFrom = at + 2;
  const end = valueFrom + valueBytes + 2;
  if (end > to) return 0;
  if (isStored) {
    values.set(
      bytes.toString('latin1', keyFrom, keyFrom + keyBytes),
      bytes.subarray(valueFrom, valueFrom + valueBytes),
    );
  }
  return end;
}

function store(bytes: Buffer, from: number, to: number): void {
  for (let at = from; at < to;) at = passCommand(bytes, at, to, true);
}

/** Once a turn: everything that came goes into one write and one message. */
function endTurn(): void {
  isTurnPlanned = false;
  const batch = turn;
  turn = emptyBatch();
  const bodyBytes = parts.reduce((sum, part) => sum + part.length, 0);
  const bytes = Buffer.allocUnsafe(HEADER_BYTES + bodyBytes);
  lastSequence += 1;
  bytes.writeUInt32LE(bodyBytes, 0);
  bytes.writeUInt32LE(lastSequence, 4);
  let at = HEADER_BYTES;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  parts = [];
  batch.sequence = lastSequence;
  batch.bytes = bytes;
  pending.push(batch);
  for (const follower of followers) follower.write(bytes);
  write(bytes, lastSequence, ownWritten);
}

function ownWritten(sequence: number): void {
  written[id] = sequence;
  answer();
}

/** Answers what two of three have. */
function answer(): void {
  const [one, two, three] = written;
  const committed = Math.max(Math.min(one, two), Math.min(two, three), Math.min(one, three));
  while (pending.length > 0 && pending[0].sequence <= committed) {
    const batch = pending[0];
    pending.shift();
    store(batch.bytes, HEADER_BYTES, batch.bytes.length);
    for (const [at, client] of batch.clients.entries()) {
      const count = batch.counts[at];
      client.write(count === 1 ? OK : Buffer.from('+OK\r\n'.repeat(count)));
    }
  }
}

/** What waits for the disk: one sync at a time, for all that was written before it began. */
let isSyncing = false;
let unsynced: (() => void)[] = [];

function write(bytes: Buffer, sequence: number, done: (sequence: number) => void): void {
  writeSync(file, bytes);
  if (!synced) {
    done(sequence);
    return;
  }
  unsynced.push(() => done(sequence));
  if (!isSyncing) sync();
}

function sync(): void {
  isSyncing = true;
  const covered = unsynced;
  unsynced = [];
  fdatasync(file, (error) => {
    if (error !== null) throw error;
    isSyncing = false;
    for (const done of covered) done();
    if (unsynced.length > 0 && !isSyncing) sync();
  });
}

const firstSlot = (node: number): number => Math.ceil((node * SLOTS) / NODES.length);

function slotsReply(): string {
  const rows = NODES.map((node) => {
    const address = `*3\r\n$9\r\n127.0.0.1\r\n:${basePort + node}\r\n$1\r\n${node}\r\n`;
    return `*3\r\n:${firstSlot(node)}\r\n:${firstSlot(node + 1) - 1}\r\n${address}`;
  });
  return `*${rows.length}\r\n${rows.join('')}`;
}

const input = READ_BUFFER;
/** Beginnings of commands that were not whole. */
const rests = new Map<Socket, Buffer>();

/** All connections read into one buffer: what is kept is copied. */
function received(client: Socket, lengthBytes: number): void {
  const rest = rests.get(client);
  const chunk = Buffer.from(input.subarray(0, lengthBytes));
  const bytes = rest === undefined ? chunk : Buffer.concat([rest, chunk]);
  if (rest !== undefined) rests.delete(client);
  let end = 0;
  let count = 0;
  while (bytes.length - end > SET_HEAD_BYTES) {
    const next = passCommand(bytes, end, bytes.length, false);
    if (next === 0) break;
    end = next;
    count += 1;
  }
  if (end < bytes.length) rests.set(client, bytes.subarray(end));
  if (count === 0) return;
  parts.push(end < bytes.length ? bytes.subarray(0, end) : bytes);
  turn.clients.push(client);
  turn.counts.push(count);
  if (isTurnPlanned) return;
  isTurnPlanned = true;
  setImmediate(endTurn);
}

/** Anything but SET is a question of where slots or how many nodes are. */
function isSet(): boolean {
  return input.toString('latin1', 0, 4) === '*3\r\n';
}

const clients = createServer({ noDelay: true, pauseOnConnect: true }, (accepted) => {
  const client: Socket =
    reread(accepted, (lengthBytes) => onBytes(client, lengthBytes), {
      isPaused: false,
      allowHalfOpen: false,
    }) ?? accepted;
  if (client === accepted) throw new Error('this Node.js does not show the handle of a socket');
  client.on('error', () => client.destroy());
  client.on('close', () => rests.delete(client));
});

function onBytes(client: Socket, lengthBytes: number): void {
  if (rests.has(client) || isSet()) received(client, lengthBytes);
  else client.write(slotsReply());
}

/** As a follower of one of the others: writes what comes, stores it, and says how far it is. */
createServer({ noDelay: true }, (leader) => {
  let rest: Buffer | undefined;
  const acknowledge = (sequence: number): void => {
    const bytes = Buffer.allocUnsafe(4);
    bytes.writeUInt32LE(sequence, 0);
    leader.write(bytes);
  };
  leader.on('error', () => leader.destroy());
  leader.on('data', (chunk) => {
    const bytes = rest === undefined ? chunk : Buffer.concat([rest, chunk]);
    let at = 0;
    let sequence = 0;
    while (bytes.length - at >= HEADER_BYTES) {
      const end = at + HEADER_BYTES + bytes.readUInt32LE(at);
      if (end > bytes.length) break;
      sequence = bytes.readUInt32LE(at + 4);
      store(bytes, at + HEADER_BYTES, end);
      at = end;
    }
    rest = at < bytes.length ? bytes.subarray(at) : undefined;
    if (sequence > 0) write(bytes.subarray(0, at), sequence, acknowledge);
  });
}).listen(basePort + PEER_OFFSET + id, '127.0.0.1');

function follow(node: number): void {
  const socket = connect({ host: '127.0.0.1', port: basePort + PEER_OFFSET + node, noDelay: true });
  let last = Buffer.alloc(0);
  socket.once('connect', () => {
    followers.push(socket);
    // What comes earlier would be sent to nobody.
    if (followers.length === NODES.length - 1) clients.listen(basePort + id, '127.0.0.1');
  });
  socket.on('error', () => setTimeout(() => follow(node), OTHERS_RETRY_MS));
  socket.on('data', (chunk) => {
    const bytes = last.length === 0 ? chunk : Buffer.concat([last, chunk]);
    const whole = bytes.length - (bytes.length % 4);
    last = bytes.subarray(whole);
    if (whole === 0) return;
    written[node] = bytes.readUInt32LE(whole - 4);
    answer();
  });
}

for (const node of NODES) if (node !== id) follow(node);
