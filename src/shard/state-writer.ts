/** A state that nothing changes meanwhile, as a snapshot's file, slice by slice. */
import type { SnapshotFileWriter } from '../wal/types.ts';
import type { StateMachine } from './state-machine.ts';
import { StateSnapshot } from './state-snapshot.ts';

/** One slice: about a millisecond. */
const SLICE_BYTES = 64 * 1024;

/** `turn` lets one of the event loop pass. False when `isOff` said so first: then there is no such snapshot. */
export async function writeState(
  machine: StateMachine,
  writer: SnapshotFileWriter,
  turn: () => Promise<void>,
  isOff: () => boolean,
): Promise<boolean> {
  const snapshot = new StateSnapshot(machine);
  for (;;) {
    await turn();
    if (isOff()) {
      snapshot.abandon();
      await writer.abandon();
      return false;
    }
    const slice = snapshot.next(SLICE_BYTES);
    if (slice === null) break;
    await writer.append(slice);
  }
  await writer.commit();
  return true;
}
