/**
 * The hash of all replicated state of a shard at one index: place in the log, version of its rules, time, accounting, policy, sessions, the staged
 * command and keys. Equal on every replica at the same index. Taken in slices, while the log goes on. What it covers, a test holds complete
 * (state-hash.test.ts).
 */
import type { KeyspaceHash } from '../store/types.ts';
import { hexOf, Lanes } from '../store/lanes.ts';
import { imageOfImports } from './moves/imports-image.ts';
import { imageOfSlots } from './moves/slots-image.ts';
import { policyItem } from './prelude.ts';
import type { Sessions } from './sessions.ts';
import type { SessionsImage } from './sessions-image.ts';
import { StagedImage } from './staging.ts';
import type { StateMachine } from './state-machine.ts';

/** One slice: a fraction of a millisecond, up to one. */
const SLICE_KEYS = 1000;
const SLICE_SESSION_RECORDS = 200;
/** A multiple of four, and the same everywhere: it shapes the hash. */
const SLICE_STAGED_BYTES = 256 * 1024;

const SUM_BYTES = 8;

export interface StateAt {
  /** The last entry applied. */
  index: number;
  /** 16 hex digits. */
  hash: string;
}

/** All of it at once: for a state that is small, or a caller that may hold the loop. Between entries only, and not while a snapshot is loaded. */
export function hashNow(machine: StateMachine): string {
  const hash = new StateHash(machine, Infinity, (sessions) => sessions.view());
  let hex: string | null = null;
  while (hex === null) hex = hash.next(Infinity);
  return hex;
}

export class StateHash {
  readonly index: number;
  private readonly lanes = new Lanes();
  private readonly sessions: SessionsImage;
  private readonly staged: StagedImage | null;
  /** Of slots on their way here, when there are any: of those whose cuts come in, the sums of the bytes tell as much as their keys. */
  private readonly stagedSessions: SessionsImage | null = null;
  private readonly ready: KeyspaceHash | null = null;
  private readySum: string | null = null;
  private readonly keys: KeyspaceHash;
  private hasSessions = true;
  private hasStaged: boolean;

  /** Of the state as it is now: between entries. `imageOf`: frozen, when the log goes on before the end. */
  constructor(
    machine: StateMachine,
    keptMaxBytes: number,
    imageOf: (sessions: Sessions) => SessionsImage = (sessions) => sessions.image(),
  ) {
    this.index = machine.appliedIndex;
    const head = Buffer.alloc(52);
    head.writeDoubleLE(machine.appliedIndex, 0);
    head.writeDoubleLE(machine.appliedTerm, 8);
    head.writeDoubleLE(machine.timeMs, 16);
    // Whether a write gets OOM hangs on it.
    head.writeDoubleLE(machine.keyspace.usedBytes, 24);
    head.writeUInt32LE(machine.rules, 32);
    head.writeDoubleLE(machine.versionBase, 36);
    head.writeDoubleLE(machine.moves.imports.usedBytes, 44);
    const policy = policyItem(machine.policy);
    this.lanes.bytes(head, 0, head.length);
    this.lanes.bytes(policy, 0, policy.length);
    for (const image of [imageOfSlots(machine.moves), imageOfImports(machine.moves.imports)])
      this.lanes.bytes(image, 0, image.length);
    this.sessions = imageOf(machine.sessions);
    this.staged = machine.staged === null ? null : new StagedImage(machine.staged);
    this.hasStaged = this.staged !== null;
    this.keys = machine.keyspace.beginHash(keptMaxBytes);
    const { imports } = machine.moves;
    if (!imports.isActive) return;
    this.stagedSessions = imageOf(imports.sessions);
    this.ready = imports.ready.beginHash(keptMaxBytes);
  }

  /** Does a slice; null until done, and for ever once it has given up. */
  next(sliceKeys: number = SLICE_KEYS): string | null {
    if (this.hasSessions) this.hasSessions = this.takeSessions();
    else if (this.hasStaged) this.hasStaged = this.takeStaged();
    else if (this.ready !== null && this.readySum === null) this.takeReady(this.ready, sliceKeys);
    else return this.takeKeys(sliceKeys);
    return null;
  }

  /** What would have been kept for it was more than allowed. */
  get hasGivenUp(): boolean {
    return this.keys.overflowed || (this.readySum === null && this.ready?.overflowed === true);
  }

  abandon(): void {
    this.keys.abandon();
    this.ready?.abandon();
  }

  /** False when all are taken. */
  private takeSessions(): boolean {
    for (let taken = 0; taken < SLICE_SESSION_RECORDS; taken++) {
      const record = this.sessions.next() ?? this.stagedSessions?.next() ?? null;
      if (record === null) return false;
      this.lanes.bytes(record, 0, record.length);
    }
    return true;
  }

  private takeStaged(): boolean {
    const slice = this.staged?.next(SLICE_STAGED_BYTES) ?? null;
    if (slice === null) return false;
    this.lanes.bytes(slice, 0, slice.length);
    return true;
  }

  private takeReady(ready: KeyspaceHash, sliceKeys: number): void {
    this.readySum = ready.next(sliceKeys);
    if (this.readySum !== null) this.lanes.bytes(Buffer.from(this.readySum, 'hex'), 0, SUM_BYTES);
  }

  private takeKeys(sliceKeys: number): string | null {
    const sum = this.keys.next(sliceKeys);
    if (sum === null) return null;
    const bytes = Buffer.from(sum, 'hex');
    this.lanes.bytes(bytes, 0, bytes.length);
    this.lanes.finish();
    return hexOf(this.lanes);
  }
}
