import { isVoter } from '../../../src/raft/quorum.ts';
import type {
  ChangeOutcome,
  MemberId,
  Membership,
  Message,
  ProposeOutcome,
} from '../../../src/raft/types.ts';
import { InvariantBroken } from './check.ts';
import { Invariants } from './invariants.ts';
import { SimMember } from './member.ts';
import type { SimOptions } from './options.ts';
import type { SeededRandom } from './random.ts';
import { Schedule } from './schedule.ts';

/** How often each fault really struck, and each kind of work was really done. */
export interface Coverage {
  sent: number;
  lost: number;
  duplicated: number;
  slow: number;
  cut: number;
  partitions: number;
  oneWayPartitions: number;
  brokenLinks: number;
  plots: number;
  crashes: number;
  lostWrites: number;
  pauses: number;
  wallJumps: number;
  transfers: number;
  compactions: number;
  snapshotChunks: number;
  installs: number;
  leaseReads: number;
  indexReads: number;
  acknowledgedWrites: number;
  /** Of memberships. */
  changesBegun: number;
  membershipsCommitted: number;
  jointsCommitted: number;
  /** By another leader than the one that began them. */
  jointsTakenOver: number;
  learnersAdded: number;
  learnersPromoted: number;
  grownFromOne: number;
  shrunkToOne: number;
  leadersRemoved: number;
  leaderCrashesInJoint: number;
  electionsInJoint: number;
  /** By members that only an uncommitted membership left out. */
  candidaciesLeftOut: number;
  /** By, or for, a member that is no voter as far as the one that votes knows. */
  votesOfStrangers: number;
  membershipsRolledBack: number;
  restartsWithChanges: number;
  membershipsInstalled: number;
  retired: number;
  /** Messages for a member that is gone, which came to the one in its place. */
  strays: number;
  /** Turns that left entries to be applied. */
  appliedLater: number;
  proposals: Record<ProposeOutcome, number>;
  changes: Record<ChangeOutcome, number>;
}

/** More than there are members. */
const LINK = 4096;

/** Members, the network between them, and what clients have been told. */
export class World {
  readonly schedule = new Schedule();
  readonly random: SeededRandom;
  readonly options: SimOptions;
  readonly membership: Membership;
  readonly members: SimMember[];
  readonly invariants: Invariants;
  readonly coverage: Coverage = noCoverage();
  readonly trace: ((line: string) => void) | null;
  /** The newest index that a client may know of: by the answer to a write, or to a read. */
  acknowledgedIndex = 0;
  nextWrite = 1;
  isHealed = false;
  /** `from * LINK + to`: messages that way are lost. */
  private readonly cutLinks = new Set<number>();

  constructor(options: SimOptions, random: SeededRandom, trace: ((line: string) => void) | null) {
    this.options = options;
    this.random = random;
    this.trace =
      trace === null ? null : (line) => trace(`${this.schedule.nowMs.toFixed(3).padStart(10)} ${line}`);
    const voters = Array.from({ length: options.members }, (_, i) => i + 1);
    this.membership = { voters, votersOld: [], learners: [] };
    this.members = voters.map((id) => new SimMember(this, id));
    for (const member of this.members) member.isNamed = true;
    this.invariants = new Invariants(this);
  }

  member(id: MemberId): SimMember {
    return this.members[id - 1];
  }

  addMember(): SimMember {
    const member = new SimMember(this, this.members.length + 1);
    this.members.push(member);
    return member;
  }

  send(message: Message): void {
    const { coverage, options, random } = this;
    if (message.kind === 'vote') this.invariants.ofMembership.onVoteRequest(message);
    if (message.kind === 'vote-response' && message.granted && !message.pre) {
      const { membership } = this.member(message.from);
      if (!isVoter(membership, message.from) || !isVoter(membership, message.to)) coverage.votesOfStrangers++;
    }
    coverage.sent++;
    if (!this.isHealed && random.chance(options.lossRate)) {
      coverage.lost++;
      return;
    }
    this.deliverLater(message);
    if (!this.isHealed && random.chance(options.duplicateRate)) {
      coverage.duplicated++;
      this.deliverLater(message);
    }
  }

  diskDelay(): number {
    return this.random.between(0.1, 1) * this.options.syncMs;
  }

  acknowledged(index: number): void {
    this.coverage.acknowledgedWrites++;
    this.acknowledgedIndex = Math.max(this.acknowledgedIndex, index);
  }

  check(condition: boolean, message: string): void {
    if (!condition) throw new InvariantBroken(message);
  }

  cut(from: number, to: number): void {
    this.cutLinks.add(from * LINK + to);
  }

  reconnect(): void {
    this.cutLinks.clear();
  }

  get isConnected(): boolean {
    return this.cutLinks.size === 0;
  }

  isCut(from: number, to: number): boolean {
    return this.cutLinks.has(from * LINK + to);
  }

  private deliverLater(message: Message): void {
    const { options, random } = this;
    let delayMs = random.between(0.05, options.delayMs);
    if (!this.isHealed && random.chance(options.slowRate)) {
      this.coverage.slow++;
      delayMs += random.between(0, options.slowMs);
    }
    this.schedule.after(delayMs, () => {
      if (this.isCut(message.from, message.to)) this.coverage.cut++;
      else this.arrive(message);
    });
  }

  private arrive(message: Message): void {
    const member = this.member(message.to);
    if (!member.isGone) member.receive(message);
    else if (member.heir !== null) {
      this.coverage.strays++;
      member.heir.receiveStray(message);
    }
  }
}

function noCoverage(): Coverage {
  return {
    sent: 0,
    lost: 0,
    duplicated: 0,
    slow: 0,
    cut: 0,
    partitions: 0,
    oneWayPartitions: 0,
    brokenLinks: 0,
    plots: 0,
    crashes: 0,
    lostWrites: 0,
    pauses: 0,
    wallJumps: 0,
    transfers: 0,
    compactions: 0,
    snapshotChunks: 0,
    installs: 0,
    leaseReads: 0,
    indexReads: 0,
    acknowledgedWrites: 0,
    changesBegun: 0,
    membershipsCommitted: 0,
    jointsCommitted: 0,
    jointsTakenOver: 0,
    learnersAdded: 0,
    learnersPromoted: 0,
    grownFromOne: 0,
    shrunkToOne: 0,
    leadersRemoved: 0,
    leaderCrashesInJoint: 0,
    electionsInJoint: 0,
    candidaciesLeftOut: 0,
    votesOfStrangers: 0,
    membershipsRolledBack: 0,
    restartsWithChanges: 0,
    membershipsInstalled: 0,
    retired: 0,
    strays: 0,
    appliedLater: 0,
    proposals: { proposed: 0, 'not-leader': 0, full: 0, transferring: 0 },
    changes: { proposed: 0, 'not-leader': 0, full: 0, transferring: 0, busy: 0, illegal: 0 },
  };
}
