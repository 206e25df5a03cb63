/** Which rules an entry is applied by hangs on the entry alone: not on the build that applies it, nor on when (histories.md 10 b). */
import { describe, expect, it } from 'vitest';

import { slotOf } from '../../ring/index.ts';
import type { RulesTable } from '../../src/commands/rules.ts';
import { RULES } from '../../src/commands/table.ts';
import { NewerVersionError } from '../../src/errors.ts';
import { EntryKind, entryRules, sealEntry, type Entry } from '../../src/raft/entry.ts';
import { ReplyWriter } from '../../src/resp/reply-writer.ts';
import { compiledRules } from '../../src/server/compiled-command.ts';
import { Batch, sessionId } from '../../src/shard/batch.ts';
import type { StateMachine } from '../../src/shard/state-machine.ts';
import { StateLoad, StateSnapshot } from '../../src/shard/state-snapshot.ts';
import { NEXT } from '../versions/next-rules.ts';
import { argsOf, itemOf } from './encode.ts';
import { Answer, lookup, newMachine, newRig } from './fake-raft.ts';

const SESSION = sessionId('a'.repeat(40), 1);
const OLD = RULES.newest;
const NEW = NEXT.newest;

function machineOf(build: RulesTable): StateMachine {
  return newMachine({}, compiledRules(build));
}

/** A log of APPENDs, each of the given version. */
function logOf(...versions: number[]): Entry[] {
  return versions.map((version, i) => {
    const batch = new Batch();
    const { bytes, start, end } = itemOf(['append', 'k', `${i}`], i + 1, i + 1);
    batch.addCommand(new Answer(), SESSION, bytes, start, end);
    return sealEntry(batch.seal(version, 7, 1000 + i).entry, 1, i + 1);
  });
}

function applied(build: RulesTable, log: readonly Entry[], machine = machineOf(build)): StateMachine {
  for (const entry of log) machine.apply(entry, null);
  return machine;
}

function bytesOf(machine: StateMachine): Buffer {
  const snapshot = new StateSnapshot(machine);
  const slices: Buffer[] = [];
  for (let next = snapshot.next(4096); next !== null; next = snapshot.next(4096))
    slices.push(Buffer.from(next));
  return Buffer.concat(slices);
}

function loaded(build: RulesTable, bytes: Buffer, index: number): StateMachine {
  const machine = machineOf(build);
  const load = new StateLoad(machine, index, 1);
  load.feed(bytes);
  load.finish();
  return machine;
}

function valueOf(machine: StateMachine): string {
  const args = argsOf('get', 'k');
  const command = lookup(args);
  if (command === null) throw new Error('there is no GET');
  const reply = new ReplyWriter();
  machine.read(command, args, 0, slotOf(args.bytes, args.start[1], args.end[1]), 1000, 0, 1, reply);
  return reply.buffer.toString('latin1', 0, reply.size);
}

describe('an entry', () => {
  it('is applied by the rules that it names, by every build that knows them', () => {
    const old = logOf(OLD, OLD);
    expect(bytesOf(applied(NEXT, old))).toEqual(bytesOf(applied(RULES, old)));
    expect(valueOf(applied(NEXT, old))).toBe('$2\r\n01\r\n');
    expect(valueOf(applied(NEXT, logOf(OLD, NEW, NEW)))).toBe('$5\r\n01122\r\n');
  });

  it('means the same when it is replayed, from the beginning or from any snapshot', () => {
    const log = logOf(OLD, OLD, NEW, NEW);
    const whole = bytesOf(applied(NEXT, log));
    for (let cut = 0; cut <= log.length; cut++) {
      const snapshot = bytesOf(applied(NEXT, log.slice(0, cut)));
      const machine = applied(NEXT, log.slice(cut), loaded(NEXT, snapshot, cut));
      expect(bytesOf(machine), `from ${cut}`).toEqual(whole);
    }
  });

  it('never names less than those before it', () => {
    expect(() => applied(NEXT, logOf(NEW, OLD))).toThrow('never fall');
  });

  it('of rules that this build does not know is never applied', () => {
    const machine = applied(RULES, logOf(OLD));
    const before = bytesOf(machine);
    expect(() => applied(RULES, logOf(OLD, NEW).slice(1), machine)).toThrow(NewerVersionError);
    expect(bytesOf(machine)).toEqual(before);
  });
});

describe('a snapshot', () => {
  it('tells the version, also when nothing was applied by it yet', () => {
    const snapshot = bytesOf(applied(NEXT, logOf(OLD)));
    const machine = applied(NEXT, logOf(OLD));
    machine.setRules(NEW);
    expect(bytesOf(machine)).not.toEqual(snapshot);
    expect(loaded(NEXT, bytesOf(machine), 1).rules).toBe(NEW);
  });

  it('of a newer version is refused', () => {
    const snapshot = bytesOf(applied(NEXT, logOf(OLD, NEW)));
    expect(() => loaded(RULES, snapshot, 2)).toThrow(NewerVersionError);
  });
});

describe('a leader', () => {
  it('raises the rules of a group that nobody writes to, once', () => {
    const rig = newRig({}, compiledRules(NEXT));
    rig.replica.maintain(rig.now);
    expect(rig.raft.log).toEqual([]);
    rig.raft.nextRules = NEW;
    rig.replica.maintain(rig.now);
    rig.replica.maintain(rig.now);
    const log = rig.raft.log.splice(0);
    expect(log.map((entry) => [entry.kind, entryRules(entry)])).toEqual([[EntryKind.NOOP, NEW]]);
    rig.replica.advance(log, [], false, rig.now);
    expect(rig.machine.rules).toBe(NEW);
  });

  it('tries again when the entry was refused, and not while it cannot be read from', () => {
    const rig = newRig({}, compiledRules(NEXT));
    rig.raft.nextRules = NEW;
    rig.raft.outcome = 'full';
    rig.replica.maintain(rig.now);
    rig.raft.outcome = 'proposed';
    rig.raft.readable = false;
    rig.replica.maintain(rig.now);
    expect(rig.raft.log).toHaveLength(0);
    rig.raft.readable = true;
    rig.replica.maintain(rig.now);
    expect(rig.raft.log).toHaveLength(1);
  });
});
