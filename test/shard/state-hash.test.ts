/** The list of what the state hash covers, held complete: a new part of the state fails here until somebody says whether it is replicated. */
import { describe, expect, it } from 'vitest';
import { slotOf } from '../../ring/index.ts';
import { compiledRules } from '../../src/server/compiled-command.ts';
import { sessionId } from '../../src/shard/batch.ts';
import { StateHash, hashNow } from '../../src/shard/state-hash.ts';
import type { StateMachine } from '../../src/shard/state-machine.ts';
import { StateLoad, StateSnapshot } from '../../src/shard/state-snapshot.ts';
import { Cut } from '../../src/shard/moves/cut.ts';
import type { SlotImport } from '../../src/shard/moves/imports.ts';
import { MoveItemType, moveEntry, pieceItem, slotsItem } from '../../src/shard/moves/move-item.ts';
import { STATE_PARTS } from '../../src/shard/moves/slot-parts.ts';
import { MoveOutcome, SlotState } from '../../src/shard/moves/slot-state.ts';
import { RecordType } from '../../src/shard/state-snapshot.ts';
import { Admission } from '../../src/shard/sessions.ts';
import { becomeSuccessor, VERSIONS_AHEAD } from '../../src/shard/successor-state.ts';
import { Staged } from '../../src/shard/staging.ts';
import { KeyRecord } from '../../src/store/snapshot-format.ts';
import { Encoding } from '../../src/store/types.ts';
import { NEXT } from '../versions/next-rules.ts';
import { newMachine } from './fake-raft.ts';

/** Fields of each part of the state: those that the hash covers, and those that are this replica's own, or follow from others. */
const PARTS: Record<string, { replicated: string[]; own: string[] }> = {
  machine: {
    replicated: [
      'keyspace',
      'sessions',
      'appliedIndex',
      'appliedTerm',
      'timeMs',
      'rules',
      'policy',
      'staged',
      'moves',
      'versionBase',
    ],
    own: [
      // Reads and whoever waits; buffers used again; and of the entry being applied.
      'longReads',
      'onMark',
      'hashesUnderWay',
      'memo',
      'context',
      'scratch',
      'entryTimeMs',
      'noRoom',
      'isLoading',
      // The policy's, for the keyspace to read.
      'limits',
      // What the build knows, and what of it goes with the rules.
      'known',
      'commands',
      'reads',
      // Of the entry being applied; a part of `moves`; and what `moves` is given.
      'recorder',
      'slotStates',
      'rerun',
      // How often slots are asked for, here.
      'operations',
    ],
  },
  policy: { replicated: ['budgetBytes', 'eviction', 'limits'], own: [] },
  limits: { replicated: ['hashMaxListpackEntries', 'hashMaxListpackValueBytes'], own: [] },
  staged: { replicated: ['term', 'bytes', 'filledBytes'], own: [] },
  sessions: { replicated: ['sessions', 'ended', 'rows'], own: ['found'] },
  session: { replicated: ['node', 'start', 'floors', 'lists'], own: ['number', 'nodeBytes', 'id', 'used'] },
  moves: { replicated: ['slots', 'exports', 'imports'], own: ['undecided', 'host'] },
  slots: {
    replicated: ['states', 'isFounded', 'closedBy', 'epochs', 'moves', 'peers', 'ended', 'outcomes'],
    own: ['hasMoved', 'counts', 'runs'],
  },
  // The bytes of effects each replica keeps as far as it has them.
  exports: { replicated: ['slots'], own: ['keptMaxBytes', 'keptBytes'] },
  export: { replicated: ['end', 'sum', 'isFencePending'], own: ['keptFrom', 'keptBytes', 'chunks'] },
  // Each effect names its limits.
  imports: { replicated: ['slots', 'terms', 'loading', 'ready', 'sessions'], own: ['limits', 'rerun'] },
  import: {
    replicated: [
      'slot',
      'move',
      'cutTerm',
      'cutIndex',
      'isCut',
      'cutBytes',
      'cutSum',
      'effectsEnd',
      'effectsSum',
      'sessionParts',
      'sessionPartsBytes',
      'load',
      'tail',
      'tailBytes',
    ],
    own: [],
  },
  rows: {
    // `words` tells which session and slot a row is of.
    replicated: ['kinds', 'numbers', 'blobs', 'words'],
    own: ['used', 'count', 'blobBytes', 'buckets', 'free'],
  },
  key: {
    replicated: ['DATABASE', 'TYPE', 'ENCODING', 'SLOT', 'VERSION', 'EXPIRY', 'KEY_LENGTH', 'VALUE_LENGTH'],
    own: ['BYTES', 'NUMBER'],
  },
};

interface Made {
  machine: StateMachine;
  session: number;
}

const NODE = 'a'.repeat(40);
interface Key {
  db: number;
  version: number;
  key: string;
  value: string;
  expireAtMs: number;
  encoding: Encoding;
}

const KEY: Key = { db: 0, version: 5, key: 'k', value: 'value', expireAtMs: 0, encoding: Encoding.EMBSTR };

function set(machine: StateMachine, change: Partial<Key> = {}): void {
  const { db, version, key, value, expireAtMs, encoding } = { ...KEY, ...change };
  const keyBytes = Buffer.from(key);
  const valueBytes = Buffer.from(value);
  const slot = slotOf(keyBytes, 0, keyBytes.length);
  const { keyspace } = machine;
  keyspace.at(machine.timeMs, version, true);
  keyspace.setString(
    db,
    slot,
    keyBytes,
    0,
    keyBytes.length,
    valueBytes,
    0,
    valueBytes.length,
    expireAtMs,
    encoding,
  );
}

function setField(machine: StateMachine, key: string, field: string, value: string): void {
  const { keyspace } = machine;
  const [k, f, v] = [key, field, value].map((text) => Buffer.from(text));
  const slot = slotOf(k, 0, k.length);
  keyspace.at(machine.timeMs, 6, true);
  let ref = keyspace.find(0, slot, k, 0, k.length);
  if (ref === 0) ref = keyspace.createHash(0, slot, k, 0, k.length);
  keyspace.hashSet(ref, f, 0, f.length, v, 0, v.length);
}

function record(machine: StateMachine, session: number, slot: number, sequence: number, reply: string): void {
  machine.sessions.admit(session, slot, sequence, 0);
  const bytes = Buffer.from(reply);
  machine.sessions.record(session, slot, sequence, bytes, 0, bytes.length);
}

/** A state with something of everything. */
function make(): Made {
  const machine = newMachine({}, compiledRules(NEXT));
  machine.appliedIndex = 90;
  machine.appliedTerm = 4;
  machine.timeMs = 5000;
  set(machine);
  set(machine, { key: 'volatile', expireAtMs: 9000 });
  set(machine, { key: 'other database', db: 3 });
  set(machine, { key: 'number', value: '17', encoding: Encoding.INT });
  set(machine, { key: 'long', value: 'x'.repeat(30_000), encoding: Encoding.RAW });
  for (let i = 0; i < 4; i++) setField(machine, 'small hash', `field${i}`, 'value');
  for (let i = 0; i < 200; i++) setField(machine, 'large hash', `field${i}`, `value${i}`);
  setField(machine, 'large hash', 'long', 'y'.repeat(30_000));
  machine.sessions.end('b'.repeat(40), 3);
  const session = machine.sessions.open(sessionId(NODE, 7), 0);
  record(machine, session, 11, 20, '+OK\r\n');
  record(machine, session, 11, 21, '$5\r\nhello\r\n');
  record(machine, session, 12, 4, ':42\r\n');
  machine.sessions.raiseFloor(session, 9, 30);
  machine.staged = new Staged(4, 100);
  machine.staged.append(Buffer.from('a part'), 0, 6);
  makeMoves(machine);
  return { machine, session };
}

const EXPORTED = 20;
const LOADING = 16_000;
const READY = 16_001;

/** One slot goes, two come, one of which is cut. */
function makeMoves(machine: StateMachine): void {
  const { moves } = machine;
  const items = [
    slotsItem(MoveItemType.FOUND, 0, 0, [{ from: 0, to: 15_999 }]),
    slotsItem(MoveItemType.EXPORT_BEGIN, 5, 2, [{ from: EXPORTED, to: EXPORTED }]),
    slotsItem(MoveItemType.IMPORT_BEGIN, 6, 3, [{ from: LOADING, to: READY }]),
    slotsItem(MoveItemType.IMPORT_ABORT, 4, 0, [{ from: 16_100, to: 16_101 }]),
  ];
  moves.apply(moveEntry(1, 0, Buffer.concat(items)));
  moves.exports.add(EXPORTED, Buffer.from('an effect'));
  const bytes = cutOf(LOADING);
  moves.apply(moveEntry(1, 0, pieceItem(6, 7, LOADING, 30, 0, bytes.subarray(0, -30))));
  const { imports } = moves;
  const ready = imports.slots.get(READY);
  if (ready === undefined) throw new Error('the import has begun');
  Object.assign(ready, { isCut: true, cutTerm: 7, cutIndex: 20, sessionParts: null });
  imports.effects(ready, 0, Buffer.from('\x40\0\0\0a part of an effect'));
  imports.ready.at(0, 3, true);
  imports.ready.setString(0, READY, Buffer.from('k'), 0, 1, Buffer.from('v'), 0, 1, 0, Encoding.EMBSTR);
  imports.sessions.open(sessionId('d'.repeat(40), 2), 0);
}

function cutOf(slot: number): Buffer {
  const source = newMachine();
  source.keyspace.at(0, 3, true);
  for (let i = 0; i < 9; i += 1) {
    const key = Buffer.from(`key ${i}`);
    const value = Buffer.alloc(10_000, i);
    source.keyspace.setString(0, slot, key, 0, key.length, value, 0, value.length, 0, Encoding.RAW);
  }
  const cut = new Cut(source, slot, 30);
  while (!cut.isWhole) cut.make();
  const pieces: Buffer[] = [];
  for (let at = 0; at < cut.made; at += pieces[pieces.length - 1].length) pieces.push(cut.read(at, 65_536));
  return Buffer.concat(pieces);
}

function importOf({ machine }: Made, slot: number): SlotImport {
  const one = machine.moves.imports.slots.get(slot);
  if (one === undefined) throw new Error('the import has begun');
  return one;
}

/** Each changes one thing. */
const CHANGES: Record<string, (made: Made) => void> = {
  'the last index applied': ({ machine }) => (machine.appliedIndex += 1),
  'its term': ({ machine }) => (machine.appliedTerm += 1),
  'the version of the rules': ({ machine }) => machine.setRules(NEXT.newest),
  'log time': ({ machine }) => (machine.timeMs += 1),
  'log time by less than a millisecond': ({ machine }) => (machine.timeMs += 0.25),
  'the budget': ({ machine }) => machine.setPolicy({ ...machine.policy, budgetBytes: 1000 }),
  'the eviction policy': ({ machine }) => machine.setPolicy({ ...machine.policy, eviction: 'allkeys-lru' }),
  'the limit of entries': ({ machine }) =>
    machine.setPolicy({ ...machine.policy, limits: { ...machine.policy.limits, hashMaxListpackEntries: 9 } }),
  'the limit of values': ({ machine }) =>
    machine.setPolicy({
      ...machine.policy,
      limits: { ...machine.policy.limits, hashMaxListpackValueBytes: 9 },
    }),
  'nothing staged': ({ machine }) => (machine.staged = null),
  'the term of what is staged': ({ machine }) => {
    machine.staged = new Staged(3, 100);
    machine.staged.append(Buffer.from('a part'), 0, 6);
  },
  'the size of what is staged': ({ machine }) => {
    machine.staged = new Staged(4, 101);
    machine.staged.append(Buffer.from('a part'), 0, 6);
  },
  'a byte that is staged': ({ machine }) => {
    machine.staged = new Staged(4, 100);
    machine.staged.append(Buffer.from('a Part'), 0, 6);
  },
  'another part': ({ machine }) => machine.staged?.append(Buffer.from('.'), 0, 1),
  'an ended start': ({ machine }) => machine.sessions.end('b'.repeat(40), 4),
  'the ended start of another node': ({ machine }) => machine.sessions.end('c'.repeat(40), 1),
  'a session': ({ machine }) => machine.sessions.open(sessionId('c'.repeat(40), 1), 0),
  'a floor': ({ machine, session }) => machine.sessions.raiseFloor(session, 9, 31),
  'the floor of another slot': ({ machine, session }) => machine.sessions.raiseFloor(session, 10, 1),
  'a row': ({ machine, session }) => record(machine, session, 11, 22, '+OK\r\n'),
  'a row of another slot': ({ machine, session }) => record(machine, session, 13, 4, ':42\r\n'),
  'a row less': ({ machine, session }) => machine.sessions.raiseFloor(session, 12, 5),
  'a kept reply': ({ machine, session }) => {
    machine.sessions.raiseFloor(session, 12, 4);
    record(machine, session, 12, 5, ':42\r\n');
  },
  'a kept number': ({ machine, session }) => {
    machine.sessions.raiseFloor(session, 12, 4);
    record(machine, session, 12, 5, ':43\r\n');
  },
  'the base of versions': ({ machine }) => (machine.versionBase += 1),
  'that it is closed': ({ machine }) => (machine.moves.slots.closedBy = 3),
  'what was founded': ({ machine }) => (machine.moves.slots.isFounded = false),
  'a fence': ({ machine }) => machine.moves.slots.freeze(EXPORTED),
  'a fence that waits': ({ machine }) => machine.moves.exports.setFencePending(EXPORTED),
  'an epoch': ({ machine }) => machine.moves.slots.setEpoch(3, 9),
  'an effect': ({ machine }) => machine.moves.exports.add(EXPORTED, Buffer.from('.')),
  'an export more': ({ machine }) => {
    machine.moves.slots.begin(21, 5, 2, SlotState.OWNED);
    machine.moves.exports.begin(21);
  },
  'its move': ({ machine }) => {
    machine.moves.slots.begin(21, 7, 2, SlotState.OWNED);
    machine.moves.exports.begin(21);
  },
  'its target': ({ machine }) => {
    machine.moves.slots.begin(21, 5, 3, SlotState.OWNED);
    machine.moves.exports.begin(21);
  },
  'a move that has ended': ({ machine }) =>
    machine.moves.slots.end(30, 3, MoveOutcome.ABORTED, SlotState.OWNED),
  'its outcome': ({ machine }) => machine.moves.slots.end(30, 3, MoveOutcome.WENT, SlotState.OWNED),
  'an import more': ({ machine }) => machine.moves.imports.begin(READY + 1, 6),
  'the term of a source': ({ machine }) => machine.moves.imports.hears(6, 8),
  'more of a cut': (made) =>
    made.machine.moves.imports.cut(importOf(made, LOADING), 7, 30, 0, cutOf(LOADING)),
  'another cut': (made) => made.machine.moves.imports.cut(importOf(made, LOADING), 7, 31, 0, Buffer.alloc(4)),
  'more of an effect': (made) =>
    made.machine.moves.imports.effects(importOf(made, READY), 22, Buffer.from('....')),
  'a staged key': ({ machine }) => machine.moves.imports.ready.flushSlot(-1, READY),
  'a staged session': ({ machine }) => machine.moves.imports.sessions.open(sessionId('e'.repeat(40), 2), 0),
  'a key': ({ machine }) => set(machine, { key: 'another' }),
  'a version': ({ machine }) => set(machine, { version: 6 }),
  'a value': ({ machine }) => set(machine, { value: 'Value' }),
  'the length of a value': ({ machine }) => set(machine, { value: 'value\0' }),
  'an encoding': ({ machine }) => set(machine, { encoding: Encoding.RAW }),
  'an expiry': ({ machine }) => set(machine, { key: 'volatile', expireAtMs: 9001 }),
  'no expiry': ({ machine }) => set(machine, { key: 'volatile' }),
  'a database': ({ machine }) => set(machine, { key: 'other database', db: 4 }),
  'the first byte of a long value': ({ machine }) =>
    set(machine, { key: 'long', value: `y${'x'.repeat(29_999)}`, encoding: Encoding.RAW }),
  'the last byte of a long value': ({ machine }) =>
    set(machine, { key: 'long', value: `${'x'.repeat(29_999)}y`, encoding: Encoding.RAW }),
  'a field of a small hash': ({ machine }) => setField(machine, 'small hash', 'field1', 'Value'),
  'a field more': ({ machine }) => setField(machine, 'small hash', 'field4', 'value'),
  'a field of a large hash': ({ machine }) => setField(machine, 'large hash', 'field1', 'Value'),
  'a long field of a large hash': ({ machine }) =>
    setField(machine, 'large hash', 'long', `${'y'.repeat(29_999)}z`),
  'a field of a large hash less': ({ machine }) => {
    const key = Buffer.from('large hash');
    const field = Buffer.from('field3');
    const { keyspace } = machine;
    keyspace.at(machine.timeMs, 6, true);
    const ref = keyspace.find(0, slotOf(key, 0, key.length), key, 0, key.length);
    keyspace.hashDelete(ref, field, 0, field.length);
  },
};

function fieldsOf(value: object): string[] {
  return Object.keys(value).sort();
}

describe('the state hash', () => {
  it('covers each field of the state, or this list says why not', () => {
    const { machine } = make();
    const inner = machine.sessions as unknown as { sessions: object[]; rows: object };
    const found: Record<string, object> = {
      machine,
      policy: machine.policy,
      limits: machine.policy.limits,
      staged: machine.staged ?? {},
      sessions: machine.sessions,
      session: inner.sessions[0],
      rows: inner.rows,
      key: KeyRecord,
      moves: machine.moves,
      slots: machine.moves.slots,
      exports: machine.moves.exports,
      export: (machine.moves.exports as unknown as { slots: Map<number, object> }).slots.get(EXPORTED) ?? {},
      imports: machine.moves.imports,
      import: machine.moves.imports.slots.get(READY) ?? {},
    };
    for (const [part, { replicated, own }] of Object.entries(PARTS))
      expect(fieldsOf(found[part]), part).toEqual([...replicated, ...own].sort());
  });

  it('and what moves with a slot is told of each field that is replicated', () => {
    const replicated = Object.entries(PARTS).flatMap(([part, { replicated: fields }]) =>
      fields.map((field) => `${part}.${field}`),
    );
    expect(STATE_PARTS.flatMap(({ fields }) => fields).toSorted()).toEqual(replicated.toSorted());
  });

  it('and what moves with a slot are told of each part of a snapshot', () => {
    expect(new Set(STATE_PARTS.map(({ record }) => record))).toEqual(new Set(Object.keys(RecordType)));
    for (const { what, moves, why } of STATE_PARTS) expect(moves === null, what).toBe(why !== undefined);
  });

  it('is another when any part of the state is', () => {
    const hashes = new Map([[hashNow(make().machine), 'as it was']]);
    for (const [name, change] of Object.entries(CHANGES)) {
      const made = make();
      change(made);
      const hash = hashNow(made.machine);
      expect(hashes.get(hash) ?? 'unique', name).toBe('unique');
      hashes.set(hash, name);
    }
  });

  it('is the same in slices, for a state that went through a snapshot, and made in another order', () => {
    const { machine } = make();
    const hash = hashNow(machine);
    const sliced = new StateHash(machine, Infinity);
    let hex: string | null = null;
    for (let i = 0; hex === null; i++) {
      set(machine, { key: 'k', value: `later ${i}`, version: 91 + i });
      hex = sliced.next(3);
    }
    expect(hex).toBe(hash);
    expect(hashNow(machine)).not.toBe(hash);

    const { machine: again } = make();
    const loaded = newMachine();
    const load = new StateLoad(loaded, again.appliedIndex, again.appliedTerm);
    const snapshot = new StateSnapshot(again);
    for (let slice = snapshot.next(4096); slice !== null; slice = snapshot.next(4096))
      load.feed(Buffer.from(slice));
    load.finish();
    expect(hashNow(loaded)).toBe(hash);
  });
});

describe('the successor of a lost shard', () => {
  /** A snapshot's records, by type. */
  function recordsOf(machine: StateMachine): Map<number, string> {
    const snapshot = new StateSnapshot(machine);
    const found = new Map<number, string>();
    for (let slice = snapshot.next(1e9); slice !== null; slice = snapshot.next(1e9)) {
      for (let at = 0; at < slice.length; at += slice.readUInt32LE(at) + 4) {
        const body = slice.subarray(at + 5, at + slice.readUInt32LE(at) + 4);
        found.set(slice[at + 4], (found.get(slice[at + 4]) ?? '') + body.toString('hex'));
      }
    }
    return found;
  }

  const fields = (parts: readonly { fields: readonly string[] }[]): string[] =>
    parts.flatMap((part) => part.fields);
  const of = (successor: string): string[] =>
    fields(STATE_PARTS.filter((part) => part.successor === successor));

  it('has all that there was of its slots, and nothing of moves or of what is staged', () => {
    const [before, { machine }] = [make(), make()];
    const everything = [{ from: 0, to: 16_383 }];
    becomeSuccessor(machine, everything);
    const [had, has] = [recordsOf(before.machine), recordsOf(machine)];
    expect(has.get(RecordType.KEYS)).toBe(had.get(RecordType.KEYS));
    expect(has.get(RecordType.SESSIONS)).toBe(had.get(RecordType.SESSIONS));
    expect([machine.timeMs, machine.rules, machine.policy]).toEqual([
      5000,
      before.machine.rules,
      before.machine.policy,
    ]);
    const gone = STATE_PARTS.filter(({ record, successor }) => successor === 'anew' && record !== 'SLOTS');
    for (const { record } of gone)
      expect(has.has(RecordType[record as keyof typeof RecordType]), record).toBe(false);
    expect(new Set(gone.map(({ record }) => record)).size).toBe(5);
    const { slots } = machine.moves;
    expect([slots.isFounded, slots.hasMoved, slots.count(SlotState.OWNED)]).toEqual([true, false, 16_384]);
    expect(machine.moves.movesUnderWay()).toEqual([]);
  });

  it('has no key, row or floor of a slot that is not its own', () => {
    const { machine, session } = make();
    const keep = slotOf(Buffer.from('k'), 0, 1);
    becomeSuccessor(machine, [
      { from: 11, to: 11 },
      { from: keep, to: keep },
    ]);
    const { keyspace, sessions, moves } = machine;
    const held = Array.from({ length: 16_384 }, (_, slot) => slot).filter(
      (slot) => keyspace.keyCountInSlot(slot) > 0,
    );
    expect(held).toEqual([keep]);
    expect([sessions.rowCount, sessions.floorOf(session, 9)]).toEqual([2, 0]);
    // A write whose outcome is unknown ran, and is told so.
    expect(sessions.admit(session, 11, 21, 0)).toBe(Admission.REPEAT);
    expect(sessions.open(sessionId('b'.repeat(40), 3), 0)).toBe(-1);
    expect([moves.isOwned(11), moves.isOwned(12)]).toEqual([true, false]);
  });

  it('writes versions that none was told before, and slot epochs go on', () => {
    const { machine } = make();
    const [version, epoch] = [machine.version, machine.moves.epochOf(11)];
    becomeSuccessor(machine, [{ from: 11, to: 11 }]);
    expect(machine.version).toBe(version + VERSIONS_AHEAD);
    expect(machine.moves.epochOf(11)).toBe(epoch + 1);
    expect(of('raised')).toEqual([
      'machine.versionBase',
      'machine.appliedIndex',
      'machine.appliedTerm',
      'slots.epochs',
    ]);
  });

  it('is the same to whoever loads its snapshot', () => {
    const { machine } = make();
    becomeSuccessor(machine, [{ from: 0, to: 9000 }]);
    const snapshot = new StateSnapshot(machine);
    const other = newMachine({}, compiledRules(NEXT));
    const load = new StateLoad(other, machine.appliedIndex, machine.appliedTerm);
    for (let slice = snapshot.next(1000); slice !== null; slice = snapshot.next(1000))
      load.feed(Buffer.from(slice));
    load.finish();
    expect(hashNow(other)).toBe(hashNow(machine));
  });
});
