import { crc32 } from 'node:zlib';

import { policyItem } from '../../../../src/shard/prelude.ts';
import { StagedImage } from '../../../../src/shard/staging.ts';
import type { StateMachine } from '../../../../src/shard/state-machine.ts';

/** All replicated state of a shard, at once: what src/shard/state-digest.ts takes in slices. */
export function stateHash(machine: StateMachine): string {
  const head = Buffer.alloc(16);
  head.writeDoubleLE(machine.timeMs, 0);
  head.writeDoubleLE(machine.keyspace.usedBytes, 8);
  let sum = crc32(policyItem(machine.policy), crc32(head));
  const sessions = machine.sessions.image();
  for (let record = sessions.next(); record !== null; record = sessions.next()) sum = crc32(record, sum);
  if (machine.staged !== null) {
    const staged = new StagedImage(machine.staged);
    for (let slice = staged.next(Infinity); slice; slice = staged.next(Infinity)) sum = crc32(slice, sum);
  }
  return `${machine.keyspace.beginDigest().next(Infinity)}-${sum.toString(16)}`;
}
