/** What each slot should hold: its commands, run once each in the order in which some group ran them, on a machine of its own that nothing moves. */
import { slotOf } from '../../../ring/index.ts';
import { Batch } from '../../../src/shard/batch.ts';
import type { StateMachine } from '../../../src/shard/state-machine.ts';
import { sealEntry } from '../../../src/raft/entry.ts';
import { NO_REF, ValueType, type Keyspace } from '../../../src/store/types.ts';
import { FIRST_VERSION } from '../../../src/topology/cluster-version.ts';
import { itemOf } from '../../shard/encode.ts';
import { newMachine } from '../../shard/fake-raft.ts';
import { BrokenRule, session } from './group.ts';

const SLOT_STRIDE = 2 ** 32;

export class Oracle {
  private readonly machines = new Map<number, StateMachine>();
  /** Of each key: the version of its last write, wherever it was. */
  private readonly versions = new Map<string, number>();

  private of(slot: number): StateMachine {
    let machine = this.machines.get(slot);
    if (machine === undefined) this.machines.set(slot, (machine = newMachine()));
    return machine;
  }

  /** A group ran a command at this time, and replied so. */
  ran(words: string[], client: number, sequence: number, floor: number, timeMs: number, reply: string): void {
    const slot = slotOfKey(words[1]);
    const machine = this.of(slot);
    if (timeMs < machine.timeMs)
      throw new BrokenRule(
        `log-time-rises: the time of slot ${slot} went back: what had expired is there again`,
      );
    let text: string | null = null;
    const batch = new Batch();
    const { bytes, start, end } = itemOf(words, sequence, floor);
    const waiter = {
      reply: (from: Buffer, at: number, to: number) => (text = from.toString('latin1', at, to)),
      replyLong: () => {},
      refuse: () => {},
    };
    batch.addCommand(waiter, session(client), bytes, start, end);
    const { entry, waiters } = batch.seal(FIRST_VERSION, 1, timeMs);
    machine.apply(sealEntry(entry, 1, machine.appliedIndex + 1), waiters);
    if (text === null) throw new BrokenRule(`exactly-once: ${words.join(' ').slice(0, 40)} ran twice`);
    if (text !== reply)
      throw new BrokenRule(
        `replies-as-asked: ${words.join(' ').slice(0, 40)} was answered ${JSON.stringify(reply.slice(0, 40))}, not ${JSON.stringify(String(text).slice(0, 40))}`,
      );
  }

  /** A version was given to what a write made. */
  wrote(key: string, version: number): void {
    const last = this.versions.get(key) ?? 0;
    if (version <= last)
      throw new BrokenRule(`versions-rise: the version of ${key} is ${version} after ${last}`);
    this.versions.set(key, version);
  }

  versionOf(key: string): number {
    return this.versions.get(key) ?? 0;
  }

  /** Some key went by eviction. */
  evicted(key: string): void {
    const slot = slotOfKey(key);
    const { keyspace, timeMs } = this.of(slot);
    const bytes = Buffer.from(key);
    keyspace.at(timeMs, this.of(slot).appliedIndex + 1, true);
    const ref = keyspace.find(0, slot, bytes, 0, bytes.length);
    if (ref !== NO_REF) keyspace.remove(ref);
    this.of(slot).appliedIndex += 1;
  }

  flushed(slot: number): void {
    const machine = this.of(slot);
    machine.keyspace.at(machine.timeMs, machine.appliedIndex + 1, true);
    machine.appliedIndex += 1;
    machine.keyspace.flush(-1);
  }

  /** A read at this time, by whoever serves the slot. */
  read(slot: number, timeMs: number, content: string): void {
    const machine = this.of(slot);
    if (timeMs < machine.timeMs)
      throw new BrokenRule(
        `log-time-rises: the time of slot ${slot} went back: what had expired is there again`,
      );
    machine.timeMs = timeMs;
    const expected = contentOf(machine.keyspace, slot, timeMs, machine.version);
    if (content !== expected)
      throw new BrokenRule(`slot-content: slot ${slot} holds\n${content}\nand should hold\n${expected}`);
  }
}

export function slotOfKey(key: string): number {
  const bytes = Buffer.from(key);
  return slotOf(bytes, 0, bytes.length);
}

/** All live keys of a slot, with values and expiry, as text. */
export function contentOf(keyspace: Keyspace, slot: number, timeMs: number, version: number): string {
  keyspace.at(Math.floor(timeMs), version, false);
  const lines: string[] = [];
  const refs: { key: string; ref: number }[] = [];
  for (let cursor = slot * SLOT_STRIDE; cursor >= 0;)
    cursor = keyspace.scan(0, cursor, slot, 1000, (bytes, start, end, ref) =>
      refs.push({ key: bytes.toString('latin1', start, end), ref }),
    );
  for (const { key, ref } of refs) lines.push(`${key} ${keyspace.expireAtMs(ref)} ${valueOf(keyspace, ref)}`);
  return lines.sort().join('\n');
}

function valueOf(keyspace: Keyspace, ref: number): string {
  if (keyspace.typeOf(ref) === ValueType.STRING) {
    const { bytes, start, end } = keyspace.string(ref);
    return bytes.toString('latin1', start, end);
  }
  const fields: string[] = [];
  keyspace.hashEach(ref, (field, start, end, value, from, to) =>
    fields.push(`${field.toString('latin1', start, end)}=${value.toString('latin1', from, to)}`),
  );
  return fields.sort().join(',');
}
