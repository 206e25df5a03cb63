/** Walks the configurations of the groups that this node leads towards the topology's rows (topology/configuration-walk.ts). */
import type { Log } from '../log.ts';
import type { Instant, MemberId, ProgressStatus } from '../raft/types.ts';
import type { Replica } from '../shard/replica.ts';
import { departedMembers, nextStep, type WalkStep } from '../topology/configuration-walk.ts';
import type { ShardEntry, Topology } from '../topology/types.ts';
import type { TopologySpread } from './topology-spread.ts';

/** What was noted is noted again after this, unless the row is rid of it. */
const NOTE_AGAIN_MS = 500;

export interface WalkerHost {
  readonly replicas: readonly Replica[];
  readonly electionTimeoutMs: number;
  topology(): Topology;
  wake(): void;
  readonly log: Log;
}

/** What has to reach a learner, since when (thesis §4.2.1: one has caught up when that takes less than an election timeout). */
interface Round {
  goal: number;
  sinceMs: number;
}

/** A replica that this node leads. */
interface Walk {
  readonly rounds: Map<MemberId, Round>;
  /** Nothing is to be done while these are as they are. */
  restsOn: Topology | null;
  restsAt: number;
  nextNoteMs: number;
}

export class ConfigurationWalker {
  private readonly host: WalkerHost;
  private readonly spread: TopologySpread;
  private readonly walks = new WeakMap<Replica, Walk>();

  constructor(host: WalkerHost, spread: TopologySpread) {
    this.host = host;
    this.spread = spread;
  }

  /** Called some times a second. */
  look(now: Instant): void {
    for (const replica of this.host.replicas) {
      if (replica.isReadable) this.walk(replica, now);
      else this.walks.delete(replica);
    }
  }

  private walk(replica: Replica, now: Instant): void {
    const topology = this.host.topology();
    const { raft } = replica;
    const walk = this.walkOf(replica);
    if (walk.restsOn === topology && walk.restsAt === raft.committedMembership.index) return;
    const shard = topology.shards.find(({ id }) => id === replica.shard);
    if (shard === undefined) return;
    const progress = raft.progress();
    const step = nextStep({
      self: raft.self,
      row: shard.replicas,
      membership: raft.membership,
      hasCaughtUp: (member) => this.hasCaughtUp(replica, walk, find(progress, member), now),
      isFollowing: (member) => isFollowing(find(progress, member), now, this.host.electionTimeoutMs),
    });
    // What few know may be given up when most voters are lost: nothing is done by it.
    if (this.spread.isKept(topology)) this.take(step, replica, now);
    const isNoting = this.noteDeparted(replica, walk, topology, shard, now);
    if (step.kind !== 'rest' || isNoting) return;
    walk.restsOn = topology;
    walk.restsAt = raft.committedMembership.index;
  }

  private walkOf(replica: Replica): Walk {
    let walk = this.walks.get(replica);
    if (walk === undefined) {
      walk = { rounds: new Map(), restsOn: null, restsAt: 0, nextNoteMs: 0 };
      this.walks.set(replica, walk);
    }
    return walk;
  }

  private take(step: WalkStep, replica: Replica, now: Instant): void {
    const { raft, shard } = replica;
    if (step.kind === 'change') {
      const { voters, learners } = step.target;
      if (raft.changeMembership(step.target, now) !== 'proposed') return;
      this.host.log.info('members-changing', { shard, voters, learners });
      this.host.wake();
    } else if (step.kind === 'hand-over') {
      const heirs = raft
        .progress()
        .filter(({ member }) => step.to.includes(member))
        .filter((peer) => isFollowing(peer, now, this.host.electionTimeoutMs))
        .sort((a, b) => b.match - a.match);
      if (heirs.length > 0 && raft.transferLeadership(heirs[0].member, now)) this.host.wake();
    }
  }

  private hasCaughtUp(
    { raft }: Replica,
    { rounds }: Walk,
    peer: ProgressStatus | undefined,
    now: Instant,
  ): boolean {
    if (peer === undefined) return false;
    const { electionTimeoutMs } = this.host;
    const round = rounds.get(peer.member);
    if (round === undefined || !isFollowing(peer, now, electionTimeoutMs)) {
      rounds.set(peer.member, { goal: raft.lastIndex, sinceMs: now.monotonicMs });
      return false;
    }
    if (peer.match < round.goal) return false;
    const isFast = now.monotonicMs - round.sinceMs <= electionTimeoutMs;
    rounds.set(peer.member, { goal: raft.lastIndex, sinceMs: now.monotonicMs });
    return isFast;
  }

  /**
   * Leaving members that the log has dropped may leave the row once nobody can put them back: whoever may lead the group has synced that they
   * are leaving, and after that none led but this one. True while there are any.
   */
  private noteDeparted(
    replica: Replica,
    walk: Walk,
    topology: Topology,
    { id, replicas }: ShardEntry,
    now: Instant,
  ): boolean {
    const { raft } = replica;
    if (!replicas.some(({ leaving }) => leaving === true)) return false;
    const members = departedMembers(replicas, raft.committedMembership.membership, raft.membership);
    if (members.length === 0 || now.monotonicMs < walk.nextNoteMs) return true;
    // One that leaves and votes still may lead, too.
    const isKnown = replicas.every(
      ({ node, member }) => members.includes(member) || this.spread.has(node, topology),
    );
    if (!isKnown) return true;
    walk.nextNoteMs = now.monotonicMs + NOTE_AGAIN_MS;
    const { clusterId, generation, epoch } = topology;
    const change = { kind: 'drop-members', shard: id, members } as const;
    const note = (): void => this.spread.propose({ clusterId, on: { generation, epoch }, change });
    replica.confirmLeadership(note, now);
    this.host.wake();
    return true;
  }
}

function find(progress: readonly ProgressStatus[], member: MemberId): ProgressStatus | undefined {
  return progress.find((peer) => peer.member === member);
}

function isFollowing(peer: ProgressStatus | undefined, now: Instant, electionTimeoutMs: number): boolean {
  if (peer === undefined) return false;
  return peer.state === 'replicate' && now.monotonicMs - peer.lastHeardMs < electionTimeoutMs;
}
