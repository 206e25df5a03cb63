import * as fc from 'fast-check';
import { expect, it } from 'vitest';

import { ENTRY_HEADER_BYTES, sealEntry } from '../../src/raft/entry.ts';
import {
  Batch,
  type SessionId,
  SESSION_ITEM_BYTES,
  sessionId,
  sessionItemId,
} from '../../src/shard/batch.ts';
import { commandSequence, itemSize, ItemType, itemType } from '../../src/shard/command-item.ts';
import { noRoomItem } from '../../src/shard/prelude.ts';
import { onDesk } from '../../src/store/desk.ts';
import { itemOf } from './encode.ts';
import { Answer } from './fake-raft.ts';

const SESSIONS = ['a', 'b', 'c'].map((digit, start) => sessionId(digit.repeat(40), start + 1));

interface Said {
  session: string;
  sequence: number;
  bytes: string;
}

/** The commands that an entry's payload holds, each with its session. */
function commandsOf(bytes: Buffer): Said[] {
  const said: Said[] = [];
  let session = '';
  const end = ENTRY_HEADER_BYTES + bytes.readUInt32LE(ENTRY_HEADER_BYTES);
  for (let at = ENTRY_HEADER_BYTES + 4; at < end; at += itemSize(bytes, at)) {
    if (itemType(bytes, at) === ItemType.SESSION) {
      expect(itemSize(bytes, at)).toBe(SESSION_ITEM_BYTES);
      session = bytes.toString('hex', sessionItemId(at), sessionItemId(at) + 24);
      continue;
    }
    const sequence = commandSequence(bytes, at);
    said.push({ session, sequence, bytes: bytes.toString('hex', at, at + itemSize(bytes, at)) });
  }
  return said;
}

it('an entry holds its commands one by one, in order, each behind its session, however they lay in memory', () => {
  const step = fc.record({
    kind: fc.constantFrom(
      'write',
      'write',
      'write',
      'write',
      'skipped',
      'read',
      'apart',
      'prelude',
      'seal',
      'refuse',
    ),
    session: fc.constantFrom(0, 0, 0, 1, 2),
    length: fc.oneof(fc.nat(30), fc.constantFrom(0, 20_000, 70_000)),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60, size: 'max' }), (steps) => {
      const batch = new Batch();
      let model: Said[] = [];
      let waiters: Answer[] = [];
      let sizeBytes = 0;
      let lastSession: SessionId | null = null;
      let sequence = 2 ** 32 - 20;
      for (const { kind, session, length } of [...steps, { kind: 'seal', session: 0, length: 0 }]) {
        sequence += 1;
        const words = ['set', `k${sequence}`, 'v'.repeat(length)];
        if (kind === 'prelude') {
          batch.addPrelude(noRoomItem());
          sizeBytes += 8;
        } else if (kind === 'refuse' || kind === 'seal') {
          expect(batch.sizeBytes).toBe(sizeBytes);
          expect(batch.isEmpty).toBe(sizeBytes === 0 && waiters.length === 0);
          if (kind === 'refuse') batch.refuseAll(1);
          else {
            const sealed = batch.seal(2, 7, 5);
            expect(sealed.waiters.waiters).toEqual(waiters);
            const { bytes } = sealEntry(sealed.entry, 1, 1);
            expect(bytes.length).toBe(ENTRY_HEADER_BYTES + 4 + sizeBytes);
            expect(commandsOf(bytes)).toEqual(model);
            const preludeAt = ENTRY_HEADER_BYTES + bytes.readUInt32LE(ENTRY_HEADER_BYTES);
            if (model.length > 0) expect(commandsOf(onDesk(bytes))).toEqual(model);
            for (let at = preludeAt; at < bytes.length; at += itemSize(bytes, at))
              expect(itemType(bytes, at)).toBe(ItemType.NO_ROOM);
          }
          [model, waiters, sizeBytes, lastSession] = [[], [], 0, null];
        } else {
          const item = itemOf(words, sequence);
          // Made for another shard, or lost before it came here.
          if (kind === 'skipped') continue;
          const answer = new Answer();
          waiters.push(answer);
          if (kind === 'read') {
            batch.waiters.addRead(answer, item.bytes, item.start);
            continue;
          }
          const bytes = item.bytes.subarray(item.start, item.end);
          const given = kind === 'apart' ? { bytes: Buffer.from(bytes), start: 0, end: bytes.length } : item;
          batch.addCommand(answer, SESSIONS[session], given.bytes, given.start, given.end);
          model.push({ session: SESSIONS[session].toString('hex'), sequence, bytes: bytes.toString('hex') });
          sizeBytes += bytes.length + (SESSIONS[session] === lastSession ? 0 : SESSION_ITEM_BYTES);
          lastSession = SESSIONS[session];
        }
      }
    }),
    { numRuns: 150 },
  );
});
