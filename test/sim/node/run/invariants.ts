/** Looks on at every replica of every node (design section 9), and counts the rare things that it sees. */
import { EntryKind, type Entry } from '../../../../src/raft/entry.ts';
import { compareBallots, compareInstances } from '../../../../src/paxos/ballot.ts';
import type { AcceptorState } from '../../../../src/paxos/types.ts';
import type { AcceptorFile } from '../../../../src/topology/acceptor-file.ts';
import { decodeMembership } from '../../../../src/raft/membership.ts';
import type { Message, RaftCore } from '../../../../src/raft/types.ts';
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

export class Invariants {
  private readonly laws = new Map<number, GroupLaw>();
  private readonly slots: SlotLaw;
  private readonly counters: Counters;
  private readonly broken: Broken;
  /** What each node knew last. */
  private readonly epochs = new Map<number, Topology>();
  private readonly promises = new Map<string, AcceptorState<Topology>>();
  private readonly snapshotters = new Map<number, NodeParts['snapshotter']>();
  /** The topology of an epoch: as it was first known. */
  private readonly maps = new Map<string, string>();

  constructor(counters: Counters, broken: Broken) {
    this.counters = counters;
    this.broken = broken;
    this.slots = new SlotLaw(counters, broken);
  }

  /** A replica of a node that has just started. */
  watch(node: number, replica: Replica, recovered: RecoveredGroup | undefined): void {
    const { raft, machine } = replica;
    const law = this.law(raft.group);
    const lost = law.mirror(raft.self).restart(recovered);
    if (lost !== null) this.broken(`node ${node}, group ${raft.group}: what was durable is there: ${lost}`);
    if (recovered?.snapshot) this.counters.sometimes('start from a snapshot');
    this.watchRaft(law, raft);
    this.watchMachine(node, law, raft, machine);
    this.watchReads(law, replica);
  }

  private law(group: number): GroupLaw {
    let law = this.laws.get(group);
    if (law === undefined) this.laws.set(group, (law = new GroupLaw(group, this.broken)));
    return law;
  }

  private watchRaft(law: GroupLaw, raft: RaftCore): void {
    const { counters } = this;
    const mirror = law.mirror(raft.self);
    const [take, persisted, installed, step] = [
      raft.takeReady.bind(raft),
      raft.persisted.bind(raft),
      raft.snapshotInstalled.bind(raft),
      raft.step.bind(raft),
    ];
    let [term, commit] = [0, 0];
    raft.takeReady = () => {
      const ready = take();
      if (raft.term < term || raft.commitIndex < commit)
        this.broken(`group ${raft.group}: term and commit index of member ${raft.self} only rise`);
      term = raft.term;
      commit = raft.commitIndex;
      if (law.onReady(raft, ready) > 0) counters.sometimes('log truncated');
      return ready;
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
    const [apply, skip] = [machine.apply.bind(machine), machine.skip.bind(machine)];
    const applyMove = machine.applyMove.bind(machine);
    let { timeMs, sessions, staged } = machine;
    let [expired, evicted] = [0, 0];
    this.watchSessions(machine);
    const begin = machine.longReads.begin.bind(machine.longReads);
    machine.longReads.begin = (...of) => {
      counters.sometimes('read of many turns');
      begin(...of);
    };
    const applied = (entry: Entry): void => {
      law.onApplied(raft, entry);
      if (machine.timeMs < timeMs) this.broken(`log time of group ${raft.group} goes back`);
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
      applied(entry);
      this.slots.applied(raft.group, entry.index, machine.moves);
      return answers;
    };
    const readRefusal = machine.readRefusal.bind(machine);
    machine.readRefusal = (command, args, slot) => {
      const refusal = readRefusal(command, args, slot);
      const { by } = command.row.spread;
      if (refusal === 0 && by !== 'shards' && by !== 'random') this.slots.served(raft.group, slot);
      return refusal;
    };
    machine.skip = (entry) => {
      skip(entry);
      applied(entry);
      if (entry.kind === EntryKind.MEMBERSHIP && decodeMembership(entry).votersOld.length > 0)
        counters.sometimes('joint configuration committed');
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
      this.broken(`group ${raft.group} uses ${usedBytes} bytes of ${budgetBytes}`);
  }

  private watchReads(law: GroupLaw, replica: Replica): void {
    const canRead = replica.canReadNow.bind(replica);
    replica.canReadNow = (now) => {
      const can = canRead(now);
      if (can) law.onLeaseRead(replica.raft);
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
        this.broken(`node ${self} has taken back what it promised about the topology`);
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
      this.broken(`the epoch of node ${node} goes back`);
    this.epochs.set(node, topology);
    const at = `${generation}.${epoch}`;
    const map = encodeTopology(topology).toString();
    const other = this.maps.get(at);
    if (other !== undefined && other !== map) this.broken(`two topologies at epoch ${at}`);
    this.maps.set(at, map);
    const wrong = wrongSlots(topology);
    if (wrong !== null) this.broken(wrong);
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
