/** What must hold of one group over all its members and all time, told from what they hand to their disks, apply and serve. */
import { EntryKind, entryChecksum, entryStampMs, type Entry } from '../../../../src/raft/entry.ts';
import type { MemberId, Membership, Message, RaftCore, Ready } from '../../../../src/raft/types.ts';
import type { StateMachine } from '../../../../src/shard/state-machine.ts';
import type { InvariantName } from './invariant-name.ts';
import { Mirror } from './mirror.ts';
import { ReadLaw } from './read-law.ts';

/** A number for a place in the log: terms are few. */
const TERMS = 2 ** 20;
/** So many numbers for each index. */
const OUTLINE = 3;
/** Elections in a row that nobody wins: a slow disk, a vote that was lost. */
const TERMS_IN_VAIN_MAX = 4;

interface Committed {
  term: number;
  checksum: number;
  stampMs: number;
  /** It shows its stamp: it has commands, or is the first that its leader proposed. */
  isTimed: boolean;
}

/** Says that an invariant is broken; does not return. */
export type Broken = (name: InvariantName, what: string) => never;

export class GroupLaw {
  /** The newest term of which an entry is known committed. */
  committedTerm = 0;
  readonly mirrors = new Map<MemberId, Mirror>();
  readonly reads: ReadLaw;
  private readonly group: number;
  private readonly isSlow: () => boolean;
  private readonly broken: Broken;
  private readonly leaders = new Map<number, MemberId>();
  private newestLed = 0;
  /** The highest term begun while messages or syncs took as long as elections: those may well be in vain. */
  private newestExcused = 0;
  private readonly entries = new Map<number, { checksum: number; prevTerm: number }>();
  private readonly committed: Committed[] = [{ term: 0, checksum: 0, stampMs: 0, isTimed: true }];
  private readonly hashes = new Map<number, string>();
  /** Of the state at each index: its time, how large it is, and how many rows of sessions it has. */
  private readonly outlines: number[] = [];

  constructor(group: number, isSlow: () => boolean, broken: Broken) {
    this.group = group;
    this.isSlow = isSlow;
    this.broken = broken;
    this.reads = new ReadLaw(group, this, broken);
  }

  get committedIndex(): number {
    return this.committed.length - 1;
  }

  timeOf(index: number): number | undefined {
    const entry = this.committed[index];
    return entry?.isTimed ? entry.stampMs : undefined;
  }

  mirror(member: MemberId): Mirror {
    let mirror = this.mirrors.get(member);
    if (mirror === undefined) this.mirrors.set(member, (mirror = new Mirror()));
    return mirror;
  }

  /** Log Matching (§5.3), by induction: an index and term name one entry with one predecessor. */
  onReady(raft: RaftCore, ready: Ready): number {
    const mirror = this.mirror(raft.self);
    const [first] = ready.entries;
    if (first !== undefined) {
      let prevTerm = mirror.term(first.index - 1);
      for (const entry of ready.entries) {
        this.match(raft.self, entry, prevTerm);
        prevTerm = entry.term;
      }
    }
    const truncated = mirror.take(ready);
    // What goes at once rests on what is durable; what waits for the disk, on what it was handed.
    for (const message of ready.messages) this.checkPromise(message, mirror.durableVote);
    for (const message of ready.messagesAfterPersist) this.checkPromise(message, mirror.handedVote);
    if (raft.role === 'leader') this.onLeads(raft, mirror);
    this.checkTerm(raft);
    return truncated;
  }

  /** Who votes, or asks for votes with its own, would know of it after any crash (§5.2). */
  private checkPromise(message: Message, { term, vote }: { term: number; vote: MemberId }): void {
    const isVote = message.kind === 'vote-response' && message.granted;
    if ((message.kind !== 'vote' && !isVote) || message.pre) return;
    const candidate = isVote ? message.to : message.from;
    if (term > message.term || (term === message.term && vote === candidate)) return;
    this.fail(
      'votes-durable',
      `member ${message.from} votes for ${candidate} in term ${message.term}, its disk says ${vote} in term ${term}`,
    );
  }

  private match(member: MemberId, entry: Entry, prevTerm: number | undefined): void {
    const checksum = entryChecksum(entry);
    const known = this.entries.get(entry.index * TERMS + entry.term);
    if (known === undefined) {
      if (prevTerm !== undefined) this.entries.set(entry.index * TERMS + entry.term, { checksum, prevTerm });
      return;
    }
    if (known.checksum !== checksum || (prevTerm !== undefined && known.prevTerm !== prevTerm))
      this.fail('logs-match', `member ${member} holds another entry ${entry.index} of term ${entry.term}`);
  }

  /** Election Safety and Leader Completeness (figure 3). */
  private onLeads({ self, term }: RaftCore, mirror: Mirror): void {
    const known = this.leaders.get(term);
    if (known === self) return;
    if (known !== undefined) this.fail('one-leader-per-term', `${known} and ${self} lead term ${term}`);
    this.leaders.set(term, self);
    if (mirror.durableVote.term !== term || mirror.durableVote.vote !== self)
      this.fail('votes-durable', `member ${self} leads term ${term}, and its own vote is not durable`);
    this.newestLed = Math.max(this.newestLed, term);
    const last = this.committedIndex;
    // Of a later term may be committed already what a deposed leader knows nothing of: it leads no more by then.
    if (term >= this.committedTerm && !mirror.holds(last, this.committed[last].term))
      this.fail('leader-completeness', `member ${self}, who leads term ${term}, lacks entry ${last}`);
  }

  /** Who cannot win does not go on raising the term (PreVote): it would depose the leader when it is heard again. */
  private checkTerm({ self, term }: RaftCore): void {
    if (this.isSlow()) this.newestExcused = Math.max(this.newestExcused, term);
    if (term > Math.max(this.newestLed, this.newestExcused) + TERMS_IN_VAIN_MAX)
      this.fail(
        'terms-bounded',
        `member ${self} is at term ${term}, and ${this.newestLed} was the last with a leader`,
      );
  }

  /** State Machine Safety (figure 3); what anybody takes as committed is durable on a quorum. True: nobody has applied it before. */
  onApplied(raft: RaftCore, entry: Entry): boolean {
    const checksum = entryChecksum(entry);
    const known = this.committed[entry.index];
    if (known !== undefined) {
      if (known.term !== entry.term || known.checksum !== checksum)
        this.fail('committed-prefix', `member ${raft.self} applies another entry ${entry.index}`);
      return false;
    }
    if (entry.index !== this.committed.length)
      this.fail(
        'applied-in-order',
        `member ${raft.self} applies entry ${entry.index}, and ${this.committedIndex} was the last`,
      );
    const stampMs = entryStampMs(entry);
    const before = this.committed[this.committedIndex].stampMs;
    if (stampMs < before) this.fail('log-time-rises', `${stampMs} comes after ${before} at ${entry.index}`);
    // A membership may wait for long, and reads go on meanwhile: nothing is applied at its time.
    const isTimed = entry.kind === EntryKind.COMMANDS || entry.term > this.committedTerm;
    this.committed.push({ term: entry.term, checksum, stampMs, isTimed });
    if (isTimed) this.reads.onCommitted(entry.index, stampMs);
    this.committedTerm = Math.max(this.committedTerm, entry.term);
    this.checkQuorum(raft, entry.index, checksum);
    return true;
  }

  /** Of the configuration in force, or of the one that was until it, which the entry may have been committed by. */
  private checkQuorum({ membership, committedMembership }: RaftCore, index: number, checksum: number): void {
    const isKept = ({ voters, votersOld }: Membership): boolean =>
      [voters, votersOld].every(
        (half) => half.length === 0 || this.keepers(half, index, checksum) * 2 > half.length,
      );
    if (isKept(membership) || isKept(committedMembership.membership)) return;
    const { voters, votersOld } = membership;
    this.fail(
      'durable-quorum',
      `entry ${index} is committed, and durable at ${this.keepers(voters, index, checksum)} of ${voters.length} voters, ${this.keepers(votersOld, index, checksum)} of ${votersOld.length} old ones`,
    );
  }

  private keepers(members: readonly MemberId[], index: number, checksum: number): number {
    return members.filter((member) => this.mirrors.get(member)?.keeps(index, checksum) === true).length;
  }

  /** Equal state at equal applied index. */
  onHash(member: MemberId, index: number, hash: string): void {
    const known = this.hashes.get(index);
    if (known === undefined) this.hashes.set(index, hash);
    else if (known !== hash)
      this.fail('state-hash', `member ${member} has another state at index ${index}: ${hash}, not ${known}`);
  }

  /** What costs nothing to compare is compared at each entry: a difference may be gone again when all is hashed. */
  onOutline(member: MemberId, { appliedIndex, timeMs, keyspace, sessions }: StateMachine): void {
    const { outlines } = this;
    const at = appliedIndex * OUTLINE;
    if (outlines[at] === undefined) {
      outlines[at] = timeMs;
      outlines[at + 1] = keyspace.usedBytes;
      outlines[at + 2] = sessions.rowCount;
    } else if (
      outlines[at] !== timeMs ||
      outlines[at + 1] !== keyspace.usedBytes ||
      outlines[at + 2] !== sessions.rowCount
    )
      this.fail(
        'state-hash',
        `member ${member} at index ${appliedIndex} is at ${timeMs} with ${keyspace.usedBytes} bytes and ${sessions.rowCount} rows, and not at ${outlines.slice(at, at + OUTLINE).join(', ')}`,
      );
  }

  private fail(name: InvariantName, what: string): never {
    return this.broken(name, `group ${this.group}: ${what}`);
  }
}
