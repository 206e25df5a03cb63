/**
 * Which shard has each slot, as far as this node knows: by the topology, and by what shards have said since. The register names a new owner only
 * when a move ends, so what is learnt of a move counts until the topology has it ended. None of it is the truth: a shard that does not
 * own a slot says so (design section 8).
 */
import { moveIdOf } from '../topology/move-change.ts';
import { slotsOf } from '../topology/slot-ranges.ts';
import type { MoveEntry, MoveId, ShardId, SlotRun, Topology } from '../topology/types.ts';
import { SLOT_COUNT } from '../topology/types.ts';

interface Learned {
  shard: ShardId;
  move: MoveId;
}

export class SlotOwners {
  private readonly recorded = new Uint16Array(SLOT_COUNT);
  /** That, and what was learnt. */
  private readonly shards = new Uint16Array(SLOT_COUNT);
  private readonly learned = new Map<number, Learned>();
  /** 1: of a move that the topology names. */
  private readonly moving = new Uint8Array(SLOT_COUNT);
  private moves: readonly MoveEntry[] = [];
  private latest: MoveId = 0;

  constructor(topology: Topology) {
    this.setTopology(topology);
  }

  setTopology(topology: Topology): void {
    const { slots, moves } = topology;
    for (const { from, to, shard } of slots) this.recorded.fill(shard, from, to + 1);
    this.latest = moveIdOf(topology);
    this.moves = moves;
    this.moving.fill(0);
    for (const move of moves) for (const slot of slotsOf(move.slots)) this.moving[slot] = 1;
    this.shards.set(this.recorded);
    for (const [slot, { shard, move }] of this.learned) {
      if (this.isEnded(move)) this.learned.delete(slot);
      else this.shards[slot] = shard;
    }
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
    return this.moves.length > 0;
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
    return move <= this.latest && !this.moves.some(({ id }) => id === move);
  }
}
