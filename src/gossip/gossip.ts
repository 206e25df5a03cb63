/**
 * One member of the gossip: messages and ticks in, messages and events out. Who drives it takes both after each call, and calls `tick` when
 * `nextDeadlineMs` has come.
 */
import type { Member } from './member.ts';
import { Prober } from './probe.ts';
import { PushPull, rowsOf } from './push-pull.ts';
import { retransmits } from './broadcast-queue.ts';
import type {
  GossipConfig,
  GossipCounters,
  GossipEvent,
  MemberName,
  Message,
  Metadata,
  Outgoing,
  Rumour,
  TopologyEpoch,
} from './types.ts';
import { View } from './view.ts';

/** This share of a probe's time is a delay that a member should notice of itself. */
const DELAY_NOTICED = 0.5;

export class Gossip {
  /** The highest epoch of the topology that was heard of. */
  epoch: Readonly<TopologyEpoch> = { generation: 0, epoch: 0 };
  private readonly config: GossipConfig;
  private readonly view: View;
  private readonly prober: Prober;
  private readonly pushPull: PushPull;
  private outgoing: Outgoing[] = [];
  private nextGossipMs: number;

  constructor(config: GossipConfig, nowMs: number) {
    const { settings, random, metadata } = config;
    this.config = config;
    this.view = new View(config, nowMs);
    this.prober = new Prober(config, this.view, nowMs, (to, body) => {
      this.post(to, { ...body, epoch: this.epoch, rumours: this.carried(to) });
    });
    this.pushPull = new PushPull(config, this.view, nowMs, (to, body) => {
      this.post(to, { epoch: this.epoch, rumours: [], ...body });
    });
    this.hearEpoch(metadata.epoch);
    this.nextGossipMs = nowMs + (random() % settings.gossipIntervalMs);
  }

  // --- what is known

  /** All members, this one included. */
  get members(): readonly Readonly<Member>[] {
    return this.view.members.list;
  }

  get counters(): Readonly<GossipCounters> {
    return this.view.counters;
  }

  /** Lifeguard's local health: 0 is well. */
  get localHealth(): number {
    return this.view.awareness.score;
  }

  member(name: MemberName): Readonly<Member> | undefined {
    return this.view.members.get(name);
  }

  /** How many rumours wait to be passed on. */
  get queued(): number {
    return this.view.queue.size;
  }

  takeOutgoing(): readonly Outgoing[] {
    const { outgoing } = this;
    if (outgoing.length > 0) this.outgoing = [];
    return outgoing;
  }

  takeEvents(): readonly GossipEvent[] {
    const { events } = this.view;
    if (events.length > 0) this.view.events = [];
    return events;
  }

  // --- what is said of this member, and by whom it is reached

  announce(metadata: Metadata, nowMs: number): void {
    this.hearEpoch(metadata.epoch);
    this.view.announce(metadata, nowMs);
  }

  /** The members that the topology names. */
  expect(names: readonly MemberName[], nowMs: number): void {
    this.view.expect(names, nowMs);
  }

  /** A connection to the member is open: both tell each other all that differs. */
  connected(name: MemberName, nowMs: number): void {
    this.pushPull.exchangeWith(name, nowMs);
  }

  /** Its connection is closed: that makes a suspect, which it may refute over another one or through others. */
  disconnected(name: MemberName, nowMs: number): void {
    const member = this.view.members.get(name);
    if (member === undefined || member.incarnation === 0 || this.view.isLeaving) return;
    const { incarnation } = member;
    this.view.suspect({ kind: 'suspect', name, incarnation, from: this.config.self }, nowMs);
  }

  /** The others are told that this member stops. */
  leave(nowMs: number): void {
    this.view.leave(nowMs);
    this.gossip(nowMs);
  }

  // --- time

  nextDeadlineMs(): number {
    const gossipMs = this.view.queue.size > 0 ? this.nextGossipMs : Infinity;
    const probeMs = this.view.isLeaving ? Infinity : this.prober.nextDeadlineMs();
    return Math.min(gossipMs, probeMs, this.pushPull.nextDeadlineMs(), this.view.nextDeadlineMs());
  }

  /** `delayMs`: how late this process runs what is due. What others did meanwhile waits to be read. */
  tick(nowMs: number, delayMs: number): void {
    this.feel(delayMs);
    this.view.expire(nowMs);
    if (!this.view.isLeaving) this.prober.tick(nowMs);
    if (nowMs >= this.nextGossipMs) this.gossip(nowMs);
    this.pushPull.tick(nowMs);
  }

  private feel(delayMs: number): void {
    const { settings, lifeguard } = this.config;
    const points = Math.floor(delayMs / (settings.probeTimeoutMs * DELAY_NOTICED));
    if (!lifeguard || points < 1) return;
    this.view.awareness.change(points);
    this.view.postpone(delayMs);
    this.prober.postpone(delayMs);
  }

  private gossip(nowMs: number): void {
    const { gossipIntervalMs, gossipNodes, gossipToTheDeadMs } = this.config.settings;
    this.nextGossipMs = nowMs + gossipIntervalMs;
    const { queue, members } = this.view;
    if (queue.size === 0) return;
    const isFit = (member: Member): boolean =>
      member.isLive || (member.state === 'dead' && nowMs - member.sinceMs <= gossipToTheDeadMs);
    for (const { name } of members.pick(gossipNodes, isFit)) {
      const rumours = this.carried(name);
      if (rumours.length > 0) this.post(name, { kind: 'gossip', epoch: this.epoch, rumours });
    }
  }

  // --- messages

  step(from: MemberName, message: Message, nowMs: number): void {
    const { view, prober, pushPull } = this;
    this.hearEpoch(message.epoch);
    this.correct(from, message);
    for (const rumour of message.rumours) {
      if (message.kind === 'sync-rows') view.hearRow(rumour, from, nowMs);
      else view.hear(rumour, nowMs);
    }
    switch (message.kind) {
      case 'ping':
        prober.onPing(from, message.sequence);
        break;
      case 'ping-request':
        prober.onPingRequest(from, message.sequence, message.target, nowMs);
        break;
      case 'ack':
        prober.onAck(from, message.sequence, nowMs);
        break;
      case 'nack':
        prober.onNack(message.sequence);
        break;
      case 'sync':
        pushPull.onSync(from, message.hashes, nowMs);
        break;
      case 'sync-rows':
        pushPull.onRows(from, message.hashes, message.wantsRows, nowMs);
        break;
      case 'gossip':
    }
  }

  /** Who accuses a member itself, or tells it of an accusation, and has missed that it was taken back, is told so. */
  private correct(from: MemberName, { kind, rumours: told }: Message): void {
    if (kind === 'sync-rows') return;
    const { view } = this;
    const { self } = view;
    const refuted = told.filter(
      (rumour) =>
        view.isRefuted(rumour) &&
        (rumour.name === self.name || (rumour.kind !== 'alive' && rumour.from === from)),
    );
    const rumours = refuted.flatMap(({ name }) => this.aliveRumour(name));
    if (rumours.length > 0) this.post(from, { kind: 'gossip', epoch: this.epoch, rumours });
  }

  private aliveRumour(name: MemberName): Rumour[] {
    const member = this.view.members.get(name);
    return member === undefined ? [] : rowsOf(member, this.config.self).slice(0, 1);
  }

  /** The buddy system: what is said against the receiver comes first, so that it can refute. Then what is new of others. */
  private carried(to: MemberName): Rumour[] {
    const { members, queue, self } = this.view;
    const { settings, lifeguard } = this.config;
    const rumours: Rumour[] = [];
    const receiver = members.get(to);
    if (lifeguard && receiver !== undefined && receiver.state !== 'alive') {
      const accusation = rowsOf(receiver, self.name).at(-1);
      if (accusation !== undefined) rumours.push(accusation);
    }
    const most = retransmits(settings.retransmitMult, members.liveCount);
    queue.take(rumours, settings.messageBytes, most, lifeguard ? to : null);
    return rumours;
  }

  private post(to: MemberName, message: Message): void {
    this.outgoing.push({ to, message });
  }

  private hearEpoch({ generation, epoch }: TopologyEpoch): void {
    const own = this.epoch;
    if (generation < own.generation || (generation === own.generation && epoch <= own.epoch)) return;
    this.epoch = { generation, epoch };
  }
}
