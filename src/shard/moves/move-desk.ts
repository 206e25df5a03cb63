/** Where a replica's driver of moves proposes what its leader may, and a leader says what the group was made with. */
import type { Instant } from '../../raft/types.ts';
import { slotsOf } from '../../topology/slot-ranges.ts';
import type { MoveId, ShardId, SlotRange } from '../../topology/types.ts';
import type { Replica } from '../replica.ts';
import { Refusal } from '../waiter.ts';
import { Feed } from './feed.ts';
import { MoveItemType, slotsItem } from './move-item.ts';
import type { ExportFeed, MoveWaiter, ReplicaMoves } from './types.ts';

/** Of the founding: no move, and no other shard. */
const NO_MOVE = 0;
const NO_SHARD = 0;

export class MoveDesk implements ReplicaMoves {
  private readonly replica: Replica;
  private readonly firstSlots: (() => readonly SlotRange[]) | null;
  private readonly feeds = new Map<MoveId, Feed>();
  /** The term in which this replica has proposed to found its group. */
  private foundTerm = 0;
  private lastCutIndex = 0;

  constructor(replica: Replica, firstSlots: (() => readonly SlotRange[]) | null) {
    this.replica = replica;
    this.firstSlots = firstSlots;
  }

  /** Called before a leader's commands go into the log: the slots that the group was made with come first. */
  found(now: Instant): void {
    const { replica, firstSlots } = this;
    if (replica.machine.moves.slots.isFounded || firstSlots === null) return;
    const { raft } = replica;
    if (!replica.isLeader || this.foundTerm === raft.term) return;
    this.foundTerm = raft.term;
    const refuse = (): void => {
      this.foundTerm = 0;
    };
    const items = slotsItem(MoveItemType.FOUND, NO_MOVE, NO_SHARD, firstSlots());
    replica.proposeItems(items, { done: () => {}, refuse }, now);
  }

  exportBegin(
    move: MoveId,
    target: ShardId,
    slots: readonly SlotRange[],
    waiter: MoveWaiter,
    now: Instant,
  ): void {
    this.propose(slotsItem(MoveItemType.EXPORT_BEGIN, move, target, slots), waiter, now);
  }

  fence(move: MoveId, slots: readonly SlotRange[], waiter: MoveWaiter, now: Instant): void {
    const ends = this.replica.machine.moves.exports.endsOf(slotsOf(slots));
    this.propose(slotsItem(MoveItemType.FENCE, move, ends, slots), waiter, now);
  }

  moved(move: MoveId, slots: readonly SlotRange[], waiter: MoveWaiter, now: Instant): void {
    this.propose(slotsItem(MoveItemType.MOVED, move, NO_SHARD, slots), waiter, now);
  }

  thaw(move: MoveId, slots: readonly SlotRange[], waiter: MoveWaiter, now: Instant): void {
    this.propose(slotsItem(MoveItemType.THAW, move, NO_SHARD, slots), waiter, now);
  }

  importBegin(
    move: MoveId,
    source: ShardId,
    slots: readonly SlotRange[],
    waiter: MoveWaiter,
    now: Instant,
  ): void {
    this.propose(slotsItem(MoveItemType.IMPORT_BEGIN, move, source, slots), waiter, now);
  }

  importAbort(move: MoveId, slots: readonly SlotRange[], waiter: MoveWaiter, now: Instant): void {
    this.propose(slotsItem(MoveItemType.IMPORT_ABORT, move, NO_SHARD, slots), waiter, now);
  }

  close(by: MoveId, waiter: MoveWaiter, now: Instant): void {
    this.found(now);
    this.propose(slotsItem(MoveItemType.CLOSE, by, NO_SHARD, []), waiter, now);
  }

  propose(items: Buffer, waiter: MoveWaiter, now: Instant): void {
    if (this.replica.isReadable && this.isFounded) this.replica.proposeMove(items, waiter, now);
    else waiter.refuse(Refusal.NOT_PROPOSED);
  }

  feed(move: MoveId): ExportFeed | null {
    const { machine, raft, time, isReadable } = this.replica;
    if (!isReadable) return null;
    let feed = this.feeds.get(move);
    if (feed !== undefined) return feed;
    const nextCutIndex = (): number =>
      (this.lastCutIndex = Math.max(machine.appliedIndex, this.lastCutIndex + 1));
    feed = new Feed(machine, time, move, raft.term, nextCutIndex, () => this.feeds.delete(move));
    this.feeds.set(move, feed);
    return feed;
  }

  private get isFounded(): boolean {
    return this.firstSlots === null || this.replica.machine.moves.slots.isFounded;
  }

  /** Leadership is lost. */
  endFeeds(): void {
    for (const feed of this.feeds.values()) feed.end();
    this.foundTerm = 0;
  }
}
