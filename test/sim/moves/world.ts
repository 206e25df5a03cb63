/**
 * Moves of slots between groups, without Raft: a scheduler that duplicates, delays, reorders and drops what the sides tell each other, changes
 * leaders, makes replicas anew from snapshots, aborts, and sends again what belongs to moves long ended. Clients write all the while.
 */
import { Refusal } from '../../../src/shard/waiter.ts';
import { MoveAnswer, MoveOutcome, SlotState } from '../../../src/shard/moves/slot-state.ts';
import type { ImportPosition, ItemAnswers } from '../../../src/shard/moves/types.ts';
import { MoveItemType, slotsItem } from '../../../src/shard/moves/move-item.ts';
import type { MoveId, ShardId, SlotRange } from '../../../src/topology/types.ts';
import type { SeededRandom } from '../raft/random.ts';
import { BrokenRule, Group, NOW } from './group.ts';
import { Oracle, contentOf, slotOfKey } from './oracle.ts';

const TAGS = ['a', 'b', 'c', 'd', 'e', 'f'];
const KEYS_PER_TAG = 3;
const CLIENTS = 3;
const ARCHIVE_MOST = 40;
/** So few that moves have to cut slots anew. */
const KEPT_MAX_BYTES = 6000;

interface ToTarget {
  move: MoveId;
  source: ShardId;
  target: ShardId;
  /** Null: it only asks where the target is. */
  items: Buffer | null;
  slots: readonly number[];
}

interface ToSource {
  move: MoveId;
  source: ShardId;
  answers: readonly ItemAnswers[];
  positions: readonly ImportPosition[];
}

export interface Move {
  id: MoveId;
  source: ShardId;
  target: ShardId;
  slots: readonly number[];
}

interface Pending {
  words: string[];
  client: number;
  sequence: number;
  floor: number;
}

export interface Coverage {
  commands: number;
  refusedFrozen: number;
  refusedMoved: number;
  movesWent: number;
  movesAborted: number;
  cutsAnew: number;
  oldTerms: number;
  snapshots: number;
  snapshotsGivenUp: number;
  replays: number;
  staleEvictions: number;
  flushes: number;
}

export class World {
  readonly groups: Group[];
  readonly slots: readonly number[];
  readonly oracle = new Oracle();
  readonly coverage: Coverage = {
    commands: 0,
    refusedFrozen: 0,
    refusedMoved: 0,
    movesWent: 0,
    movesAborted: 0,
    cutsAnew: 0,
    oldTerms: 0,
    snapshots: 0,
    snapshotsGivenUp: 0,
    replays: 0,
    staleEvictions: 0,
    flushes: 0,
  };
  moves: Move[] = [];
  private readonly random: SeededRandom;
  private readonly trace: (line: string) => void;
  private nextMove = 1;
  private toTarget: ToTarget[] = [];
  private toSource: ToSource[] = [];
  private readonly archive: ToTarget[] = [];
  private readonly pending: (Pending | null)[] = Array.from({ length: CLIENTS }, () => null);
  private readonly sequences = Array.from({ length: CLIENTS }, () => 1);
  private readonly copies: Pending[] = [];
  private readonly victims: { shard: ShardId; key: string; version: number; groupVersion: number }[] = [];
  private readonly epochs = new Map<number, number>();
  private flushSequence = 0;

  constructor(random: SeededRandom, groups: number, trace: ((line: string) => void) | null) {
    this.random = random;
    this.trace = trace ?? (() => {});
    this.slots = TAGS.map((tag) => slotOfKey(`{${tag}}`));
    this.groups = Array.from({ length: groups }, (_, at) => {
      const owned = at === 0 ? this.slots : [];
      const kept = random.chance(0.5) ? KEPT_MAX_BYTES : 1e9;
      return new Group(at + 1, rangesOf(owned), 3, kept);
    });
  }

  group(shard: ShardId): Group {
    return this.groups[shard - 1];
  }

  /** One thing happens, anywhere. */
  step(): void {
    const { random } = this;
    const roll = random.unit();
    if (roll < 0.3) this.write(random.below(CLIENTS));
    else if (roll < 0.33) this.read();
    else if (roll < 0.36) this.sendCopyAgain();
    else if (roll < 0.38) this.beginMove();
    else if (roll < 0.6) this.drive(null);
    else if (roll < 0.75) this.deliverToTarget();
    else if (roll < 0.88) this.deliverToSource();
    else if (roll < 0.888) this.replay();
    else if (roll < 0.905) this.elect();
    else if (roll < 0.93) this.catchUp();
    else if (roll < 0.96) this.snapshot();
    else if (roll < 0.97) this.evict();
    else if (roll < 0.975) this.deleteMany();
    else if (roll < 0.977) this.flushAll();
    else this.passTime();
    this.check();
  }

  private randomKey(): string {
    return `{${this.random.pick(TAGS)}}${this.random.below(KEYS_PER_TAG)}`;
  }

  private draw(): string[] {
    const { random } = this;
    const key = this.randomKey();
    const value = random.chance(0.05) ? 'x'.repeat(2000 + random.below(100_000)) : String(random.below(1000));
    const words: string[][] = [
      ['set', key, value],
      ['append', key, value],
      ['incr', `${key}n`],
      ['del', key],
      ['set', key, value, 'px', String(1 + random.below(300))],
      ['pexpire', key, String(1 + random.below(300))],
      ['hset', `${key}h`, `f${random.below(200)}`, value],
      ['hset', `${key}h`, ...Array.from({ length: 80 }, (_, i) => [`g${i}`, value.slice(0, 90)]).flat()],
      ['hdel', `${key}h`, `f${random.below(200)}`],
      ['rename', key, `{${key.slice(1, 2)}}0`],
      ['getset', key, value],
    ];
    return random.pick(words);
  }

  private write(client: number): void {
    const at = client;
    this.pending[at] ??= this.newCommand(at);
    const command = this.pending[at];
    const group = this.random.pick(this.groups);
    if (!this.send(command, group)) return;
    // Its reply may be lost: then it goes again.
    if (this.random.chance(0.15)) return;
    if (this.random.chance(0.3)) this.copies.push(command);
    if (this.copies.length > 10) this.copies.shift();
    this.pending[at] = null;
  }

  private newCommand(client: number): Pending {
    const sequence = this.sequences[client]++;
    return { words: this.draw(), client: client + 1, sequence, floor: sequence };
  }

  /** False: it did not run. */
  private send({ words, client, sequence, floor }: Pending, group: Group): boolean {
    const { machine } = group;
    const key = words[1];
    const { text, refusal } = group.command(words, client, sequence, floor);
    if (refusal === Refusal.FROZEN) this.coverage.refusedFrozen += 1;
    if (refusal === Refusal.MOVED) this.coverage.refusedMoved += 1;
    if (text === null) return false;
    this.trace(`${words.join(' ').slice(0, 30)} #${sequence} of ${client} ran at ${group.shard}`);
    this.coverage.commands += 1;
    this.oracle.ran(words, client, sequence, floor, machine.timeMs, text);
    if (words[0] === 'set') this.noteVersion(machine, key);
    return true;
  }

  private noteVersion({ keyspace, timeMs, version }: Group['machine'], key: string): void {
    const bytes = Buffer.from(key);
    keyspace.at(timeMs, version, false);
    const ref = keyspace.find(0, slotOfKey(key), bytes, 0, bytes.length);
    // A retry is answered from its row: the version is what it was.
    if (ref !== 0 && keyspace.versionOf(ref) !== this.oracle.versionOf(key))
      this.oracle.wrote(key, keyspace.versionOf(ref));
  }

  /** A copy of what was answered long ago arrives anywhere. */
  private sendCopyAgain(): void {
    if (this.copies.length === 0) return;
    this.send(this.random.pick(this.copies), this.random.pick(this.groups));
  }

  private read(): void {
    const slot = this.random.pick(this.slots);
    const { machine, timeMs } = this.random.pick(this.groups);
    if (!machine.moves.isOwned(slot)) return;
    const readMs = Math.floor(Math.max(machine.timeMs, timeMs));
    this.oracle.read(slot, readMs, contentOf(machine.keyspace, slot, readMs, machine.version));
  }

  private passTime(): void {
    this.random.pick(this.groups).timeMs += this.random.below(60);
  }

  private evict(): void {
    const { random } = this;
    if (this.victims.length > 0 && random.chance(0.5)) {
      const { shard, key, version, groupVersion } = this.victims.splice(
        random.below(this.victims.length),
        1,
      )[0];
      const before = this.group(shard).machine.keyspace.evictedCount;
      this.group(shard).remove({ db: 0, key: Buffer.from(key), version: groupVersion }, 'evicted');
      if (this.group(shard).machine.keyspace.evictedCount === before) return;
      if (version !== this.oracle.versionOf(key))
        throw new BrokenRule(`linearizable: a write of ${key} that was acknowledged is evicted`);
      this.oracle.evicted(key);
      return;
    }
    const group = random.pick(this.groups);
    const { keyspace, timeMs, version } = group.machine;
    const key = this.randomKey();
    const bytes = Buffer.from(key);
    keyspace.at(timeMs, version, false);
    const ref = keyspace.find(0, slotOfKey(key), bytes, 0, bytes.length);
    if (ref === 0) return;
    const groupVersion = keyspace.versionOf(ref);
    if (groupVersion !== this.oracle.versionOf(key)) return;
    this.victims.push({ shard: group.shard, key, version: groupVersion, groupVersion });
    this.coverage.staleEvictions += 1;
  }

  private deleteMany(): void {
    const group = this.random.pick(this.groups);
    const owned = this.slots.filter((slot) => group.machine.moves.isOwned(slot));
    if (owned.length === 0) return;
    const key = TAGS.map((tag) => `{${tag}}`).find((tag) => owned.includes(slotOfKey(tag)));
    const { text } = group.command(
      ['del', key ?? '', ...this.slots.map((_, i) => `{${TAGS[i]}}1`)],
      9,
      this.sequences[0] * 1000,
    );
    if (text === null) return;
    this.sequences[0] += 1;
    for (const tag of TAGS) this.oracle.evicted(`{${tag}}1`);
    this.oracle.evicted(key ?? '');
  }

  /** A shard's part of it: it is on what the shard serves. */
  private flushAll(): void {
    const group = this.random.pick(this.groups);
    const owned = this.slots.filter((slot) => group.machine.moves.isOwned(slot));
    if (owned.length === 0) return;
    const { text } = group.command(['flushall'], 8, (this.flushSequence += 1), undefined, 0, owned[0]);
    if (text === null) return;
    this.coverage.flushes += 1;
    for (const slot of owned) this.oracle.flushed(slot);
  }

  private beginMove(): void {
    const { random } = this;
    const source = random.pick(this.groups);
    const inMove = new Set(this.moves.flatMap(({ slots }) => slots));
    const free = this.slots.filter(
      (slot) => this.ownerInRegister(slot) === source.shard && !inMove.has(slot),
    );
    if (free.length === 0) return;
    const slots = free.filter(() => random.chance(0.5));
    if (slots.length === 0) slots.push(free[0]);
    const target = random.pick(this.groups.filter((group) => group !== source)).shard;
    const id = this.nextMove++;
    this.moves.push({ id, source: source.shard, target, slots });
    this.trace(`move ${id} of ${slots.join(',')} from ${source.shard} to ${target}`);
  }

  private readonly register = new Map<number, ShardId>();

  private ownerInRegister(slot: number): ShardId {
    return this.register.get(slot) ?? 1;
  }

  /** The driver at the source's leader does something; `only`: that which helps. */
  drive(only: Move | null): void {
    const { random } = this;
    if (this.moves.length === 0) return;
    const move = only ?? random.pick(this.moves);
    const { id, slots } = move;
    const group = this.group(move.source);
    const { moves } = group.machine;
    const open = slots.filter((slot) => moves.endedOf(slot) < id);
    if (open.length === 0) {
      this.endMove(move);
      return;
    }
    const batch = only === null ? open.filter(() => random.chance(0.8)) : open;
    if (batch.length === 0) return;
    const begun = batch.filter((slot) => moves.moveOf(slot) === id);
    const roll = only === null ? random.unit() : -1;
    if (begun.length < batch.length && (roll < 0.7 || only !== null)) {
      group.move(slotsItem(MoveItemType.EXPORT_BEGIN, id, move.target, rangesOf(batch)));
      this.tell(move, slotsItem(MoveItemType.IMPORT_BEGIN, id, move.source, rangesOf(batch)), batch);
      return;
    }
    if (roll > 0.995) {
      this.trace(`abort of ${id}`);
      this.tell(move, slotsItem(MoveItemType.IMPORT_ABORT, id, 0, rangesOf(batch)), batch);
      return;
    }
    if (roll > 0.97 || only !== null) {
      this.tell(move, slotsItem(MoveItemType.IMPORT_BEGIN, id, move.source, rangesOf(batch)), batch);
      this.tell(move, null, batch);
    }
    const feed = group.feed(id);
    if (roll > 0.9) {
      const logged = feed.loggedItem();
      if (logged !== null) group.move(logged);
      return;
    }
    const left = feed.leftBytes(begun);
    const isFrozen = begun.length > 0 && begun.every((slot) => moves.stateOf(slot) === SlotState.FROZEN);
    if (!isFrozen && ((left < 300 && (only !== null || random.chance(0.15))) || roll > 0.89))
      group.move(slotsItem(MoveItemType.FENCE, id, moves.exports.endsOf(begun), rangesOf(begun)));
    else if (isFrozen && left === 0) this.tell(move, feed.activation(begun, NOW), begun);
    else this.tell(move, feed.next(only === null ? 50 + random.below(40_000) : 100_000), begun);
  }

  private tell(move: Move, items: Buffer | null, slots: readonly number[]): void {
    const { source, target, id } = move;
    this.toTarget.push({ move: id, source, target, items, slots });
  }

  private endMove(move: Move): void {
    const { moves } = this.group(move.source).machine;
    for (const slot of move.slots) {
      const went = moves.endedOf(slot) === move.id && moves.outcomeOf(slot) === MoveOutcome.WENT;
      if (went) this.register.set(slot, move.target);
      this.coverage[went ? 'movesWent' : 'movesAborted'] += 1;
    }
    this.trace(`move ${move.id} has ended`);
    this.moves = this.moves.filter((other) => other !== move);
  }

  private deliverToTarget(): void {
    if (this.toTarget.length === 0) return;
    const { random } = this;
    // Mostly in order; now and then out of it, twice, or never.
    const at = random.chance(0.92) ? 0 : random.below(this.toTarget.length);
    const message = this.toTarget[at];
    if (!random.chance(0.05)) this.toTarget.splice(at, 1);
    this.archive.push(message);
    if (this.archive.length > ARCHIVE_MOST) this.archive.splice(random.below(ARCHIVE_MOST), 1);
    if (random.chance(0.02)) return;
    this.receive(message);
  }

  receive({ move, source, target, items, slots }: ToTarget): void {
    const group = this.group(target);
    const staged = slots.filter((slot) => group.machine.moves.stateOf(slot) === SlotState.STAGING);
    const answers = items === null ? [] : group.move(items);
    for (const slot of staged) if (group.machine.moves.isOwned(slot)) this.compareSides(slot, source, target);
    for (const { answers: each } of answers) {
      for (const answer of each) {
        if (answer === MoveAnswer.OLD_TERM) this.coverage.oldTerms += 1;
        if (answer === MoveAnswer.NOT_NEXT) this.coverage.cutsAnew += 1;
      }
    }
    this.toSource.push({ move, source, answers, positions: group.machine.moves.positions(move, slots) });
  }

  /** What a slot holds where it has just come is what its source froze, to the last byte. */
  private compareSides(slot: number, source: ShardId, target: ShardId): void {
    const [before, after] = [source, target].map((shard) => wholeOf(this.group(shard).machine, slot));
    if (before !== after) throw new BrokenRule(`slot ${slot} is not at ${target} what it was at ${source}`);
  }

  private replay(): void {
    if (this.archive.length === 0) return;
    this.coverage.replays += 1;
    this.receive(this.random.pick(this.random.chance(0.5) ? this.archive.slice(-5) : this.archive));
  }

  private deliverToSource(): void {
    if (this.toSource.length === 0) return;
    const { random } = this;
    const at = random.chance(0.9) ? 0 : random.below(this.toSource.length);
    const reply = this.toSource[at];
    if (!random.chance(0.05)) this.toSource.splice(at, 1);
    if (!random.chance(0.05)) this.hear(reply);
  }

  private hear({ move, source, answers, positions }: ToSource): void {
    const group = this.group(source);
    const went = new Set<number>();
    const aborted = new Set<number>();
    let isBehind = answers.length === 0;
    for (const { slots, answers: each } of answers) {
      for (const [i, slot] of slots.entries()) {
        if (each[i] === MoveAnswer.WENT) went.add(slot);
        else if (each[i] === MoveAnswer.ABORTED) aborted.add(slot);
        else if (each[i] !== MoveAnswer.DONE) isBehind = true;
      }
    }
    for (const { slot, ended } of positions) {
      if (ended === MoveOutcome.WENT) went.add(slot);
      if (ended === MoveOutcome.ABORTED) aborted.add(slot);
    }
    if (went.size > 0) group.move(slotsItem(MoveItemType.MOVED, move, 0, rangesOf([...went])));
    if (aborted.size > 0) group.move(slotsItem(MoveItemType.THAW, move, 0, rangesOf([...aborted])));
    const feed = group.feed(move);
    if (isBehind || this.random.chance(0.1)) feed.resume(positions);
    else feed.logged(positions);
  }

  private elect(): void {
    const group = this.random.pick(this.groups);
    const replica = this.random.below(group.machines.length);
    if (group.isSnapshotting) return;
    group.elect(replica);
    this.trace(`group ${group.shard} has another leader`);
  }

  private catchUp(): void {
    const group = this.random.pick(this.groups);
    const replica = this.random.below(group.machines.length);
    if (group.machines[replica].isLoading) return;
    const { appliedIndex } = group.machines[replica];
    group.catchUp(replica, Math.min(group.log.length, appliedIndex + 1 + this.random.below(40)));
  }

  private snapshot(): void {
    const group = this.random.pick(this.groups);
    if (!group.isSnapshotting) {
      group.beginSnapshot(this.random.below(group.machines.length));
      return;
    }
    const state = group.continueSnapshot();
    if (state === 'done') this.coverage.snapshots += 1;
    if (state === 'given up') this.coverage.snapshotsGivenUp += 1;
  }

  /** At each step, of each slot. */
  private check(): void {
    for (const slot of this.slots) {
      const owners = this.groups.filter(({ machine }) => machine.moves.isOwned(slot));
      if (owners.length > 1)
        throw new BrokenRule(`slots-owned-once: slot ${slot} is served by ${owners.length} groups`);
      const frozen = this.groups.filter(({ machine }) => this.holdsFrozen(machine.moves, slot));
      if (owners.length + frozen.length !== 1)
        throw new BrokenRule(`slots-owned-once: slot ${slot} has ${owners.length + frozen.length} owners`);
      for (const { machine } of owners) {
        const epoch = machine.moves.epochOf(slot);
        if (epoch < (this.epochs.get(slot) ?? 0))
          throw new BrokenRule(`epochs-rise: the epoch of slot ${slot} fell`);
        this.epochs.set(slot, epoch);
      }
    }
  }

  /** Frozen, and the target's log has not decided for itself. */
  private holdsFrozen(moves: Group['machine']['moves'], slot: number): boolean {
    if (moves.stateOf(slot) !== SlotState.FROZEN) return false;
    const target = this.group(moves.peerOf(slot)).machine.moves;
    const hasDecided = target.endedOf(slot) >= moves.moveOf(slot);
    return !hasDecided || target.outcomeOf(slot) !== MoveOutcome.WENT;
  }

  /** No more faults: every move comes to its end, and every slot holds what it should. */
  heal(): void {
    for (let round = 0; this.moves.length > 0; round += 1) {
      if (round > 3000) throw new BrokenRule('progress: moves do not come to an end');
      for (const move of this.moves) this.drive(move);
      this.settle();
      this.check();
    }
    for (let client = 0; client < CLIENTS; client += 1) this.finish(client);
    for (const group of this.groups) {
      while (group.isSnapshotting) group.continueSnapshot();
      for (let replica = 0; replica < group.machines.length; replica += 1)
        group.catchUp(replica, group.log.length);
    }
    for (const slot of this.slots) {
      const { machine, timeMs } = this.group(this.ownerInRegister(slot));
      if (!machine.moves.isOwned(slot))
        throw new BrokenRule(`slots-owned-once: slot ${slot} is not where the register says`);
      const readMs = Math.max(machine.timeMs, timeMs);
      this.oracle.read(slot, Math.floor(readMs), contentOf(machine.keyspace, slot, readMs, machine.version));
    }
  }

  private settle(): void {
    while (this.toTarget.length > 0 || this.toSource.length > 0) {
      const message = this.toTarget.shift();
      if (message !== undefined) this.receive(message);
      const reply = this.toSource.shift();
      if (reply !== undefined) this.hear(reply);
    }
  }

  /** What was not answered goes to the owner. */
  private finish(client: number): void {
    const command = this.pending[client];
    if (command === null) return;
    const owner = this.group(this.ownerInRegister(slotOfKey(command.words[1])));
    if (!this.send(command, owner)) throw new BrokenRule('progress: a command is refused for ever');
  }
}

/** Keys as a snapshot has them, and sessions' records: whatever is replicated of a slot. */
function wholeOf({ keyspace, sessions }: Group['machine'], slot: number): string {
  const cut = keyspace.beginCut(slot, Infinity);
  const parts: string[] = [];
  for (let slice = cut.next(65_536); slice !== null; slice = cut.next(65_536))
    parts.push(slice.toString('hex'));
  const view = sessions.slotView(slot);
  const records: string[] = [];
  for (let record = view.next(); record !== null; record = view.next()) records.push(record.toString('hex'));
  return [...parts, ...records.toSorted()].join('\n');
}

export function rangesOf(slots: readonly number[]): SlotRange[] {
  return [...slots].sort((a, b) => a - b).map((slot) => ({ from: slot, to: slot }));
}
