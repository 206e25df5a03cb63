/**
 * All replicated state of a shard as bytes, and back: what goes into snapshot files and to members that are behind. Made in slices while
 * the log goes on. Records: size u32 (of what follows), type u8, body.
 */
import { assert } from '../assert.ts';
import { TorcError } from '../errors.ts';
import { FRAME_HEADER_BYTES } from '../store/snapshot-format.ts';
import type { KeyspaceLoad, KeyspaceSnapshot } from '../store/types.ts';
import { imageOfImports, loadImports } from './moves/imports-image.ts';
import { imageOfSlots, loadSlots } from './moves/slots-image.ts';
import { policyItem, readPolicy } from './prelude.ts';
import type { SessionsImage } from './sessions-image.ts';
import { Sessions } from './sessions.ts';
import { StagedImage } from './staging.ts';
import type { StateMachine } from './state-machine.ts';

/** Format 2 begins with the version of the rules; 3 knows slots and moves. */
const FORMAT = 3;
const HEAD_BYTES = 19;
const HEADER_BYTES = 5;
const RECORD_MAX_BYTES = 16 * 1024 * 1024;
/** Rows of sessions are many small ones: a slice of them is shorter. */
const SESSIONS_SLICE_BYTES = 16 * 1024;
export const RecordType = {
  HEAD: 1,
  SESSIONS: 2,
  KEYS: 3,
  END: 4,
  STAGED: 5,
  /** What the log says of slots: in pieces. */
  SLOTS: 6,
  /** How far imports are: in pieces. */
  IMPORTS: 7,
  STAGED_SESSIONS: 8,
  LOADING_KEYS: 9,
  READY_KEYS: 10,
} as const;
type RecordType = (typeof RecordType)[keyof typeof RecordType];

const PIECE_BYTES = 256 * 1024;

const NO_BYTES = Buffer.alloc(0);

/** A snapshot's bytes do not say what they should. */
export class SnapshotDamagedError extends TorcError {
  constructor(message: string) {
    super('TORC_SNAPSHOT_DAMAGED', message);
  }
}

export class StateSnapshot {
  /** What is small, as it was: whole records, first the head. */
  private readonly first: Buffer[];
  private sessions: { image: SessionsImage; type: RecordType }[];
  private staged: StagedImage | null;
  /** Staging areas first: they are small, and a slot that goes from one to the other makes an end of it. */
  private keys: { snapshot: KeyspaceSnapshot; type: RecordType }[];
  private isDone = false;
  private slice: Buffer = NO_BYTES;

  /** Of the state as it is now. One at a time for each state machine. */
  constructor(machine: StateMachine, pendingMaxBytes = Infinity) {
    const { imports } = machine.moves;
    this.first = [
      frame(RecordType.HEAD, headOf(machine)),
      ...pieces(RecordType.SLOTS, imageOfSlots(machine.moves)),
      ...pieces(RecordType.IMPORTS, imageOfImports(imports)),
    ];
    this.sessions = [{ image: machine.sessions.image(), type: RecordType.SESSIONS }];
    this.staged = machine.staged === null ? null : new StagedImage(machine.staged);
    this.keys = [{ snapshot: machine.keyspace.beginSnapshot(pendingMaxBytes), type: RecordType.KEYS }];
    if (!imports.isActive) return;
    this.sessions.push({ image: imports.sessions.image(), type: RecordType.STAGED_SESSIONS });
    const { loading, ready } = imports;
    this.keys.unshift(
      { snapshot: loading.beginSnapshot(pendingMaxBytes), type: RecordType.LOADING_KEYS },
      { snapshot: ready.beginSnapshot(pendingMaxBytes), type: RecordType.READY_KEYS },
    );
  }

  /** The next slice of about `maxBytes`, good until the next call; null at the end. */
  next(maxBytes: number): Buffer | null {
    const first = this.first.shift();
    if (first !== undefined) return first;
    while (this.sessions.length > 0) {
      const [{ image, type }] = this.sessions;
      const slice = sessionSlice(type, image, Math.min(maxBytes, SESSIONS_SLICE_BYTES));
      if (slice.length > 0) return slice;
      this.sessions.shift();
    }
    if (this.staged !== null) {
      const slice = this.staged.next(maxBytes);
      if (slice !== null) return frame(RecordType.STAGED, slice);
      this.staged = null;
    }
    for (; this.keys.length > 0; this.keys.shift()) {
      const keys = this.nextKeys(maxBytes, this.keys[0]);
      if (keys !== null) return keys;
    }
    if (this.isDone) return null;
    this.isDone = true;
    return frame(RecordType.END, Buffer.alloc(0));
  }

  /** All slices lie in one buffer: as garbage they would bring on the collector, which holds the loop longer than a slice does. */
  private nextKeys(
    maxBytes: number,
    { snapshot, type }: { snapshot: KeyspaceSnapshot; type: RecordType },
  ): Buffer | null {
    const roomBytes = HEADER_BYTES + maxBytes + FRAME_HEADER_BYTES;
    if (this.slice.length < roomBytes) this.slice = Buffer.allocUnsafeSlow(roomBytes);
    const { slice } = this;
    const keys = snapshot.next(maxBytes, slice.subarray(HEADER_BYTES, roomBytes));
    if (keys === null) return null;
    slice.writeUInt32LE(keys.length + 1, 0);
    slice[4] = type;
    return slice.subarray(0, HEADER_BYTES + keys.length);
  }

  /** Of before-images, waiting to be taken by `next`. */
  get pendingBytes(): number {
    return this.keys.reduce((sum, { snapshot }) => sum + snapshot.pendingBytes, 0);
  }

  /** There were more before-images than allowed, or a slot left a staging area: it is to be abandoned. */
  get overflowed(): boolean {
    return this.keys.some(({ snapshot }) => snapshot.overflowed);
  }

  abandon(): void {
    for (const { snapshot } of this.keys) snapshot.abandon();
  }
}

export class StateLoad {
  private readonly machine: StateMachine;
  private readonly keys: KeyspaceLoad;
  private readonly loading: KeyspaceLoad;
  private readonly ready: KeyspaceLoad;
  /** Of what comes in pieces. */
  private readonly slots: Buffer[] = [];
  private readonly imports: Buffer[] = [];
  /** There were staging areas. */
  private hasStaging = false;
  private rest: Buffer = Buffer.alloc(0);
  private isEnded = false;

  /** Empties the state machine. `index` and `term`: the snapshot's last entry. */
  constructor(machine: StateMachine, index: number, term: number) {
    this.machine = machine;
    machine.isLoading = true;
    machine.longReads.interrupt();
    this.keys = machine.keyspace.beginLoad();
    const { imports } = machine.moves;
    imports.clear();
    this.loading = imports.loading.beginLoad();
    this.ready = imports.ready.beginLoad();
    machine.sessions = new Sessions();
    machine.staged = null;
    machine.appliedIndex = index;
    machine.appliedTerm = term;
  }

  /** Any cut of the bytes, in order. Only a record that is cut is pieced together. */
  feed(bytes: Buffer): void {
    const from = this.rest.length === 0 ? 0 : this.takeCut(bytes);
    this.rest = from < 0 ? Buffer.concat([this.rest, bytes]) : Buffer.from(this.takeWhole(bytes, from));
  }

  /** The record that began in what was fed before; returns where it ends in `bytes`, or -1 while it does not. */
  private takeCut(bytes: Buffer): number {
    const { rest } = this;
    const missing = Math.max(HEADER_BYTES - rest.length, 0);
    if (bytes.length < missing) return -1;
    const head = missing === 0 ? rest : Buffer.concat([rest, bytes.subarray(0, missing)]);
    const end = recordBytes(head, 0) - rest.length;
    if (bytes.length < end) return -1;
    this.takeWhole(Buffer.concat([rest, bytes.subarray(0, end)]), 0);
    return end;
  }

  /** Those that are there whole; returns the rest. */
  private takeWhole(data: Buffer, from: number): Buffer {
    let at = from;
    while (data.length - at >= HEADER_BYTES) {
      const end = at + recordBytes(data, at);
      if (data.length < end) break;
      this.take(data[at + 4], data.subarray(at + HEADER_BYTES, end));
      at = end;
    }
    return data.subarray(at);
  }

  finish(): void {
    if (!this.isEnded || this.rest.length > 0) throw new SnapshotDamagedError('it ends before its end');
    this.keys.finish();
    if (this.hasStaging) {
      this.loading.finish();
      this.ready.finish();
    }
    const { moves } = this.machine;
    loadSlots(moves, Buffer.concat(this.slots));
    loadImports(moves.imports, Buffer.concat(this.imports));
    this.machine.isLoading = false;
  }

  private take(type: number, body: Buffer): void {
    if (this.isEnded) throw new SnapshotDamagedError('it goes on after its end');
    switch (type) {
      case RecordType.HEAD:
        this.takeHead(body);
        break;
      case RecordType.SESSIONS:
        this.machine.sessions.load(body);
        break;
      case RecordType.STAGED:
        this.machine.staged = StagedImage.load(this.machine.staged, body);
        break;
      case RecordType.STAGED_SESSIONS:
        this.machine.moves.imports.sessions.load(body);
        break;
      case RecordType.KEYS:
        this.keys.feed(body);
        break;
      case RecordType.LOADING_KEYS:
        this.hasStaging = true;
        this.loading.feed(body);
        break;
      case RecordType.READY_KEYS:
        this.ready.feed(body);
        break;
      case RecordType.SLOTS:
        this.slots.push(Buffer.from(body));
        break;
      case RecordType.IMPORTS:
        this.imports.push(Buffer.from(body));
        break;
      case RecordType.END:
        this.isEnded = true;
        break;
      default:
        throw new SnapshotDamagedError(`a record has the unknown type ${type}`);
    }
  }

  private takeHead(body: Buffer): void {
    if (body.length < HEAD_BYTES) throw new SnapshotDamagedError('its head is cut short');
    // First, and there in all formats: of a newer version nothing else can be read.
    const rules = body.readUInt16LE(1);
    if (body[0] >= FORMAT) this.machine.setRules(rules);
    if (body[0] !== FORMAT)
      throw new SnapshotDamagedError(`its format is ${body[0]}, and this build reads ${FORMAT}`);
    this.machine.timeMs = body.readDoubleLE(3);
    this.machine.versionBase = body.readDoubleLE(11);
    this.machine.setPolicy(readPolicy(body, HEAD_BYTES));
  }
}

/** Of the record at `at`, whose header is there: how long it is with it. */
function recordBytes(data: Buffer, at: number): number {
  const sizeBytes = data.readUInt32LE(at);
  if (sizeBytes === 0 || sizeBytes > RECORD_MAX_BYTES)
    throw new SnapshotDamagedError('a record has no legal size');
  return sizeBytes + 4;
}

function headOf(machine: StateMachine): Buffer {
  const head = Buffer.alloc(HEAD_BYTES);
  head[0] = FORMAT;
  head.writeUInt16LE(machine.rules, 1);
  head.writeDoubleLE(machine.timeMs, 3);
  head.writeDoubleLE(machine.versionBase, 11);
  return Buffer.concat([head, policyItem(machine.policy)]);
}

function sessionSlice(type: RecordType, sessions: SessionsImage, maxBytes: number): Buffer {
  const records: Buffer[] = [];
  let sizeBytes = 0;
  while (sizeBytes < maxBytes) {
    const record = sessions.next();
    if (record === null) break;
    const framed = frame(type, record);
    records.push(framed);
    sizeBytes += framed.length;
  }
  return Buffer.concat(records);
}

function pieces(type: RecordType, bytes: Buffer): Buffer[] {
  const records: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += PIECE_BYTES)
    records.push(frame(type, bytes.subarray(at, at + PIECE_BYTES)));
  return records;
}

function frame(type: number, body: Buffer): Buffer {
  assert(body.length < RECORD_MAX_BYTES, 'a record of a snapshot has a legal size');
  const record = Buffer.allocUnsafe(HEADER_BYTES + body.length);
  record.writeUInt32LE(body.length + 1, 0);
  record[4] = type;
  body.copy(record, HEADER_BYTES);
  return record;
}
