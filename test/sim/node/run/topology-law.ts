/** What must hold of the register: of what nodes know of the topology, have promised about it, and do by it. */
import { compareBallots, compareInstances } from '../../../../src/paxos/ballot.ts';
import type { AcceptorState, Vote } from '../../../../src/paxos/types.ts';
import type { NodeParts } from '../../../../src/observe/parts.ts';
import type { GroupId, MemberId, RaftCore } from '../../../../src/raft/types.ts';
import type { AcceptorFile } from '../../../../src/topology/acceptor-file.ts';
import { isNewer } from '../../../../src/topology/register.ts';
import { encodeTopology } from '../../../../src/topology/topology-codec.ts';
import type { Replica } from '../../../../src/shard/replica.ts';
import { SLOT_COUNT, type Topology } from '../../../../src/topology/types.ts';
import type { RecoveredGroup } from '../../../../src/wal/types.ts';
import type { Broken } from './group-law.ts';

/** A member that was killed while it was made has left its name alone. */
function saysAnything({ hardState: { term, vote, commit }, snapshot, entries }: RecoveredGroup): boolean {
  return term > 0 || vote > 0 || commit > 0 || snapshot !== null || entries.length > 0;
}

export class TopologyLaw {
  private readonly broken: Broken;
  private newest: Topology | null = null;
  /** What each node knew last. */
  private readonly epochs = new Map<number, Topology>();
  /** The topology of an epoch: as it was first known. */
  private readonly maps = new Map<string, string>();
  /** Of the process that each node had last. */
  private readonly parts = new Map<number, NodeParts>();
  private readonly promises = new Map<string, AcceptorState<Topology>>();

  constructor(broken: Broken) {
    this.broken = broken;
  }

  /** What a node has promised as a voter of the register, and synced, it does not take back, whatever becomes of its process. */
  watchPromises(self: string, acceptor: AcceptorFile): void {
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

  /** Epochs only rise, and at one epoch all nodes have one topology, in which each slot is of one group. True: nobody knew it before. */
  knows(node: number, topology: Topology): boolean {
    const known = this.epochs.get(node);
    const { generation, epoch } = topology;
    if (known !== undefined && isNewer(known, topology))
      this.broken('epochs-rise', `that of node ${node} goes back`);
    this.epochs.set(node, topology);
    const isNew = this.newest === null || isNewer(topology, this.newest);
    if (isNew) this.newest = topology;
    const at = `${generation}.${epoch}`;
    const map = encodeTopology(topology).toString();
    const other = this.maps.get(at);
    if (other !== undefined && other !== map)
      this.broken('one-map-per-epoch', `two topologies at epoch ${at}`);
    this.maps.set(at, map);
    const wrong = wrongSlots(topology);
    if (wrong !== null) this.broken('slots-owned-once', wrong);
    return isNew;
  }

  /** The node has lost its disk, and knows nothing. */
  forget(node: number): void {
    this.epochs.delete(node);
    this.parts.delete(node);
  }

  /** A new member has no files, and takes nothing from the register but that it is of the first configuration, if it is (histories 3 and 17). */
  opens({ group, self, membership }: RaftCore, files: RecoveredGroup | undefined, isNew: boolean): void {
    const first = this.newest?.shards.find((shard) => shard.group === group)?.first;
    if (isNew && files !== undefined && saysAnything(files))
      this.broken('opens-empty', `group ${group}: member ${self} opens for the first time, with files`);
    if (files === undefined && first?.includes(self) === false && membership.voters.length > 0)
      this.broken(
        'opens-empty',
        `group ${group}: member ${self} opens with a configuration that no log names`,
      );
  }

  /** Whom a row names is there again when its node is (history 3). */
  serves(node: number, parts: NodeParts, hasLived: (group: GroupId, member: MemberId) => boolean): void {
    this.parts.set(node, parts);
    const { self, replicas, topology } = parts;
    for (const { id, group, replicas: row } of topology.shards) {
      const own = row.find(({ node }) => node === self);
      if (own === undefined || !hasLived(group, own.member)) continue;
      if (!replicas.some(({ raft }) => raft.group === group && raft.self === own.member))
        this.broken('rows-opened', `node ${self} serves without its member ${own.member} of shard ${id}`);
    }
  }

  /** A leader changes members by what its node knows: most voters have synced that, so that no recovery goes on from less (history 5). */
  builds(node: number): void {
    const topology = this.parts.get(node)?.topology;
    if (topology === undefined) return;
    const known = [...this.parts.values()];
    // Of nobody is anything else known than what it has served with.
    const lacking = topology.voters.filter((voter) => {
      const those = known.filter(({ self }) => self === voter);
      return those.length > 0 && those.every((one) => isNewer(topology, one.topology));
    });
    if (lacking.length * 2 >= topology.voters.length)
      this.broken(
        'epoch-kept',
        `node ${node} goes by epoch ${topology.epoch}, which ${lacking.length} voters lack`,
      );
  }

  /** A row names whomever the group's log may name: else one of them may be missing, or come back as another one (histories 3 and 17). */
  row(replica: Replica, committedTerm: number): void {
    const { raft, shard } = replica;
    const row = this.newest?.shards.find(({ group }) => group === raft.group)?.replicas;
    // Another may lead by now, and have changed members.
    if (row === undefined || !replica.isReadable || raft.term < committedTerm) return;
    const { voters, votersOld, learners } = raft.membership;
    const unnamed = [...voters, ...votersOld, ...learners].find(
      (id) => !row.some(({ member }) => member === id),
    );
    if (unnamed !== undefined)
      this.broken(
        'rows-name-members',
        `the row of shard ${shard} does not name member ${unnamed} of its group`,
      );
  }
}

function isLower(one: AcceptorState<Topology>, other: AcceptorState<Topology>): boolean {
  return (
    one.barred < other.barred ||
    isLowerVote(one.vote, other.vote) ||
    isLowerVote(one.recovery, other.recovery)
  );
}

function isLowerVote(one: Vote<Topology> | null, other: Vote<Topology> | null): boolean {
  if (one === null || other === null) return other !== null;
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
