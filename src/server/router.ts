/**
 * Finds the shards of a command and the ways to their leaders. A leader is known from this node's own replica of the shard, or from the hints
 * that leaders send around; the higher term wins. Hints are advice: a node that does not lead refuses.
 */
import { slotOf } from '../../ring/index.ts';
import { assert } from '../assert.ts';
import { lastKeyArgument } from '../commands/command-table.ts';
import type { Instant } from '../raft/types.ts';
import type { Args } from '../resp/args.ts';
import type { SessionId } from '../shard/batch.ts';
import { ItemArena, LARGE_COMMAND_BYTES, commandDb, commandResp3 } from '../shard/command-item.ts';
import { floorsItem } from '../shard/prelude.ts';
import type { Replica } from '../shard/replica.ts';
import type { Elsewhere } from '../shard/waiter.ts';
import type { MoveId, NodeId, ShardId, SlotRange, SlotRun, Topology } from '../topology/types.ts';
import { SLOT_COUNT } from '../topology/types.ts';
import type { CompiledCommand } from './compiled-command.ts';
import type { PeerForwarding } from './forwarding.ts';
import { elsewhereOf } from './moves/elsewhere.ts';
import { PartedRequest, partingOf } from './parting.ts';
import { Request, RequestPool, type RequestOwner } from './request.ts';
import {
  NOTHING_DONE,
  Route,
  type Parking,
  type RouteHooks,
  type RouteLimits,
  type Target,
} from './route.ts';
import { Sequences } from './sequences.ts';
import { SlotHolds } from './slot-holds.ts';
import { SlotOwners } from './slot-owners.ts';

/** After a leader has refused, this long until it is tried again without news of another. */
const BOUNCE_WAIT_MS = 10;
/** Slots whose floors one message tells. */
const FLOORS_PER_MESSAGE = 1024;

const ALL_SLOTS: readonly number[] = Array.from({ length: SLOT_COUNT }, (_, slot) => slot);

export interface LeaderHint {
  node: NodeId;
  term: number;
}

export interface RouterHost {
  readonly self: NodeId;
  readonly session: SessionId;
  readonly now: Instant;
  replica(shard: ShardId): Replica | undefined;
  forwarding(node: NodeId): PeerForwarding | undefined;
  /** The router wants its `follow` called again at the end of this turn. */
  wake(): void;
  /** And again after so long. */
  wakeAfter(delayMs: number): void;
  countIndeterminate(): void;
  /** `host:port` that MOVED names. */
  redirectAddress(node: NodeId): string;
}

/** One shard as the router sees it. */
export interface ShardWay {
  /** Dense, from 0. */
  readonly index: number;
  readonly shard: ShardId;
  readonly route: Route;
  /** This node's, where it has one. */
  replica: Replica | undefined;
  local: Target | null;
  /** Its slots, as far as this node knows. */
  runs: SlotRun[];
  slotCount: number;
  hint: LeaderHint | null;
  /** The leader that `follow` found last; null: none. */
  leader: NodeId | null;
  /** That, or the one before. */
  lastLeader: NodeId | null;
  leaderTerm: number;
  retryAtMs: number;
  /** To the leader's node, where that is another; null until it is asked for. */
  forwarding: PeerForwarding | null;
  /** What `leader` was found from. */
  seenMember: number;
  seenTerm: number;
  seenHint: LeaderHint | null;
  /** Over which floors were told last: over another they are told again, since some may be lost. */
  floorsTarget: Target | null;
  /** The slot that the next message of floors begins at. */
  floorsFrom: number;
}

export const CROSS_SLOT = -1;

export class Router {
  readonly ways: ShardWay[] = [];
  readonly pool = new RequestPool();
  readonly parking: Parking = { bytes: 0 };
  readonly holds: SlotHolds;
  readonly owners: SlotOwners;
  private readonly host: RouterHost;
  private readonly hooks: RouteHooks;
  private readonly limits: RouteLimits;
  private readonly waysBySlot: ShardWay[] = [];
  private readonly waysByShard = new Map<ShardId, ShardWay>();
  private readonly nodeOfMember = new Map<number, Map<number, NodeId>>();
  private readonly sequences = new Sequences();
  private readonly arena = new ItemArena();
  /** The ways' runs are those of before. */
  private hasNewOwners = false;

  constructor(host: RouterHost, topology: Topology, limits: RouteLimits) {
    this.host = host;
    this.limits = limits;
    this.hooks = {
      nowMs: () => host.now.monotonicMs,
      sequenceAnswered: (slot, sequence) => this.sequences.answered(slot, sequence),
      stalled: (route) => this.stalled(route),
      displaced: (route, request, isFirst, elsewhere) => this.displaced(route, request, isFirst, elsewhere),
      part: (route, request, apart) => this.part(route, request, apart),
      countIndeterminate: () => host.countIndeterminate(),
      countMoveTimeout: () => (this.holds.counters.timedOut += 1),
    };
    this.owners = new SlotOwners(topology);
    this.holds = new SlotHolds({
      owners: this.owners,
      hooks: this.hooks,
      limits,
      parking: this.parking,
      ownerOf: (slot) => this.ownerOf(slot),
      lead: (slot, way) => {
        this.waysBySlot[slot] = way;
      },
      redirection: (slot, way) => this.redirection(slot, way),
      wakeAfter: (delayMs) => host.wakeAfter(delayMs),
    });
    this.setTopology(topology);
    this.followOwners(ALL_SLOTS);
    this.findRuns();
  }

  /** Members are found on other nodes from here on, and slots at other shards. */
  setTopology(topology: Topology): void {
    for (const shard of topology.shards) {
      this.nodeOfMember.set(shard.id, new Map(shard.replicas.map((entry) => [entry.member, entry.node])));
      if (!this.waysByShard.has(shard.id)) this.addWay(shard.id);
    }
    this.followOwners(this.owners.setTopology(topology));
    for (const way of this.ways) this.findAnew(way);
  }

  private addWay(shard: ShardId): void {
    const replica = this.host.replica(shard);
    const way: ShardWay = {
      index: this.ways.length,
      shard,
      route: new Route(shard, this.hooks, this.limits, this.parking),
      replica,
      local: replica === undefined ? null : this.localTarget(replica),
      runs: [],
      slotCount: 0,
      hint: null,
      leader: null,
      lastLeader: null,
      leaderTerm: 0,
      retryAtMs: 0,
      forwarding: null,
      seenMember: 0,
      seenTerm: -1,
      seenHint: null,
      floorsTarget: null,
      floorsFrom: 0,
    };
    this.ways.push(way);
    this.waysByShard.set(shard, way);
  }

  /** A shard says that a move has given these slots to another. Advice: whoever does not own a slot refuses. */
  learnOwner(slots: readonly SlotRange[], shard: ShardId, move: MoveId): void {
    if (!this.waysByShard.has(shard)) return;
    const news: number[] = [];
    for (const { from, to } of slots)
      for (let slot = from; slot <= to; slot++) if (this.owners.learn(slot, shard, move)) news.push(slot);
    if (news.length === 0) return;
    this.followOwners(news);
    this.host.wake();
  }

  /** Slots whose requests are under way at another shard are held until those are answered or refused there. */
  private followOwners(slots: readonly number[]): void {
    if (slots.length === 0) return;
    const underWay = new Map<ShardWay, Set<number>>();
    const led: number[] = [];
    // Mostly that of the slot before.
    let owner = this.ownerOf(slots[0]);
    for (const slot of slots) {
      if (this.owners.of(slot) !== owner.shard) owner = this.ownerOf(slot);
      const way: ShardWay | undefined = this.waysBySlot[slot];
      if (way === owner) continue;
      this.hasNewOwners = true;
      if (way === undefined) {
        this.waysBySlot[slot] = owner;
        continue;
      }
      // A slot that is held finds its owner by itself.
      if (this.ways[way.index] !== way) continue;
      led.push(slot);
      if (this.isUnderWay(slot, way, underWay)) this.holds.hold(slot, way);
      else this.waysBySlot[slot] = owner;
    }
    this.sequences.tellAgainOf(led);
  }

  private isUnderWay(slot: number, way: ShardWay, known: Map<ShardWay, Set<number>>): boolean {
    let slots = known.get(way);
    if (slots === undefined) known.set(way, (slots = way.route.slots(false)));
    return slots.has(slot);
  }

  get parkTimeoutMs(): number {
    return this.limits.parkTimeoutMs;
  }

  private findRuns(): void {
    this.hasNewOwners = false;
    for (const way of this.ways) {
      way.runs = [];
      way.slotCount = 0;
    }
    for (const run of this.owners.runs()) {
      const way = this.waysByShard.get(run.shard);
      if (way === undefined) continue;
      way.runs.push(run);
      way.slotCount += run.to - run.from + 1;
    }
  }

  ownerOf(slot: number): ShardWay {
    const way = this.waysByShard.get(this.owners.of(slot));
    assert(way !== undefined, 'each slot is of a shard of the topology');
    return way;
  }

  private redirection(slot: number, way: ShardWay): Buffer | null {
    const { leader } = way;
    if (!way.route.hasTarget || leader === null || leader === this.host.self) return null;
    return Buffer.from(`-MOVED ${slot} ${this.host.redirectAddress(leader)}\r\n`);
  }

  private displaced(route: Route, request: Request, isFirst: boolean, elsewhere?: Elsewhere): void {
    const way = this.waysByShard.get(route.shard);
    if (way === undefined) return;
    if (isFirst) this.holds.counters.parked += 1;
    if (request.isOfShard) {
      if (request.slots !== null && !request.mayHaveRun) route.answerRefused(request, NOTHING_DONE);
      else this.holds.askAgain(request, way);
      return;
    }
    this.holds.hold(request.slot, way);
    // What is led here, this node's replica knows.
    const known = elsewhere ?? elsewhereOf(way.replica, request.slot);
    if (known !== undefined) this.learnOwner([{ from: known.slot, to: known.slot }], known.shard, known.move);
    this.host.wake();
  }

  private part(route: Route, request: Request, apart: readonly number[]): void {
    const { span } = request;
    assert(span !== null, 'what is parted is over several slots');
    // What is known of owners by now counts, too.
    const elsewhere = [...span.slots].filter((slot) => this.waysBySlot[slot].route !== route);
    const parting = partingOf(request, [...apart, ...elsewhere]);
    const owner = new PartedRequest(request, parting);
    const db = commandDb(request.bytes, request.start);
    const resp3 = commandResp3(request.bytes, request.start);
    for (const [place, { args, slot, slots }] of parting.portions.entries()) {
      const way = this.waysBySlot[slot];
      const part = this.pool.take();
      part.part = place;
      part.way = way.index;
      part.span = slots.size > 1 ? { command: span.command, slots } : null;
      // The sequence goes on in the first key's slot: it has not run under it.
      const sequence = slot === request.slot ? request.sequence : null;
      this.fill(part, owner, span.command, args, db, resp3, slot, sequence);
      owner.countPart(part);
      way.route.addPart(part, request);
    }
  }

  /** This node has, or has no longer, a replica of a shard. */
  replicaChanged(shard: ShardId): void {
    const way = this.waysByShard.get(shard);
    if (way === undefined) return;
    way.replica = this.host.replica(shard);
    way.local = way.replica === undefined ? null : this.localTarget(way.replica);
    this.findAnew(way);
  }

  private findAnew(way: ShardWay): void {
    way.seenTerm = -1;
    way.forwarding = null;
    this.host.wake();
  }

  /** As far as this node knows. */
  leaderOf(shard: ShardId): NodeId | null {
    return this.waysByShard.get(shard)?.leader ?? null;
  }

  wayOfSlot(slot: number): ShardWay {
    return this.waysBySlot[slot];
  }

  /** The slot of the command's keys; CROSS_SLOT when they have several. */
  slotOfKeys(command: CompiledCommand, args: Args): number {
    const { firstKey, keyStep } = command;
    const slot = slotOf(args.bytes, args.start[firstKey], args.end[firstKey]);
    if (command.lastKey === firstKey) return slot;
    const last = lastKeyArgument(command, args.count);
    for (let i = firstKey + keyStep; i <= last; i += keyStep) {
      if (slotOf(args.bytes, args.start[i], args.end[i]) !== slot) return CROSS_SLOT;
    }
    return slot;
  }

  /** Makes a request of a command on `way` and sends it; `rides`: behind writes of the same connection to that shard. */
  submit(
    request: Request,
    owner: RequestOwner,
    way: ShardWay,
    command: CompiledCommand,
    args: Args,
    db: number,
    resp3: boolean,
    slot: number,
    rides: boolean,
  ): void {
    request.command = command.ordinal;
    request.rides = rides && !command.isWrite;
    this.fill(request, owner, command, args, db, resp3, slot, null);
    way.route.dispatch(request);
  }

  /** `sequence`: null for a new one. */
  private fill(
    request: Request,
    owner: RequestOwner,
    command: CompiledCommand,
    args: Args,
    db: number,
    resp3: boolean,
    slot: number,
    sequence: number | null,
  ): void {
    const { arena, sequences } = this;
    request.owner = owner;
    request.isWrite = command.isWrite;
    request.slot = slot;
    request.sequence = command.isWrite ? (sequence ?? sequences.take(slot)) : 0;
    const floor = command.isWrite ? sequences.floor(slot) : request.sequence;
    if (request.slots === null) arena.command(args, db, slot, resp3, request.sequence, floor);
    else arena.commandOnSlots(args, db, request.slots, resp3, request.sequence, floor);
    request.bytes = arena.bytes;
    request.start = arena.start;
    request.end = arena.end;
    if (request.end - request.start > LARGE_COMMAND_BYTES) {
      request.isLarge = true;
      owner.hold();
    }
  }

  /** Keeps the command of a request that is not sent itself. */
  keep(request: Request, args: Args): void {
    const { arena } = this;
    arena.command(args, 0, 0, false, 0, 0);
    request.bytes = arena.bytes;
    request.start = arena.start;
    request.end = arena.end;
  }

  /** A hint of another node; older terms are ignored. */
  hint(shard: ShardId, node: NodeId, term: number): void {
    const way = this.waysByShard.get(shard);
    if (way === undefined || (way.hint !== null && way.hint.term > term)) return;
    // Nodes tell it again and again: nothing follows from what is known.
    if (way.hint?.term === term && way.hint.node === node) return;
    way.hint = { node, term };
    this.host.wake();
  }

  /** Turns each route to where its leader is now. Called each turn. */
  follow(): void {
    if (this.hasNewOwners) this.findRuns();
    if (!this.holds.isEmpty) this.holds.settle();
    const nowMs = this.host.now.monotonicMs;
    for (const way of this.ways) {
      this.findLeader(way);
      if (way.retryAtMs > nowMs && !way.route.hasTarget) continue;
      const target = this.targetOf(way);
      way.route.retarget(target);
      if (target === null) continue;
      if (target !== way.floorsTarget) {
        way.floorsTarget = target;
        this.tellFloorsAgain(way);
      }
      way.route.pump();
    }
  }

  /** Answers what has waited too long. */
  expire(): void {
    for (const way of this.ways) if (!way.route.isIdle) way.route.expire();
    this.holds.expire();
  }

  /** Tells floors of quiet slots to their leaders, so that rows can go. */
  tellFloors(): void {
    for (const way of this.ways) {
      if (way.leader === null || !way.route.hasTarget) continue;
      const isOurs = (slot: number): boolean => this.waysBySlot[slot] === way;
      const { slots, floors, next } = this.sequences.quiet(isOurs, FLOORS_PER_MESSAGE, way.floorsFrom);
      way.floorsFrom = next;
      if (slots.length === 0) continue;
      if (way.leader === this.host.self) way.replica?.submitFloors(this.host.session, slots, floors);
      else {
        const item = floorsItem(this.host.session, slots, floors);
        this.host.forwarding(way.leader)?.sendFloors(way.shard, item);
      }
    }
  }

  get parkedRequests(): number {
    return this.ways.filter((way) => way.route.hasUnsent).length + this.holds.parked;
  }

  private findLeader(way: ShardWay): void {
    const { replica, hint } = way;
    const term = replica === undefined ? 0 : replica.raft.term;
    const member = replica === undefined ? 0 : replica.raft.leader;
    if (term === way.seenTerm && member === way.seenMember && hint === way.seenHint) return;
    way.seenTerm = term;
    way.seenMember = member;
    way.seenHint = hint;
    this.chooseLeader(way, member, term);
  }

  private chooseLeader(way: ShardWay, member: number, memberTerm: number): void {
    const { hint } = way;
    let leader = this.nodeOfMember.get(way.shard)?.get(member) ?? null;
    let term = memberTerm;
    if (hint !== null && (hint.term > term || (hint.term === term && leader === null))) {
      leader = hint.node;
      term = hint.term;
    }
    if (leader !== way.leader || term !== way.leaderTerm) {
      way.retryAtMs = 0;
      way.forwarding = null;
      this.tellFloorsAgain(way);
    }
    way.leader = leader;
    way.lastLeader = leader ?? way.lastLeader;
    way.leaderTerm = term;
  }

  private tellFloorsAgain(way: ShardWay): void {
    this.sequences.tellAgain((slot) => this.waysBySlot[slot] === way);
  }

  private targetOf(way: ShardWay): Target | null {
    if (way.leader === null) return null;
    if (way.leader === this.host.self) return way.replica?.isLeader === true ? way.local : null;
    way.forwarding ??= this.host.forwarding(way.leader) ?? null;
    return way.forwarding?.link.connected === true ? way.forwarding.target(way.shard) : null;
  }

  private stalled(route: Route): void {
    const way = this.waysByShard.get(route.shard);
    if (way === undefined) return;
    if (!route.hasTarget) {
      way.retryAtMs = this.host.now.monotonicMs + BOUNCE_WAIT_MS;
      this.host.wakeAfter(BOUNCE_WAIT_MS);
    }
    this.host.wake();
  }

  private localTarget(replica: Replica): Target {
    const { host } = this;
    return {
      isFull: false,
      send: (request) => {
        const { bytes, start, end } = request;
        if (request.isWrite) replica.submitWrite(request, host.session, bytes, start, end, host.now);
        else if (request.rides) replica.submitRidingRead(request, bytes, start, host.now);
        else replica.submitRead(request, bytes, start, host.now);
        host.wake();
      },
      abandon: (of) => replica.disown((waiter) => waiter instanceof Request && of(waiter)),
    };
  }
}

/** The last slot of the run that the slot lies in; the slot itself where the runs do not have it, since they may be those of before a move. */
export function runEndOf(runs: readonly SlotRun[], slot: number): number {
  for (const run of runs) if (slot >= run.from && slot <= run.to) return run.to;
  return slot;
}
