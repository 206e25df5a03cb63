import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { ReplyWriter } from '../../src/resp/reply-writer.ts';
import { sessionId } from '../../src/shard/batch.ts';
import { NO_ROW, ROW_REPLY_MAX_BYTES, SessionRows } from '../../src/shard/session-rows.ts';
import { Admission, Sessions } from '../../src/shard/sessions.ts';

const NODES = ['a'.repeat(40), 'b'.repeat(40), 'c'.repeat(40)];
const REPLIES = [
  '+OK\r\n',
  ':7\r\n',
  ':-12\r\n',
  '$-1\r\n',
  '_\r\n',
  '$5\r\nhello\r\n',
  '*-1\r\n',
  '-ERR no\r\n',
];

/** Writes of one slot under way at once. */
const DEEP = 100_000;

/** What the design says, in maps. */
class Model {
  readonly ended = new Map<string, number>();
  readonly floors = new Map<string, number>();
  readonly rows = new Map<string, string>();

  isOpen(node: string, start: number): boolean {
    return start > (this.ended.get(node) ?? 0);
  }

  open(node: string, start: number): void {
    if (this.isOpen(node, start)) this.end(node, start - 1);
  }

  end(node: string, start: number): void {
    if (start <= (this.ended.get(node) ?? 0)) return;
    this.ended.set(node, start);
    for (const held of [this.floors, this.rows]) {
      for (const key of held.keys()) {
        const [name, number] = key.split('/');
        if (name === node && Number(number) <= start) held.delete(key);
      }
    }
  }

  raise(node: string, start: number, slot: number, floor: number): void {
    const key = `${node}/${start}/${slot}`;
    if (floor <= (this.floors.get(key) ?? 0)) return;
    this.floors.set(key, floor);
    for (const row of this.rows.keys()) {
      if (row.startsWith(`${key}/`) && Number(row.split('/')[3]) < floor) this.rows.delete(row);
    }
  }
}

const SLOTS = [0, 5, 16383];

const command = fc.record({
  kind: fc.constantFrom('write', 'write', 'write', 'write', 'floor', 'end', 'reload', 'move'),
  node: fc.constantFrom(...NODES),
  start: fc.integer({ min: 1, max: 3 }),
  slot: fc.constantFrom(...SLOTS),
  sequence: fc.integer({ min: 1, max: 12 }),
  behind: fc.integer({ min: 0, max: 6 }),
  reply: fc.constantFrom(...REPLIES),
});

function reloaded(sessions: Sessions): Sessions {
  const copy = new Sessions();
  const image = sessions.image();
  for (let record = image.next(); record !== null; record = image.next()) copy.load(record);
  return copy;
}

/** By another shard, slot by slot. */
function takenOver(sessions: Sessions): Sessions {
  const target = new Sessions();
  for (const { node, start } of sessions.endedStarts()) target.end(node, start);
  for (const slot of SLOTS) target.takeSlot(slot, sessions);
  return target;
}

function bytesOf(sessions: Sessions): Buffer {
  const records: Buffer[] = [];
  const image = sessions.image();
  for (let record = image.next(); record !== null; record = image.next()) records.push(record);
  return Buffer.concat(records);
}

describe('sessions', () => {
  it('admit, repeat and refuse as the plain model does, also after a snapshot, and where slots go to another shard', () => {
    fc.assert(
      fc.property(fc.array(command, { maxLength: 80, size: 'max' }), (commands) => {
        let sessions = new Sessions();
        const model = new Model();
        for (const { kind, node, start, slot, sequence, behind, reply } of commands) {
          if (kind === 'end') {
            sessions.end(node, start - 1);
            model.end(node, start - 1);
          } else if (kind === 'reload') {
            const copy = reloaded(sessions);
            expect(bytesOf(copy).equals(bytesOf(sessions))).toBe(true);
            expect([copy.rowCount, copy.blobBytes]).toEqual([sessions.rowCount, sessions.blobBytes]);
            sessions = copy;
          } else if (kind === 'move') {
            const target = takenOver(sessions);
            expect([target.rowCount, target.blobBytes]).toEqual([sessions.rowCount, sessions.blobBytes]);
            sessions = target;
          } else {
            const index = sessions.open(sessionId(node, start), 0);
            model.open(node, start);
            expect(index >= 0).toBe(model.isOpen(node, start));
            const floor = Math.max(1, sequence - behind);
            if (kind === 'floor') {
              sessions.raiseFloor(index, slot, floor);
              if (index >= 0) model.raise(node, start, slot, floor);
              continue;
            }
            expect(write(sessions, index, slot, sequence, floor, reply)).toBe(
              index < 0 ? 'not open' : expected(model, node, start, slot, sequence, floor, reply),
            );
          }
          expect(sessions.rowCount).toBe(model.rows.size);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('do so where sequences pass what 31, 32 and 48 bits hold, and where they share all their low bits', () => {
    const near = fc.record({
      kind: fc.constantFrom('write', 'write', 'write', 'write', 'write', 'write', 'floor', 'reload'),
      node: fc.constantFrom(...NODES),
      slot: fc.constantFrom(0, 1, 5, 16383),
      base: fc.constantFrom(0, 2 ** 31, 2 ** 32, 2 ** 33, 2 ** 48, 2 ** 52),
      offset: fc.integer({ min: -3, max: 8 }),
      behind: fc.oneof(fc.integer({ min: 0, max: 6 }), fc.constantFrom(2 ** 31, 2 ** 32 - 1)),
      reply: fc.constantFrom(...REPLIES, `:${2 ** 31}\r\n`, ':-2147483649\r\n', `:${10 ** 15 - 1}\r\n`),
    });
    fc.assert(
      fc.property(fc.array(near, { maxLength: 80, size: 'max' }), (commands) => {
        let sessions = new Sessions();
        const model = new Model();
        for (const { kind, node, slot, base, offset, behind, reply } of commands) {
          const index = sessions.open(sessionId(node, 7), 0);
          model.open(node, 7);
          const sequence = Math.max(1, base + offset);
          const floor = sequence - behind;
          if (kind === 'floor') {
            sessions.raiseFloor(index, slot, floor);
            model.raise(node, 7, slot, floor);
          } else if (kind === 'reload') {
            const copy = reloaded(sessions);
            expect(bytesOf(copy).equals(bytesOf(sessions))).toBe(true);
            sessions = copy;
          } else {
            const wanted = expected(model, node, 7, slot, sequence, floor, reply);
            expect(write(sessions, index, slot, sequence, floor, reply)).toBe(wanted);
          }
          expect(sessions.rowCount).toBe(model.rows.size);
        }
      }),
      { numRuns: 150 },
    );
  });

  it('find each row of many sessions again, whatever bits of slot and sequence they share', () => {
    const sessions = new Sessions();
    const kept: number[] = [];
    for (let session = 0; session < 40; session++) {
      const index = sessions.open(sessionId(session.toString(16).padStart(40, '0'), 1), 0);
      kept.push(index);
      for (const sequence of [1, 2 ** 31, 2 ** 32, 2 ** 32 + 1, 2 ** 45 + 1])
        for (const slot of [0, 16383])
          expect(write(sessions, index, slot, sequence, 1, `:${session}\r\n`)).toBe('run');
    }
    for (const [session, index] of kept.entries())
      for (const sequence of [1, 2 ** 31, 2 ** 32, 2 ** 32 + 1, 2 ** 45 + 1])
        for (const slot of [0, 16383])
          expect(write(sessions, index, slot, sequence, 1, '+OK\r\n')).toBe(`repeat :${session}\r\n`);
  });

  it('find and drop rows of places up to 31 bits', () => {
    const rows = new SessionRows();
    const places = [0, 16383, 2 ** 30, 2 ** 31 - 16384, 2 ** 31 - 1];
    const sequences = Array.from({ length: 600 }, (_, i) => 2 ** 32 - 300 + i);
    for (const place of places)
      for (let i = 0, head = NO_ROW; i < sequences.length; i++) head = rows.add(place, sequences[i], head);
    for (const place of places) {
      for (const sequence of sequences) expect(rows.sequence(rows.find(place, sequence))).toBe(sequence);
      expect(rows.find(place, 2 ** 32 + 2 ** 33)).toBe(NO_ROW);
      let head = rows.find(place, sequences[599]);
      for (const sequence of sequences) head = rows.drop(rows.find(place, sequence), head);
      expect(head).toBe(NO_ROW);
      expect(rows.find(place, sequences[0])).toBe(NO_ROW);
    }
    expect(rows.count).toBe(0);
  });

  it('keep no reply over the limit, and say so', () => {
    const sessions = new Sessions();
    const index = sessions.open(sessionId(NODES[0], 1), 0);
    const big = Buffer.alloc(ROW_REPLY_MAX_BYTES + 1, 'x');
    sessions.record(index, 3, 1, big, 0, big.length);
    const kept = reloaded(sessions);
    for (const copy of [sessions, kept]) {
      expect(copy.admit(0, 3, 1, 1)).toBe(Admission.REPEAT);
      expect(copy.repeatReply(new ReplyWriter())).toBe(false);
    }
  });

  it('take as long for a write of a hot slot as for any other, however many are under way', () => {
    const sessions = new Sessions();
    const index = sessions.open(sessionId(NODES[0], 1), 0);
    const reply = Buffer.from(':1\r\n');
    const startedMs = performance.now();
    let ran = 0;
    let repeated = 0;
    // All under way at once, then answered one by one, with as many more behind them; then all that is left goes again.
    for (let sequence = 1; sequence <= 2 * DEEP; sequence++) {
      const floor = Math.max(1, sequence - DEEP);
      if (sessions.admit(index, 3, sequence, floor) === Admission.RUN) ran += 1;
      sessions.record(index, 3, sequence, reply, 0, reply.length);
    }
    for (let sequence = DEEP; sequence <= 2 * DEEP; sequence++)
      if (sessions.admit(index, 3, sequence, DEEP) === Admission.REPEAT) repeated += 1;
    expect([ran, repeated]).toEqual([2 * DEEP, DEEP + 1]);
    expect(sessions.rowCount).toBe(DEEP + 1);
    // A chain that is walked takes minutes.
    expect(performance.now() - startedMs).toBeLessThan(5000);
  });

  it('take a floor that is far above all sequences seen, and copies that come late and out of order', () => {
    const sessions = new Sessions();
    const index = sessions.open(sessionId(NODES[0], 1), 0);
    for (const sequence of [9, 3, 7]) expect(write(sessions, index, 3, sequence, 3, ':1\r\n')).toBe('run');
    expect(write(sessions, index, 3, 2, 1, ':1\r\n')).toBe('below');
    expect(write(sessions, index, 3, 7, 7, ':2\r\n')).toBe('repeat :1\r\n');
    expect(sessions.rowCount).toBe(2);
    sessions.raiseFloor(index, 3, 2 ** 52);
    expect(sessions.rowCount).toBe(0);
    expect(write(sessions, index, 3, 2 ** 52, 2 ** 52, ':1\r\n')).toBe('run');
  });

  it('cut the rows of one slot into records of fair size', () => {
    const sessions = new Sessions();
    const index = sessions.open(sessionId(NODES[0], 1), 0);
    const reply = Buffer.alloc(ROW_REPLY_MAX_BYTES, 'x');
    for (let sequence = 1; sequence <= 300; sequence++)
      sessions.record(index, 3, sequence, reply, 0, reply.length);
    const image = sessions.image();
    for (let record = image.next(); record !== null; record = image.next())
      expect(record.length).toBeLessThan(1024 * 1024);
    const copy = reloaded(sessions);
    expect(copy.rowCount).toBe(300);
    for (const sequence of [1, 150, 300]) expect(copy.admit(0, 3, sequence, 1)).toBe(Admission.REPEAT);
    expect(copy.admit(0, 3, 301, 1)).toBe(Admission.RUN);
  });
});

function expected(
  model: Model,
  node: string,
  start: number,
  slot: number,
  sequence: number,
  floor: number,
  reply: string,
): string {
  model.raise(node, start, slot, floor);
  const key = `${node}/${start}/${slot}`;
  if (sequence < (model.floors.get(key) ?? 0)) return 'below';
  const row = model.rows.get(`${key}/${sequence}`);
  if (row !== undefined) return `repeat ${row}`;
  model.rows.set(`${key}/${sequence}`, reply);
  return 'run';
}

function write(
  sessions: Sessions,
  index: number,
  slot: number,
  sequence: number,
  floor: number,
  reply: string,
): string {
  switch (sessions.admit(index, slot, sequence, floor)) {
    case Admission.NOT_OPEN:
      return 'not open';
    case Admission.BELOW_FLOOR:
      return 'below';
    case Admission.REPEAT: {
      const writer = new ReplyWriter();
      expect(sessions.repeatReply(writer)).toBe(true);
      return `repeat ${writer.buffer.toString('latin1', 0, writer.size)}`;
    }
    case Admission.RUN: {
      const bytes = Buffer.from(reply);
      sessions.record(index, slot, sequence, bytes, 0, bytes.length);
      return 'run';
    }
    default:
      throw new Error('no such admission');
  }
}
