/**
 * Which shard has each slot, as far as this node knows: by the topology, and by what shards have said since. The register names a new owner only
 * when a move ends, so what is learnt of a move counts until the topology has it ended. None of it is the truth: a shard that does not
 * own a slot says so (design section 8).
 */
import { moveIdOf } from '../topology/move-change.ts';
import type { MoveId, ShardId, SlotRun, Topology } from '../topology/types.ts';
import { SLOT_COUNT } from '../topology/types.ts';

interface Learned {
  shard: ShardId;
  move: MoveId;
}

const GROUP_SLOTS = 256;

export class SlotOwners {
  /** By the topology, and what was learnt. */
  private readonly shards = new Uint16Array(SLOT_COUNT);
  private readonly before = new Uint16Array(SLOT_COUNT);
  private readonly learned = new Map<number, Learned>();
  /** 1: of a move that the topology names. */
  private readonly moving = new Uint8Array(SLOT_COUNT);
  private underWay: ReadonlySet<MoveId> = new Set();
  private latest: MoveId = 0;

  constructor(topology: Topology) {
    this.setTopology(topology);
  }

  /** Tells which slots have another owner by that, in ascending order: mostly none, since what a move has brought over was learnt before it ends. */
  setTopology(topology: Topology): number[] {
    const { moves } = topology;
    this.before.set(this.shards);
    for (const { from, to, shard } of topology.slots) this.shards.fill(shard, from, to + 1);
    this.latest = moveIdOf(topology);
    this.underWay = new Set(moves.map(({ id }) => id));
    this.moving.fill(0);
    for (const move of moves) for (const { from, to } of move.slots) this.moving.fill(1, from, to + 1);
    for (const [slot, { shard, move }] of this.learned) {
      if (this.isEnded(move)) this.learned.delete(slot);
      else this.shards[slot] = shard;
    }
    return this.changed();
  }

  /** Group by group, since most are as they were: a topology comes with each step of a plan, while commands wait. */
  private changed(): number[] {
    const { before, shards } = this;
    const slots: number[] = [];
    for (let from = 0; from < SLOT_COUNT; from += GROUP_SLOTS) {
      const end = from + GROUP_SLOTS;
      if (bytesOf(before, from, end).equals(bytesOf(shards, from, end))) continue;
      for (let slot = from; slot < end; slot++) if (before[slot] !== shards[slot]) slots.push(slot);
    }
    return slots;
  }

  /** A shard says that the move has given the slot to another; false when that is known, or older than what is. */
  learn(slot: number, shard: ShardId, move: MoveId): boolean {
    if (!(slot < SLOT_COUNT) || !Number.isSafeInteger(move) || this.isEnded(move)) return false;
    const known = this.learned.get(slot);
    if (known !== undefined && known.move >= move) return false;
    this.learned.set(slot, { shard, move });
    this.shards[slot] = shard;
    return true;
  }

  of(slot: number): ShardId {
    return this.shards[slot];
  }

  /** Whether the topology has the slot on its way to another shard. */
  isMoving(slot: number): boolean {
    return this.moving[slot] === 1;
  }

  get hasMoves(): boolean {
    return this.underWay.size > 0;
  }

  /** All slots, in as few runs as can be. */
  runs(): SlotRun[] {
    const { shards } = this;
    const runs: SlotRun[] = [];
    let from = 0;
    for (let slot = 1; slot <= SLOT_COUNT; slot++) {
      const shard = shards[from];
      if (slot < SLOT_COUNT && shards[slot] === shard) continue;
      runs.push({ from, to: slot - 1, shard });
      from = slot;
    }
    return runs;
  }

  /** The topology has recorded what became of it. */
  private isEnded(move: MoveId): boolean {
    return move <= this.latest && !this.underWay.has(move);
  }
}

function bytesOf({ buffer, BYTES_PER_ELEMENT }: Uint16Array, from: number, end: number): Buffer {
  return Buffer.from(buffer, from * BYTES_PER_ELEMENT, (end - from) * BYTES_PER_ELEMENT);
}
