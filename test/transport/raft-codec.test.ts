import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { ENTRY_HEADER_BYTES, EntryKind, sealEntry, writeEntryHeader } from '../../src/raft/entry.ts';
import type { Entry } from '../../src/raft/entry.ts';
import type { Heartbeat, HeartbeatResponse, Message } from '../../src/raft/types.ts';
import { MalformedSectionError } from '../../src/transport/malformed.ts';
import { readHeartbeatRows, readMessages } from '../../src/transport/raft-decode.ts';
import { writeHeartbeatRow, writeMessage } from '../../src/transport/raft-encode.ts';
import { SectionBuffer } from '../../src/transport/section-buffer.ts';

const count = fc.oneof(fc.nat(), fc.constant(Number.MAX_SAFE_INTEGER));
const time = fc.double({ min: 0, max: 1e15, noNaN: true });
const base = { group: count, from: count, to: count, term: count };
const request = { ...base, session: count, round: count, timeMs: time };
const response = { ...base, session: count, round: count, promiseMs: time };
const members = fc.array(count, { maxLength: 7 });
const data = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes));

const entry: fc.Arbitrary<Entry> = fc
  .record({
    payload: data,
    term: count,
    index: count,
    stampMs: time,
    seed: fc.nat(),
    kind: fc.constantFrom(...Object.values(EntryKind)),
  })
  .map(({ payload, term, index, ...fields }) => {
    const bytes = Buffer.concat([Buffer.alloc(ENTRY_HEADER_BYTES), payload]);
    writeEntryHeader(bytes, { ...fields, rules: 1 });
    return sealEntry(bytes, term, index);
  });

type Plain = Parameters<typeof writeMessage>[1];
const message: fc.Arbitrary<Plain> = fc.oneof(
  fc.record({
    kind: fc.constant('append' as const),
    ...request,
    prevIndex: count,
    prevTerm: count,
    commit: count,
    entries: fc.array(entry, { maxLength: 4 }),
  }),
  fc.record({
    kind: fc.constant('append-response' as const),
    ...response,
    accepted: fc.boolean(),
    index: count,
    hintIndex: count,
    hintTerm: count,
  }),
  fc.record({
    kind: fc.constant('vote' as const),
    ...base,
    pre: fc.boolean(),
    transfer: fc.boolean(),
    lastIndex: count,
    lastTerm: count,
  }),
  fc.record({
    kind: fc.constant('vote-response' as const),
    ...base,
    pre: fc.boolean(),
    granted: fc.boolean(),
    timeSeenMs: time,
    wallMs: time,
  }),
  fc.record({ kind: fc.constant('timeout-now' as const), ...base, lastIndex: count, lastTerm: count }),
  fc.record({
    kind: fc.constant('snapshot' as const),
    ...request,
    snapshotId: count,
    offset: count,
    totalBytes: count,
    snapshot: fc.record({
      index: count,
      term: count,
      membership: fc.record({ voters: members, votersOld: members, learners: members }),
    }),
    data,
  }),
  fc.record({
    kind: fc.constant('snapshot-response' as const),
    ...response,
    snapshotId: count,
    nextOffset: count,
    installed: fc.boolean(),
    index: count,
  }),
);
const row: fc.Arbitrary<Heartbeat | HeartbeatResponse> = fc.oneof(
  fc.record({ kind: fc.constant('heartbeat' as const), ...request, commit: count }),
  fc.record({ kind: fc.constant('heartbeat-response' as const), ...response }),
);

const MARGIN = Buffer.from('around');

/** The section lies within a larger frame, as on the wire. */
function section(write: (buffer: SectionBuffer) => void): { bytes: Buffer; start: number; end: number } {
  const buffer = new SectionBuffer();
  write(buffer);
  const bytes = Buffer.concat([MARGIN, Buffer.alloc(buffer.sizeBytes), MARGIN]);
  const end = buffer.moveTo(bytes, MARGIN.length);
  return { bytes, start: MARGIN.length, end };
}

type Read = typeof readMessages;
function readAll(read: Read, bytes: Buffer, start: number, end: number): Message[] {
  const messages: Message[] = [];
  read(bytes, start, end, (message, group, from) => {
    expect([message.group, message.from]).toEqual([group, from]);
    messages.push(message);
  });
  return messages;
}

/** True when the bytes were refused as they should be; any other exception fails the test. */
function refused(read: Read, bytes: Buffer, start: number, end: number): boolean {
  try {
    readAll(read, bytes, start, end);
    return false;
  } catch (error) {
    expect(error).toBeInstanceOf(MalformedSectionError);
    return true;
  }
}

describe('Raft messages on the wire', () => {
  it('come back as they were, in order', () => {
    fc.assert(
      fc.property(fc.array(message, { maxLength: 6 }), (messages) => {
        const { bytes, start, end } = section((buffer) =>
          messages.forEach((each) => writeMessage(buffer, each)),
        );
        expect(readAll(readMessages, bytes, start, end)).toEqual(messages);
      }),
    );
  });

  it('heartbeats and their responses come back as they were', () => {
    fc.assert(
      fc.property(fc.array(row, { maxLength: 20 }), (rows) => {
        const { bytes, start, end } = section((buffer) =>
          rows.forEach((each) => writeHeartbeatRow(buffer, each)),
        );
        expect(readAll(readHeartbeatRows, bytes, start, end)).toEqual(rows);
      }),
    );
  });

  it('keep nothing of the bytes that they were read from', () => {
    fc.assert(
      fc.property(fc.array(message, { maxLength: 6 }), (messages) => {
        const { bytes, start, end } = section((buffer) =>
          messages.forEach((each) => writeMessage(buffer, each)),
        );
        const read = readAll(readMessages, bytes, start, end);
        bytes.fill(0xdb);
        expect(read).toEqual(messages);
      }),
    );
  });

  it('are refused when cut short anywhere but between two of them', () => {
    fc.assert(
      fc.property(message, fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }), (each, part) => {
        const { bytes, start, end } = section((buffer) => writeMessage(buffer, each));
        const cut = start + 1 + Math.floor(part * (end - start - 1));
        expect(refused(readMessages, bytes, start, cut)).toBe(cut < end);
      }),
    );
    fc.assert(
      fc.property(row, fc.integer({ min: 1, max: 71 }), (each, cut) => {
        const { bytes, start } = section((buffer) => writeHeartbeatRow(buffer, each));
        expect(refused(readHeartbeatRows, bytes, start, start + cut)).toBe(true);
      }),
    );
  });

  it('throw nothing but one error when garbled', () => {
    const flips = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })), {
      minLength: 1,
      maxLength: 8,
    });
    fc.assert(
      fc.property(fc.array(message, { minLength: 1, maxLength: 3 }), flips, (messages, flips) => {
        const { bytes, start, end } = section((buffer) =>
          messages.forEach((each) => writeMessage(buffer, each)),
        );
        for (const [at, flip] of flips) bytes[start + (at % (end - start))] ^= flip;
        refused(readMessages, bytes, start, end);
        refused(readHeartbeatRows, bytes, start, end);
      }),
      { numRuns: 300 },
    );
  });

  it('refuse an append whose entry was damaged on the way', () => {
    fc.assert(
      fc.property(entry, fc.nat(), fc.integer({ min: 1, max: 255 }), (each, at, flip) => {
        const append: Plain = {
          kind: 'append',
          group: 1,
          from: 1,
          to: 2,
          term: 3,
          session: 4,
          round: 5,
          timeMs: 6,
          prevIndex: 7,
          prevTerm: 8,
          commit: 9,
          entries: [each],
        };
        const { bytes, start, end } = section((buffer) => writeMessage(buffer, append));
        bytes[end - 1 - (at % each.bytes.length)] ^= flip;
        expect(refused(readMessages, bytes, start, end)).toBe(true);
      }),
    );
  });
});
