/** Looks on at every replica of every node (design section 9), and counts the rare things that it sees. */
import type { Clock } from '../../../../src/env/contracts.ts';
import { EntryKind, type Entry } from '../../../../src/raft/entry.ts';
import { decodeMembership } from '../../../../src/raft/membership.ts';
import type { Instant, Message, RaftCore } from '../../../../src/raft/types.ts';
import type { NodeParts } from '../../../../src/observe/parts.ts';
import type { Replica } from '../../../../src/shard/replica.ts';
import { hashNow } from '../../../../src/shard/state-hash.ts';
import type { StateMachine } from '../../../../src/shard/state-machine.ts';
import type { Topology } from '../../../../src/topology/types.ts';
import type { RecoveredGroup } from '../../../../src/wal/types.ts';
import type { Counters } from './counters.ts';
import { GroupLaw, type Broken } from './group-law.ts';
import { holdsLease } from './lease.ts';
import { ReadWatch } from './read-watch.ts';
import { SlotLaw } from './slot-law.ts';
import { StreamWatch } from './stream-watch.ts';
import { TopologyLaw } from './topology-law.ts';

/** The state is hashed when so many more entries are applied. */
const HASH_EVERY = 128;
/** Without eviction, one command may go over the budget, as large as it is. */
const LARGEST_COMMAND_BYTES = 2 * 1024 * 1024;

/** Of a process that lives, though it may stand still. */
export interface Living {
  replica: Replica;
  /** What its node's clocks say. */
  now: Instant;
}

export class Invariants {
  /** How many faults make messages or disks as slow as elections now. */
  slowness = 0;
  private readonly laws = new Map<number, GroupLaw>();
  readonly slots: SlotLaw;
  private readonly reads: ReadWatch;
  private readonly streams: StreamWatch;
  private readonly topologies: TopologyLaw;
  private readonly counters: Counters;
  private readonly broken: Broken;
  private readonly living: () => Iterable<Living>;
  private readonly snapshotters = new Map<number, NodeParts['snapshotter']>();

  constructor(counters: Counters, living: () => Iterable<Living>, broken: Broken) {
    this.counters = counters;
    this.living = living;
    this.broken = broken;
    this.slots = new SlotLaw(counters, broken);
    this.reads = new ReadWatch(counters, broken);
    this.streams = new StreamWatch(broken);
    this.topologies = new TopologyLaw(broken);
  }

  /** A replica of a node that has just started. */
  watch(node: number, replica: Replica, recovered: RecoveredGroup | undefined, clock: Clock): void {
    const { raft, machine } = replica;
    const law = this.law(raft.group);
    this.topologies.opens(raft, recovered, !law.mirrors.has(raft.self));
    const lost = law.mirror(raft.self).restart(recovered);
    if (lost !== null) this.broken('durable-after-restart', `node ${node}, group ${raft.group}: ${lost}`);
    law.reads.restart(raft.self);
    if (recovered?.snapshot) this.counters.sometimes('start from a snapshot');
    this.watchRaft(law, raft);
    this.watchRow(law, replica);
    this.watchChanges(node, raft);
    this.watchMachine(node, law, raft, machine);
    this.reads.watch(replica, law.reads, clock);
    this.streams.watch(replica);
  }

  private law(group: number): GroupLaw {
    let law = this.laws.get(group);
    if (law === undefined)
      this.laws.set(group, (law = new GroupLaw(group, () => this.slowness > 0, this.broken)));
    return law;
  }

  private watchRaft(law: GroupLaw, raft: RaftCore): void {
    const { counters } = this;
    const mirror = law.mirror(raft.self);
    const [take, persisted, installed, step, ask] = [
      raft.takeReady.bind(raft),
      raft.persisted.bind(raft),
      raft.snapshotInstalled.bind(raft),
      raft.step.bind(raft),
      raft.requestRead.bind(raft),
    ];
    let [term, commit, led] = [0, 0, 0];
    raft.takeReady = (applyBytes) => {
      const ready = take(applyBytes);
      if (raft.term < term || raft.commitIndex < commit)
        this.broken('term-and-commit-rise', `group ${raft.group}, member ${raft.self}`);
      term = raft.term;
      commit = raft.commitIndex;
      if (law.onReady(raft, ready) > 0) counters.sometimes('log truncated');
      if (raft.role === 'leader' && raft.term > led) {
        led = raft.term;
        this.checkLeases(law, raft.group, led);
      }
      for (const { id, index } of ready.reads) law.reads.onConfirmed(raft.self, id, index);
      return ready;
    };
    raft.requestRead = (now) => {
      const id = ask(now);
      if (id !== 0) law.reads.onAsked(raft.self, id);
      return id;
    };
    raft.persisted = (mark, now) => {
      mirror.persisted(mark);
      persisted(mark, now);
    };
    raft.snapshotInstalled = (id, now) => {
      installed(id, now);
      mirror.installed(raft.lastIndex);
    };
    raft.step = (message, now) => {
      this.noteVote(message, mirror.last, mirror.term(mirror.last) ?? 0);
      const isStray = message.to !== raft.self && !raft.hasReady();
      step(message, now);
      if (isStray && raft.hasReady())
        this.broken('own-messages', `group ${raft.group}: ${raft.self} acts on what was for ${message.to}`);
    };
  }

  private watchChanges(node: number, raft: RaftCore): void {
    const change = raft.changeMembership.bind(raft);
    raft.changeMembership = (target, now) => {
      const outcome = change(target, now);
      if (outcome === 'proposed') this.topologies.builds(node);
      return outcome;
    };
  }

  private noteVote(message: Message, lastIndex: number, lastTerm: number): void {
    if (message.kind === 'timeout-now') this.counters.sometimes('leader handed over');
    if (message.kind !== 'vote' || message.pre) return;
    if (message.lastTerm < lastTerm || (message.lastTerm === lastTerm && message.lastIndex < lastIndex))
      this.counters.sometimes('election in which the log mattered');
  }

  private watchMachine(node: number, law: GroupLaw, raft: RaftCore, machine: StateMachine): void {
    const { counters } = this;
    const [apply, skip, read] = [
      machine.apply.bind(machine),
      machine.skip.bind(machine),
      machine.read.bind(machine),
    ];
    const applyMove = machine.applyMove.bind(machine);
    let { timeMs, sessions, staged } = machine;
    let [expired, evicted] = [0, 0];
    this.watchSessions(machine);
    this.watchSnapshots(law, raft, machine);
    const begin = machine.longReads.begin.bind(machine.longReads);
    machine.longReads.begin = (...of) => {
      counters.sometimes('read of many turns');
      begin(...of);
    };
    const applied = (entry: Entry): void => {
      if (law.onApplied(raft, entry)) this.checkLeases(law, raft.group, law.committedTerm);
      if (machine.timeMs < timeMs) this.broken('log-time-rises', `group ${raft.group} goes back`);
      timeMs = machine.timeMs;
      law.onOutline(raft.self, machine);
      if (machine.appliedIndex % HASH_EVERY === 0)
        law.onHash(raft.self, machine.appliedIndex, hashNow(machine));
      this.checkBudget(raft, machine);
    };
    machine.apply = (entry, waiters) => {
      if (machine.sessions !== sessions) {
        sessions = machine.sessions;
        this.watchSessions(machine);
      }
      apply(entry, waiters);
      const { expiredCount, evictedCount } = machine.keyspace;
      if (expiredCount > expired) counters.sometimes('key expired by an entry');
      if (evictedCount > evicted) this.countEviction(node);
      if (machine.staged !== null && machine.staged !== staged) counters.sometimes('large command staged');
      [expired, evicted, staged] = [expiredCount, evictedCount, machine.staged];
      applied(entry);
    };
    machine.applyMove = (entry) => {
      const answers = applyMove(entry);
      law.reads.onRaised(entry.index, machine.timeMs);
      applied(entry);
      this.slots.applied(raft.group, entry.index, machine.moves.slots);
      return answers;
    };
    const readRefusal = machine.readRefusal.bind(machine);
    machine.readRefusal = (command, args, slot, namesSlots) => {
      const refusal = readRefusal(command, args, slot, namesSlots);
      const { by } = command.row.spread;
      // One that names slots runs on those that are here.
      if (refusal === 0 && by !== 'shards' && by !== 'random' && namesSlots !== true)
        this.slots.served(raft.group, slot, machine.moves.slots.state(slot));
      return refusal;
    };
    machine.read = (...of) => {
      const timeMs = of[4];
      this.reads.onRead(node, timeMs, machine.timeMs);
      law.reads.onRead(machine.appliedIndex, timeMs);
      return read(...of);
    };
    machine.skip = (entry) => {
      skip(entry);
      applied(entry);
      if (entry.kind === EntryKind.MEMBERSHIP && decodeMembership(entry).votersOld.length > 0)
        counters.sometimes('joint configuration committed');
    };
  }

  /** restore(snapshot(state)) is the state: both are hashed. */
  private watchSnapshots(law: GroupLaw, raft: RaftCore, machine: StateMachine): void {
    const { keyspace } = machine;
    const [beginSnapshot, installed] = [
      keyspace.beginSnapshot.bind(keyspace),
      raft.snapshotInstalled.bind(raft),
    ];
    const hash = (): void => law.onHash(raft.self, machine.appliedIndex, hashNow(machine));
    if (machine.appliedIndex > 0) hash();
    keyspace.beginSnapshot = (maxBytes) => {
      hash();
      return beginSnapshot(maxBytes);
    };
    raft.snapshotInstalled = (id, now) => {
      installed(id, now);
      if (!machine.isLoading) hash();
    };
  }

  private watchSessions({ sessions }: StateMachine): void {
    const repeat = sessions.repeatReply.bind(sessions);
    sessions.repeatReply = (reply) => {
      this.counters.sometimes('retry answered from its row');
      return repeat(reply);
    };
  }

  private countEviction(node: number): void {
    this.counters.sometimes('key evicted by an entry');
    if (this.snapshotters.get(node)?.isMaking === true)
      this.counters.sometimes('eviction while a snapshot is made');
  }

  private checkBudget(raft: RaftCore, machine: StateMachine): void {
    const { budgetBytes, eviction } = machine.policy;
    if (budgetBytes === 0 || eviction !== 'noeviction') return;
    const { usedBytes } = machine.keyspace;
    if (usedBytes > budgetBytes + LARGEST_COMMAND_BYTES)
      this.broken('memory-budget', `group ${raft.group} uses ${usedBytes} bytes of ${budgetBytes}`);
  }

  /** Not only when somebody reads. */
  private checkLeases(law: GroupLaw, group: number, newest: number): void {
    for (const { replica, now } of this.living()) {
      const { raft } = replica;
      if (raft.group === group && raft.term < newest && replica.isReadable && holdsLease(raft, now))
        law.reads.onLease(raft, newest);
    }
  }

  serving(node: number, parts: NodeParts): void {
    const { self, acceptor, snapshotter } = parts;
    this.snapshotters.set(node, snapshotter);
    this.reads.serving(node, parts);
    this.topologies.serves(node, parts, (group, member) => this.law(group).mirrors.has(member));
    this.topologies.watchPromises(self, acceptor);
  }

  /** It has synced this, or found it on its disk. */
  knows(node: number, topology: Topology): void {
    if (!this.topologies.knows(node, topology)) return;
    for (const { replica } of this.living())
      this.topologies.row(replica, this.law(replica.raft.group).committedTerm);
  }

  /** Whenever there is another membership to go by, or somebody else who does. */
  private watchRow(law: GroupLaw, replica: Replica): void {
    const { raft, machine } = replica;
    const take = raft.takeReady.bind(raft);
    let [membership, term] = [raft.membership, 0];
    raft.takeReady = (applyBytes) => {
      const ready = take(applyBytes);
      if (raft.membership === membership && machine.appliedTerm === term) return ready;
      [membership, term] = [raft.membership, machine.appliedTerm];
      this.topologies.row(replica, law.committedTerm);
      return ready;
    };
  }

  /** The node has lost its disk, and knows nothing. */
  forget(node: number): void {
    this.topologies.forget(node);
  }

  /** Null: all replicas that are given stand at the same index with the same state. */
  differences(replicas: readonly Replica[]): string | null {
    for (const { raft, machine } of replicas) {
      const law = this.law(raft.group);
      if (machine.appliedIndex !== law.committedIndex)
        return `group ${raft.group}: member ${raft.self} is at ${machine.appliedIndex} of ${law.committedIndex}`;
    }
    for (const { raft, machine } of replicas)
      this.law(raft.group).onHash(raft.self, machine.appliedIndex, hashNow(machine));
    return null;
  }
}
