/**
 * SWIM's failure detector: one member after the other is asked for an acknowledgement, in an order shuffled anew each round, directly and then
 * through others. Those say when they got no answer either (Lifeguard's nack): where even they are silent, the fault is more likely here.
 */
import type { Member } from './member.ts';
import type { GossipConfig, MemberName, ProbeBody } from './types.ts';
import type { View } from './view.ts';

/** Pings for others that are under way; more are not taken on. */
const RELAYS_MOST = 256;
const SEQUENCES = 2 ** 32;

interface Probe {
  readonly member: Member;
  readonly sequence: number;
  readonly sentMs: number;
  /** When others are asked. */
  askMs: number;
  endMs: number;
  /** Of the requests to others; null before. */
  askedSequence: number | null;
  nacksWanted: number;
  nacks: number;
}

/** A ping that another member asked for. */
interface Relay {
  readonly requester: MemberName;
  /** The requester's. */
  readonly sequence: number;
  deadlineMs: number;
}

export class Prober {
  private readonly config: GossipConfig;
  private readonly view: View;
  private readonly send: (to: MemberName, body: ProbeBody) => void;
  private readonly relays = new Map<number, Relay>();
  private order: Member[] = [];
  private next = 0;
  private current: Probe | null = null;
  private nextProbeMs: number;
  private sequence = 0;

  constructor(
    config: GossipConfig,
    view: View,
    nowMs: number,
    send: (to: MemberName, body: ProbeBody) => void,
  ) {
    this.config = config;
    this.view = view;
    this.send = send;
    // Members that start together do not probe together.
    this.nextProbeMs = nowMs + (config.random() % config.settings.probeIntervalMs);
  }

  nextDeadlineMs(): number {
    const { current } = this;
    let nextMs = this.nextProbeMs;
    if (current !== null) nextMs = current.askedSequence === null ? current.askMs : current.endMs;
    for (const { deadlineMs } of this.relays.values()) nextMs = Math.min(nextMs, deadlineMs);
    return nextMs;
  }

  tick(nowMs: number): void {
    for (const [sequence, relay] of this.relays) {
      if (relay.deadlineMs > nowMs) continue;
      this.relays.delete(sequence);
      if (this.config.lifeguard) this.send(relay.requester, { kind: 'nack', sequence: relay.sequence });
    }
    this.goOn(nowMs);
    if (this.current === null && nowMs >= this.nextProbeMs) this.start(nowMs);
  }

  private goOn(nowMs: number): void {
    const { current } = this;
    if (current === null) return;
    if (current.askedSequence === null && nowMs >= current.askMs) this.askOthers(current);
    if (nowMs >= current.endMs) this.fail(current, nowMs);
  }

  private start(nowMs: number): void {
    const { settings } = this.config;
    this.nextProbeMs = nowMs + settings.probeIntervalMs;
    const member = this.nextMember(nowMs);
    if (member === null) return;
    const { awareness, counters } = this.view;
    const sequence = this.nextSequence();
    this.current = {
      member,
      sequence,
      sentMs: nowMs,
      askMs: nowMs + awareness.scaled(settings.probeTimeoutMs),
      endMs: nowMs + awareness.scaled(settings.probeIntervalMs),
      askedSequence: null,
      nacksWanted: 0,
      nacks: 0,
    };
    counters.probes += 1;
    this.send(member.name, { kind: 'ping', sequence });
  }

  /** Null when there is none to probe. */
  private nextMember(nowMs: number): Member | null {
    this.takeJoined();
    for (let isNewRound = false; ; isNewRound = true) {
      while (this.next < this.order.length) {
        const member = this.order[this.next++];
        if (member.isLive) return member;
      }
      if (isNewRound) return null;
      this.shuffle(nowMs);
    }
  }

  /** Who joins within a round has its turn somewhere in what is left of it. */
  private takeJoined(): void {
    const { order, next, view } = this;
    for (const member of view.joined) {
      const at = next + (this.config.random() % (order.length - next + 1));
      order.splice(at, 0, member);
    }
    view.joined = [];
  }

  private shuffle(nowMs: number): void {
    const { members, self } = this.view;
    this.view.forget(nowMs);
    this.view.joined = [];
    this.order = members.list.filter((member) => member !== self && member.isLive);
    const { order } = this;
    for (let last = order.length - 1; last > 0; last--) {
      const at = this.config.random() % (last + 1);
      [order[last], order[at]] = [order[at], order[last]];
    }
    this.next = 0;
  }

  private askOthers(probe: Probe): void {
    const { settings, lifeguard } = this.config;
    const { members } = this.view;
    const target = probe.member.name;
    const others = members.pick(
      settings.indirectProbes,
      (member) => member.state === 'alive' && member !== probe.member,
    );
    probe.askedSequence = this.nextSequence();
    probe.nacksWanted = lifeguard ? others.length : 0;
    for (const { name } of others)
      this.send(name, { kind: 'ping-request', sequence: probe.askedSequence, target });
  }

  private fail(probe: Probe, nowMs: number): void {
    this.current = null;
    const { awareness, counters, self } = this.view;
    const { name, incarnation, isLive } = probe.member;
    if (!isLive) return;
    counters.probesFailed += 1;
    if (this.config.lifeguard) awareness.change(probe.nacksWanted > 0 ? probe.nacksWanted - probe.nacks : 1);
    this.view.suspect({ kind: 'suspect', name, incarnation, from: self.name }, nowMs);
  }

  // --- what comes

  onPing(from: MemberName, sequence: number): void {
    this.send(from, { kind: 'ack', sequence });
  }

  onPingRequest(from: MemberName, sequence: number, target: MemberName, nowMs: number): void {
    if (this.relays.size >= RELAYS_MOST || this.view.members.get(target) === undefined) return;
    const own = this.nextSequence();
    const deadlineMs = nowMs + this.config.settings.probeTimeoutMs;
    this.relays.set(own, { requester: from, sequence, deadlineMs });
    this.send(target, { kind: 'ping', sequence: own });
  }

  onAck(from: MemberName, sequence: number, nowMs: number): void {
    const relay = this.relays.get(sequence);
    if (relay !== undefined) {
      this.relays.delete(sequence);
      this.send(relay.requester, { kind: 'ack', sequence: relay.sequence });
      return;
    }
    const { current } = this;
    const isDirect = sequence === current?.sequence;
    if (current === null || (!isDirect && sequence !== current.askedSequence)) return;
    // Another's word counts where another was asked.
    if (isDirect && from !== current.member.name) return;
    if (isDirect)
      this.view.events.push({ kind: 'round-trip', name: from, durationMs: nowMs - current.sentMs });
    this.current = null;
    this.view.awareness.change(-1);
  }

  onNack(sequence: number): void {
    const { current } = this;
    if (current !== null && sequence === current.askedSequence) current.nacks += 1;
  }

  /** The time in which this member stood still is no silence of the others. */
  postpone(byMs: number): void {
    const { current } = this;
    for (const relay of this.relays.values()) relay.deadlineMs += byMs;
    if (current === null) return;
    current.askMs += byMs;
    current.endMs += byMs;
  }

  private nextSequence(): number {
    this.sequence = (this.sequence + 1) % SEQUENCES;
    return this.sequence;
  }
}
