/** All members that are known, with what is worked out over all of them: how many live, and the hashes that push-pull compares. */
import { BUCKETS, Member } from './member.ts';
import { MEMBERS_MOST, type MemberName, type MemberState } from './types.ts';

/** A random choice gives up after so many tries a member: nearly all are unfit. */
const TRIES_PER_MEMBER = 3;

export class MemberTable {
  readonly self: Member;
  readonly list: Member[] = [];
  /** Alive or suspected, this member included. */
  liveCount = 0;
  readonly hashes = new Uint32Array(BUCKETS);
  private readonly byName = new Map<MemberName, Member>();
  private readonly random: () => number;

  constructor(self: MemberName, random: () => number, nowMs: number) {
    this.random = random;
    this.self = new Member(self, 'alive', nowMs);
    this.insert(this.self);
  }

  get isFull(): boolean {
    return this.list.length >= MEMBERS_MOST;
  }

  get(name: MemberName): Member | undefined {
    return this.byName.get(name);
  }

  add(name: MemberName, state: MemberState, nowMs: number): Member {
    const member = new Member(name, state, nowMs);
    this.insert(member);
    return member;
  }

  private insert(member: Member): void {
    this.byName.set(member.name, member);
    this.list.push(member);
    this.count(member, 1);
  }

  change(member: Member, state: MemberState, incarnation: number, nowMs: number): void {
    this.count(member, -1);
    if (member.state !== state) member.sinceMs = nowMs;
    member.state = state;
    member.incarnation = incarnation;
    this.count(member, 1);
  }

  remove(member: Member): void {
    this.count(member, -1);
    this.byName.delete(member.name);
    this.list.splice(this.list.indexOf(member), 1);
  }

  /** Up to `most` others, each once. */
  pick(most: number, isFit: (member: Member) => boolean): Member[] {
    const { list, self } = this;
    const picked: Member[] = [];
    for (let tries = TRIES_PER_MEMBER * list.length; tries > 0 && picked.length < most; tries--) {
      const member = list[this.random() % list.length];
      if (member !== self && !picked.includes(member) && isFit(member)) picked.push(member);
    }
    return picked;
  }

  private count(member: Member, by: number): void {
    if (member.isLive) this.liveCount += by;
    this.hashes[member.bucket] ^= member.hash;
  }
}
