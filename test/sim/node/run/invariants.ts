/** Looks on at every replica of every node (design section 9), and counts the rare things that it sees. */
import { EntryKind, type Entry } from '../../../../src/raft/entry.ts';
import { compareBallots, compareInstances } from '../../../../src/paxos/ballot.ts';
import type { AcceptorState } from '../../../../src/paxos/types.ts';
import type { AcceptorFile } from '../../../../src/topology/acceptor-file.ts';
import { decodeMembership } from '../../../../src/raft/membership.ts';
import type { Instant, Message, RaftCore } from '../../../../src/raft/types.ts';
import type { NodeParts } from '../../../../src/observe/parts.ts';
import type { Replica } from '../../../../src/shard/replica.ts';
import { hashNow } from '../../../../src/shard/state-hash.ts';
import type { StateMachine } from '../../../../src/shard/state-machine.ts';
import { encodeTopology } from '../../../../src/topology/topology-codec.ts';
import { SLOT_COUNT, type Topology } from '../../../../src/topology/types.ts';
import type { RecoveredGroup } from '../../../../src/wal/types.ts';
import type { Counters } from './counters.ts';
import { GroupLaw, type Broken } from './group-law.ts';
import { SlotLaw } from './slot-law.ts';

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
  private readonly slots: SlotLaw;
  private readonly counters: Counters;
  private readonly broken: Broken;
  private readonly living: () => Iterable<Living>;
  /** What each node knew last. */
  private readonly epochs = new Map<number, Topology>();
  private readonly promises = new Map<string, AcceptorState<Topology>>();
  private readonly snapshotters = new Map<number, NodeParts['snapshotter']>();
  /** The topology of an epoch: as it was first known. */
  private readonly maps = new Map<string, string>();

  constructor(counters: Counters, living: () => Iterable<Living>, broken: Broken) {
    this.counters = counters;
    this.living = living;
    this.broken = broken;
    this.slots = new SlotLaw(counters, broken);
  }

  /** A replica of a node that has just started. */
  watch(node: number, replica: Replica, recovered: RecoveredGroup | undefined): void {
    const { raft, machine } = replica;
    const law = this.law(raft.group);
    const lost = law.mirror(raft.self).restart(recovered);
    if (lost !== null) this.broken('durable-after-restart', `node ${node}, group ${raft.group}: ${lost}`);
    law.reads.restart(raft.self);
    if (recovered?.snapshot) this.counters.sometimes('start from a snapshot');
    this.watchRaft(law, raft);
    this.watchMachine(node, law, raft, machine);
    this.watchReads(law, replica);
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
    let [term, commit] = [0, 0];
    raft.takeReady = () => {
      const ready = take();
      if (raft.term < term || raft.commitIndex < commit)
        this.broken('term-and-commit-rise', `group ${raft.group}, member ${raft.self}`);
      term = raft.term;
      commit = raft.commitIndex;
      if (law.onReady(raft, ready) > 0) counters.sometimes('log truncated');
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
      step(message, now);
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
      if (law.onApplied(raft, entry)) this.checkLeases(law, raft.group);
      if (machine.timeMs < timeMs) this.broken('log-time-rises', `group ${raft.group} goes back`);
      timeMs = machine.timeMs;
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
    machine.readRefusal = (command, args, slot) => {
      const refusal = readRefusal(command, args, slot);
      const { by } = command.row.spread;
      if (refusal === 0 && by !== 'shards' && by !== 'random') this.slots.served(raft.group, slot);
      return refusal;
    };
    machine.read = (...of) => {
      law.reads.onRead(machine.appliedIndex, of[4]);
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
  private checkLeases(law: GroupLaw, group: number): void {
    for (const { replica, now } of this.living()) {
      const { raft } = replica;
      if (
        raft.group === group &&
        raft.term < law.committedTerm &&
        replica.isReadable &&
        holdsLease(raft, now)
      )
        law.reads.onLease(raft);
    }
  }

  private watchReads(law: GroupLaw, replica: Replica): void {
    const canRead = replica.canReadNow.bind(replica);
    replica.canReadNow = (now) => {
      const can = canRead(now);
      if (can) law.reads.onLease(replica.raft);
      else if (replica.isReadable) this.counters.sometimes('lease read refused');
      return can;
    };
  }

  serving(node: number, { self, acceptor, snapshotter, topology }: NodeParts): void {
    this.snapshotters.set(node, snapshotter);
    this.knows(node, topology);
    this.watchPromises(self, acceptor);
  }

  /** What a node has promised as a voter of the register, and synced, it does not take back, whatever becomes of its process. */
  private watchPromises(self: string, acceptor: AcceptorFile): void {
    const promised = (state: AcceptorState<Topology> | null): void => {
      const before = this.promises.get(self) ?? null;
      if (before !== null && (state === null || isLower(state, before)))
        this.broken('register-promises', `node ${self} has taken back what it promised about the topology`);
      if (state !== null) this.promises.set(self, state);
    };
    promised(acceptor.state);
    const save = acceptor.save.bind(acceptor);
    acceptor.save = async (node, state) => {
      await save(node, state);
      promised(state);
    };
  }

  /** Epochs only rise, and at one epoch all nodes have one topology, in which each slot is of one group. */
  knows(node: number, topology: Topology): void {
    const known = this.epochs.get(node);
    if (known === topology) return;
    const { generation, epoch } = topology;
    if (
      known !== undefined &&
      (generation < known.generation || (generation === known.generation && epoch < known.epoch))
    )
      this.broken('epochs-rise', `that of node ${node} goes back`);
    this.epochs.set(node, topology);
    const at = `${generation}.${epoch}`;
    const map = encodeTopology(topology).toString();
    const other = this.maps.get(at);
    if (other !== undefined && other !== map)
      this.broken('one-map-per-epoch', `two topologies at epoch ${at}`);
    this.maps.set(at, map);
    const wrong = wrongSlots(topology);
    if (wrong !== null) this.broken('slots-owned-once', wrong);
  }

  /** The node has lost its disk, and knows nothing. */
  forget(node: number): void {
    this.epochs.delete(node);
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

/** By both clocks (design section 4). */
function holdsLease(raft: RaftCore, { monotonicMs, wallMs }: Instant): boolean {
  return (
    monotonicMs >= raft.leaseFromMonotonicMs &&
    monotonicMs < raft.leaseUntilMonotonicMs &&
    wallMs >= raft.leaseFromWallMs &&
    wallMs < raft.leaseUntilWallMs
  );
}

function isLower(one: AcceptorState<Topology>, other: AcceptorState<Topology>): boolean {
  const order = compareInstances(one.instance, other.instance);
  return order < 0 || (order === 0 && compareBallots(one.promised, other.promised) < 0);
}

function wrongSlots({ slots }: Topology): string | null {
  let next = 0;
  for (const { from, to } of slots) {
    if (from !== next || to < from) return `slot ${next} is of no group, or of two`;
    next = to + 1;
  }
  return next === SLOT_COUNT ? null : `slot ${next} is of no group`;
}
