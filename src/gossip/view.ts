/** What this member holds of the others, by what it is told and what it finds out: SWIM's rules of which rumour overrides which. */
import { BroadcastQueue } from './broadcast-queue.ts';
import { Awareness } from './awareness.ts';
import { firstIncarnation, INCARNATION_MOST, type Member } from './member.ts';
import { MemberTable } from './member-table.ts';
import { fitted, isSame, isSameButPassing } from './metadata.ts';
import { Suspicion, suspicionTimes } from './suspicion.ts';
import type {
  Accusation,
  AliveRumour,
  GossipConfig,
  GossipCounters,
  GossipEvent,
  MemberName,
  MemberState,
  Metadata,
  Rumour,
} from './types.ts';

/** Up to this many members the intervals are those of the settings; beyond, what each member costs all others comes more seldom. */
export const SCALED_ABOVE_MEMBERS = 32;

export class View {
  readonly members: MemberTable;
  readonly queue = new BroadcastQueue();
  readonly awareness: Awareness;
  readonly counters: GossipCounters = {
    suspicions: 0,
    refutations: 0,
    probes: 0,
    probesFailed: 0,
    refusedMembers: 0,
  };
  events: GossipEvent[] = [];
  isLeaving = false;
  /** Members that are new since the prober looked here. */
  joined: Member[] = [];
  private readonly config: GossipConfig;
  private readonly suspects = new Set<Member>();
  private wanted: Metadata;
  private nextPassingMs = 0;

  constructor(config: GossipConfig, nowMs: number) {
    this.config = config;
    this.members = new MemberTable(config.self, config.random, nowMs);
    this.awareness = new Awareness(config.lifeguard ? config.settings.awarenessMax : 1);
    this.wanted = fitted(config.metadata);
    this.incarnate(firstIncarnation(config.start), nowMs);
  }

  get self(): Member {
    return this.members.self;
  }

  // --- what this member says of itself

  /** Told at once, but for what changes all the time. */
  announce(metadata: Metadata, nowMs: number): void {
    this.wanted = fitted(metadata);
    const { metadata: told, incarnation } = this.self;
    if (this.isLeaving || told === null || isSame(this.wanted, told)) return;
    if (incarnation >= INCARNATION_MOST) return;
    if (isSameButPassing(this.wanted, told) && nowMs < this.nextPassingMs) return;
    this.incarnate(incarnation + 1, nowMs);
  }

  leave(nowMs: number): void {
    const { self } = this;
    this.isLeaving = true;
    this.members.change(self, 'left', self.incarnation, nowMs);
    this.queue.add({ kind: 'left', name: self.name, incarnation: self.incarnation, from: self.name });
  }

  private incarnate(incarnation: number, nowMs: number): void {
    const { self } = this;
    const many = Math.max(1, this.members.liveCount / SCALED_ABOVE_MEMBERS);
    this.nextPassingMs = nowMs + this.config.settings.metadataIntervalMs * many;
    self.metadata = this.wanted;
    this.members.change(self, 'alive', incarnation, nowMs);
    this.queue.add({ kind: 'alive', name: self.name, incarnation, metadata: this.wanted });
  }

  /** Somebody says what this member alone can say, or the contrary. */
  private refute(incarnation: number, nowMs: number): void {
    if (this.isLeaving || incarnation < this.self.incarnation || incarnation >= INCARNATION_MOST) return;
    this.incarnate(incarnation + 1, nowMs);
    // Whoever is suspected was slow to answer: it should doubt itself.
    if (this.config.lifeguard) this.awareness.change(1);
    this.counters.refutations += 1;
    this.events.push({ kind: 'refuted', incarnation: incarnation + 1 });
  }

  // --- what others say

  hear(rumour: Rumour, nowMs: number): void {
    switch (rumour.kind) {
      case 'alive':
        this.hearAlive(rumour, nowMs);
        break;
      case 'suspect':
        this.suspect(rumour, nowMs);
        break;
      case 'dead':
      case 'left':
        this.hearGone(rumour, nowMs);
    }
  }

  /**
   * Of push-pull: what others hold dead is suspected here, so that it may refute. Who learns of members that were there before it is passed on no
   * news: a newcomer would tell all of all.
   */
  hearRow(row: Rumour, from: MemberName, nowMs: number): void {
    const isFirst = (this.members.get(row.name)?.incarnation ?? 0) === 0;
    this.hear(row.kind === 'dead' ? { ...row, kind: 'suspect' } : row, nowMs);
    if (isFirst && row.name !== from) this.queue.remove(row.name);
  }

  private hearAlive(rumour: AliveRumour, nowMs: number): void {
    const { name, incarnation, metadata } = rumour;
    if (name === this.self.name) {
      const isOwn =
        incarnation === this.self.incarnation && isSame(metadata, this.self.metadata ?? this.wanted);
      if (!isOwn) this.refute(incarnation, nowMs);
      return;
    }
    const known = this.members.get(name);
    if (known === undefined && this.members.isFull) {
      this.counters.refusedMembers += 1;
      return;
    }
    const member = known ?? this.add(name, 'dead', nowMs);
    if (incarnation <= member.incarnation) return;
    member.metadata = metadata;
    this.move(member, 'alive', incarnation, name, nowMs);
    this.queue.add(rumour);
  }

  /** Also what this member finds out itself. */
  suspect(rumour: Accusation, nowMs: number): void {
    if (rumour.from !== this.self.name && this.hasLeft(rumour)) return this.tellLeft(rumour.name);
    const member = this.accused(rumour, nowMs);
    if (member === null) return;
    if (member.suspicion !== null) {
      // Of one that was never heard, what it says of itself must count when it comes.
      if (member.incarnation > 0 && rumour.incarnation > member.incarnation)
        this.members.change(member, 'suspect', rumour.incarnation, nowMs);
      // One that was never heard is suspected without a word: that it does not answer is news the others can confirm.
      const isFound = member.incarnation === 0 && rumour.from === this.self.name;
      if (member.suspicion.confirm(rumour.from) || isFound) this.queue.add(rumour);
      return;
    }
    if (member.state !== 'alive') return;
    this.startSuspicion(member, rumour.from, nowMs);
    this.move(member, 'suspect', rumour.incarnation, rumour.from, nowMs);
    this.queue.add(rumour);
    this.counters.suspicions += 1;
  }

  /** As this member knows: who suspects it has not heard that, and nobody would confirm the suspicion. */
  private hasLeft({ name, incarnation }: Accusation): boolean {
    const member = this.members.get(name);
    return member?.state === 'left' && incarnation <= member.incarnation && name !== this.self.name;
  }

  private tellLeft(name: MemberName): void {
    const incarnation = this.members.get(name)?.incarnation ?? 0;
    this.queue.add({ kind: 'left', name, incarnation, from: name });
  }

  private hearGone(rumour: Accusation, nowMs: number): void {
    const member = this.accused(rumour, nowMs);
    if (member === null || !member.isLive) return;
    // Nobody leaves by another's word.
    const state = rumour.kind === 'left' && rumour.from === rumour.name ? 'left' : 'dead';
    this.move(member, state, rumour.incarnation, rumour.from, nowMs);
    this.queue.add(rumour);
  }

  /** Whether the member has taken it back since, as this one knows: who says it still has not heard that. */
  isRefuted({ kind, name, incarnation }: Rumour): boolean {
    const member = this.members.get(name);
    return kind !== 'alive' && member !== undefined && member.isLive && incarnation < member.incarnation;
  }

  /** Null when it says nothing new of a member. */
  private accused({ name, incarnation }: Accusation, nowMs: number): Member | null {
    if (name === this.self.name) {
      this.refute(incarnation, nowMs);
      return null;
    }
    const member = this.members.get(name);
    return member === undefined || incarnation < member.incarnation ? null : member;
  }

  // --- the topology's members

  /** Members that are known before they are heard: suspected until they are. All others are forgotten once they are dead for a while. */
  expect(names: readonly MemberName[], nowMs: number): void {
    const expected = new Set(names);
    for (const member of this.members.list) member.isExpected = expected.has(member.name);
    const unheard = names.filter((name) => this.members.get(name) === undefined);
    const added = unheard.map((name) => this.add(name, 'suspect', nowMs));
    for (const member of added) {
      member.isExpected = true;
      this.startSuspicion(member, this.self.name, nowMs);
    }
  }

  /** Members that are gone for a while, and that nobody expects. */
  forget(nowMs: number): void {
    const goneMs = this.config.settings.gossipToTheDeadMs;
    const forgotten = this.members.list.filter(
      (member) =>
        member !== this.self && !member.isLive && !member.isExpected && nowMs - member.sinceMs > goneMs,
    );
    for (const member of forgotten) {
      this.members.remove(member);
      this.queue.remove(member.name);
    }
  }

  // --- time

  nextDeadlineMs(): number {
    let nextMs = Infinity;
    for (const { suspicion } of this.suspects) nextMs = Math.min(nextMs, suspicion?.deadlineMs ?? Infinity);
    return nextMs;
  }

  /** Suspects that had their time are dead. */
  expire(nowMs: number): void {
    for (const member of this.suspects) {
      if (member.suspicion === null || member.suspicion.deadlineMs > nowMs) continue;
      const { name, incarnation } = member;
      const from = this.self.name;
      this.move(member, 'dead', incarnation, from, nowMs);
      // Of one that was never heard the others know better.
      if (incarnation > 0) this.queue.add({ kind: 'dead', name, incarnation, from });
    }
  }

  postpone(byMs: number): void {
    for (const { suspicion } of this.suspects) suspicion?.postpone(byMs);
  }

  private add(name: MemberName, state: MemberState, nowMs: number): Member {
    const member = this.members.add(name, state, nowMs);
    this.joined.push(member);
    return member;
  }

  private startSuspicion(member: Member, from: MemberName, nowMs: number): void {
    const { settings, lifeguard } = this.config;
    const times = suspicionTimes(settings, this.members.liveCount, lifeguard);
    member.suspicion = new Suspicion(times, from, nowMs);
    this.suspects.add(member);
  }

  private move(
    member: Member,
    state: MemberState,
    incarnation: number,
    from: MemberName,
    nowMs: number,
  ): void {
    const was = member.incarnation === 0 ? null : member.state;
    this.members.change(member, state, incarnation, nowMs);
    if (state !== 'suspect') {
      member.suspicion = null;
      this.suspects.delete(member);
    }
    if (state !== was) this.events.push({ kind: 'state-changed', name: member.name, state, was, from });
  }
}
