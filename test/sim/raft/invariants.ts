import type { Entry } from '../../../src/raft/entry.ts';
import { isJoint } from '../../../src/raft/joint.ts';
import type { HardState, Message, Ready } from '../../../src/raft/types.ts';
import { check } from './check.ts';
import type { SimMember } from './member.ts';
import { MembershipInvariants } from './membership-invariants.ts';
import type { World } from './world.ts';

const CHECKSUM_OFFSET = 4;

interface Identity {
  term: number;
  checksum: number;
}

/** What must hold at every step, told from outside: from what members hand to disk, apply and serve. */
export class Invariants {
  maxCommittedTerm = 0;
  readonly ofMembership: MembershipInvariants;
  private readonly world: World;
  private readonly leaders = new Map<number, number>();
  private readonly entries = new Map<string, { checksum: number; prevTerm: number }>();
  private readonly committed: Identity[] = [{ term: 0, checksum: 0 }];
  private readonly hashes = new Map<number, number>();
  private readonly leadTimes = new Map<number, number>();
  private readonly servedTimes = new Map<number, number>();

  constructor(world: World) {
    this.world = world;
    this.ofMembership = new MembershipInvariants(world);
  }

  get committedIndex(): number {
    return this.committed.length - 1;
  }

  /** Log Matching (§5.3), by induction: an index and term name one entry with one predecessor. */
  onReady(member: SimMember, ready: Ready): void {
    let prevTerm = member.mirror.termAt((ready.entries[0]?.index ?? 0) - 1);
    for (const entry of ready.entries) {
      const checksum = entry.bytes.readUInt32LE(CHECKSUM_OFFSET);
      const key = `${entry.index}/${entry.term}`;
      const known = this.entries.get(key);
      if (known === undefined) this.entries.set(key, { checksum, prevTerm });
      else {
        check(
          known.checksum === checksum && known.prevTerm === prevTerm,
          () => `logs-match: member ${member.id} holds another entry ${key}`,
        );
      }
      prevTerm = entry.term;
    }
    const { durableVote, handedVote } = member.disk;
    for (const message of ready.messages) checkVote(message, durableVote);
    for (const message of ready.messagesAfterPersist) checkVote(message, ready.hardState ?? handedVote);
  }

  /** State Machine Safety (figure 3), and equal state at equal index. */
  onApplied(member: SimMember, entry: Entry): void {
    const checksum = entry.bytes.readUInt32LE(CHECKSUM_OFFSET);
    const known = this.committed[entry.index];
    if (known === undefined) {
      check(
        entry.index === this.committed.length,
        () => `applied-in-order: member ${member.id} skips entries`,
      );
      check(
        this.ofMembership.isDecided(entry.index, entry.term),
        () =>
          `durable-quorum: member ${member.id} applies entry ${entry.index}, which no leader has committed`,
      );
      this.committed.push({ term: entry.term, checksum });
      this.maxCommittedTerm = Math.max(this.maxCommittedTerm, member.term);
    } else {
      check(
        known.term === entry.term && known.checksum === checksum,
        () => `committed-prefix: member ${member.id} applies another entry ${entry.index}`,
      );
    }
    this.checkHash(member);
  }

  checkHash(member: SimMember): void {
    const { index, hash } = member.machine;
    const known = this.hashes.get(index);
    if (known === undefined) this.hashes.set(index, hash);
    else check(known === hash, () => `state-hash: member ${member.id} has another state at index ${index}`);
  }

  /** After every event at a member. */
  onStep(member: SimMember): void {
    if (member.role === 'leader') this.checkLeader(member);
    this.ofMembership.onStep(member);
    this.checkLeases(this.maxCommittedTerm, 'has committed');
  }

  private checkLeases(term: number, what: string): void {
    for (const holder of this.world.members) {
      if (!holder.hasLease()) continue;
      check(
        holder.term >= term,
        () => `one-lease: member ${holder.id} holds a lease in term ${holder.term}, and term ${term} ${what}`,
      );
    }
  }

  /** A time served is never later than what a leader of a later term starts from. */
  onLead(member: SimMember, startMs: number): void {
    this.leadTimes.set(member.term, startMs);
    for (const [term, timeMs] of this.servedTimes) this.checkTime(term, timeMs, member.term, startMs);
  }

  onTimeServed(member: SimMember, timeMs: number): void {
    const before = this.servedTimes.get(member.term) ?? -Infinity;
    this.servedTimes.set(member.term, Math.max(before, timeMs));
    for (const [term, startMs] of this.leadTimes) this.checkTime(member.term, timeMs, term, startMs);
  }

  private checkTime(servedTerm: number, timeMs: number, term: number, startMs: number): void {
    check(
      term <= servedTerm || startMs >= timeMs,
      () =>
        `reads-behind-stamps: ${timeMs} was served in term ${servedTerm}, term ${term} starts from ${startMs}`,
    );
  }

  /** Election Safety and Leader Completeness (figure 3). */
  private checkLeader(member: SimMember): void {
    const known = this.leaders.get(member.term);
    if (known === member.id) return;
    check(
      known === undefined,
      () => `one-leader-per-term: two leaders in term ${member.term}: ${known} and ${member.id}`,
    );
    this.leaders.set(member.term, member.id);
    const { term, vote } = member.disk.durableVote;
    check(
      term === member.term && vote === member.id,
      () => `votes-durable: member ${member.id} leads term ${member.term}, and its own vote is not durable`,
    );
    if (isJoint(member.membership)) this.world.coverage.electionsInJoint++;
    this.checkLeases(member.term, 'has a leader');
    const last = this.committed.length - 1;
    // Of a later term may be committed already what a deposed leader knows nothing of: it leads no more by then.
    check(
      member.term < this.maxCommittedTerm || member.mirror.holds(last, this.committed[last].term),
      () => `leader-completeness: member ${member.id} of term ${member.term} lacks entry ${last}`,
    );
  }
}

/** Who votes, or asks for votes with its own, would know of it after any crash (§5.2). */
function checkVote(message: Message, { term, vote }: Pick<HardState, 'term' | 'vote'>): void {
  const isVote = message.kind === 'vote-response' && message.granted;
  if ((message.kind !== 'vote' && !isVote) || message.pre) return;
  const candidate = isVote ? message.to : message.from;
  check(
    term > message.term || (term === message.term && vote === candidate),
    () =>
      `votes-durable: member ${message.from} votes for ${candidate} in term ${message.term}, its disk says ${vote} in term ${term}`,
  );
}
