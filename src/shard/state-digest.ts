/**
 * A digest of all replicated state of a shard: the version of its rules, time, accounting, policy, sessions, staged parts and keys. Equal on
 * every replica at the same applied index. Computed in slices: it counts only when nothing was applied meanwhile.
 */
import { createXXHash64, type IHasher } from 'hash-wasm';
import type { Timers } from '../env/contracts.ts';
import type { KeyspaceDigest } from '../store/types.ts';
import { policyItem } from './prelude.ts';
import type { SessionsImage } from './sessions-image.ts';
import { StagedImage } from './staging.ts';
import type { StateMachine } from './state-machine.ts';

/** One slice: about a millisecond. */
const SLICE_KEYS = 1000;
const SLICE_SESSION_RECORDS = 200;
const SLICE_STAGED_BYTES = 256 * 1024;
const ATTEMPTS = 5;

export interface StateDigest {
  /** The last entry applied. */
  index: number;
  digest: string;
}

/** Null when entries keep being applied while it is computed, and while a snapshot is loaded: that has its index from the beginning. */
export async function digestState(machine: StateMachine, timers: Timers): Promise<StateDigest | null> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    if (machine.isLoading) return null;
    const index = machine.appliedIndex;
    const digest = await digestAt(machine, index, timers);
    if (digest !== null) return { index, digest };
  }
  return null;
}

/** Null as soon as anything else than `index` is the last entry applied. */
async function digestAt(machine: StateMachine, index: number, timers: Timers): Promise<string | null> {
  const hasher = (await createXXHash64()).init();
  if (machine.appliedIndex !== index) return null;
  const head = Buffer.alloc(18);
  head.writeDoubleLE(machine.timeMs, 0);
  // Whether a write gets OOM hangs on it.
  head.writeDoubleLE(machine.keyspace.usedBytes, 8);
  head.writeUInt16LE(machine.rules, 16);
  hasher.update(head).update(policyItem(machine.policy));
  const sessions = machine.sessions.image();
  while (takeSessions(sessions, hasher)) {
    await nextTurn(timers);
    if (machine.appliedIndex !== index) return null;
  }
  const staged = machine.staged === null ? null : new StagedImage(machine.staged);
  for (let slice = staged?.next(SLICE_STAGED_BYTES); slice; slice = staged?.next(SLICE_STAGED_BYTES)) {
    hasher.update(slice);
    await nextTurn(timers);
    if (machine.appliedIndex !== index) return null;
  }
  const keys: KeyspaceDigest = machine.keyspace.beginDigest();
  for (;;) {
    const sum = keys.next(SLICE_KEYS);
    if (sum !== null) return hasher.update(sum).digest('hex');
    await nextTurn(timers);
    if (machine.appliedIndex !== index) return null;
  }
}

/** False when all are taken. */
function takeSessions(sessions: SessionsImage, hasher: IHasher): boolean {
  for (let taken = 0; taken < SLICE_SESSION_RECORDS; taken++) {
    const record = sessions.next();
    if (record === null) return false;
    hasher.update(record);
  }
  return true;
}

function nextTurn(timers: Timers): Promise<void> {
  return new Promise((resolve) => {
    timers.endOfTurn(resolve);
  });
}
