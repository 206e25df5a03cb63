/**
 * What the log says of each slot: its state, the move it is in, its epoch, and for ever the highest move that has ended here, with its outcome.
 * Replicated state; typed arrays in memory, runs in snapshots.
 */
import { assert } from '../../assert.ts';
import { readF64, readU16, readU32, writeF64, writeU16, writeU32 } from '../../little-endian.ts';
import { SLOT_COUNT, type MoveId, type ShardId, type SlotRange } from '../../topology/types.ts';
import { SlotState, type MoveOutcome } from './slot-state.ts';

const { OWNED, FROZEN } = SlotState;

const FIRST_EPOCH = 1;
/** | founded, u8 | closed by, float64 | */
const HEAD_BYTES = 9;
/** | from, to, u16 | state | outcome | 2 free | epoch, u32 | peer, u32 | move, float64 | ended, float64 | */
const RUN_BYTES = 32;

/** Of a group that no slot has ever moved to or from; never written. */
const NO_NUMBERS = new Float64Array(SLOT_COUNT);
const NO_PEERS = new Uint32Array(SLOT_COUNT);
const NO_OUTCOMES = new Uint8Array(SLOT_COUNT);

export class SlotStates {
  /** By slot; each command looks here. Only read elsewhere. */
  readonly states = new Uint8Array(SLOT_COUNT).fill(OWNED);
  /** The log has told what the group was made with. Until then it takes everything: its first leader says so before it takes any command. */
  isFounded = false;
  /** The log has ended: what marked the shard closing, and 0 before. No slot comes here any more. */
  closedBy: MoveId = 0;
  /**
   * Some slot was ever in a move here: commands on several slots may meet one that is not owned. It is changed from the start: V8 takes what never
   * changed for constant in the code of all commands, and would throw that away when the first slot moves.
   */
  hasMoved = true;

  private readonly epochs = new Uint32Array(SLOT_COUNT).fill(FIRST_EPOCH);
  private moves = NO_NUMBERS;
  private peers = NO_PEERS;
  private ended = NO_NUMBERS;
  private outcomes = NO_OUTCOMES;
  private readonly counts = Uint32Array.of(0, SLOT_COUNT, 0, 0);
  /** What an image tells of slots, until something changes: looking at each is what an image costs. */
  private runs: Buffer | null = null;

  constructor() {
    this.hasMoved = false;
  }

  found(slots: readonly SlotRange[]): void {
    this.isFounded = true;
    this.setStates({ from: 0, to: SLOT_COUNT - 1 }, SlotState.NONE);
    for (const range of slots) this.setStates(range, OWNED);
  }

  state(slot: number): SlotState {
    return this.states[slot] as SlotState;
  }

  count(state: SlotState): number {
    return this.counts[state];
  }

  move(slot: number): MoveId {
    return this.moves[slot];
  }

  peer(slot: number): ShardId {
    return this.peers[slot];
  }

  epoch(slot: number): number {
    return this.epochs[slot];
  }

  endedMove(slot: number): MoveId {
    return this.ended[slot];
  }

  outcome(slot: number): MoveOutcome {
    return this.outcomes[slot] as MoveOutcome;
  }

  /** The slot is in this move from here on. */
  begin(slot: number, move: MoveId, peer: ShardId, state: SlotState): void {
    assert(move > this.ended[slot] && this.moves[slot] === 0, 'a slot is in one move at a time');
    this.hasMoved = true;
    this.makeRoom();
    this.moves[slot] = move;
    this.peers[slot] = peer;
    this.setState(slot, state);
  }

  freeze(slot: number): void {
    assert(this.states[slot] === OWNED, 'what is fenced was owned');
    this.setState(slot, FROZEN);
  }

  /** The move has ended here for the slot. */
  end(slot: number, move: MoveId, outcome: MoveOutcome, state: SlotState): void {
    assert(move > this.ended[slot], 'a move ends once');
    this.hasMoved = true;
    this.makeRoom();
    this.moves[slot] = 0;
    this.ended[slot] = move;
    this.outcomes[slot] = outcome;
    this.setState(slot, state);
  }

  setEpoch(slot: number, epoch: number): void {
    this.runs = null;
    this.epochs[slot] = epoch;
  }

  /** The last slot up to `to` such that all from `slot` to it are owned; `slot` is. */
  ownedEnd(slot: number, to: number): number {
    let end = slot;
    while (end < to && this.states[end + 1] === OWNED) end += 1;
    return end;
  }

  /** For what moves leave behind: 336 KiB that most groups never need. */
  private makeRoom(): void {
    if (this.moves !== NO_NUMBERS) return;
    this.moves = new Float64Array(SLOT_COUNT);
    this.peers = new Uint32Array(SLOT_COUNT);
    this.ended = new Float64Array(SLOT_COUNT);
    this.outcomes = new Uint8Array(SLOT_COUNT);
  }

  private setState(slot: number, state: SlotState): void {
    this.runs = null;
    this.counts[this.states[slot]] -= 1;
    this.counts[state] += 1;
    this.states[slot] = state;
  }

  private setStates({ from, to }: SlotRange, state: SlotState): void {
    this.runs = null;
    const { counts, states } = this;
    for (let slot = from; slot <= to; slot += 1) counts[states[slot]] -= 1;
    counts[state] += to - from + 1;
    states.fill(state, from, to + 1);
  }

  /** All of it; as few runs as can be. */
  image(): Buffer {
    const head = Buffer.alloc(HEAD_BYTES);
    head[0] = this.isFounded ? 1 : 0;
    writeF64(head, this.closedBy, 1);
    this.runs ??= this.allRuns();
    return Buffer.concat([head, this.runs]);
  }

  private allRuns(): Buffer {
    const runs: Buffer[] = [];
    for (let from = 0; from < SLOT_COUNT;) {
      let to = from;
      while (to + 1 < SLOT_COUNT && this.isAlike(from, to + 1)) to += 1;
      runs.push(this.run(from, to));
      from = to + 1;
    }
    return Buffer.concat(runs);
  }

  private isAlike(a: number, b: number): boolean {
    const { states, outcomes, epochs, peers, moves, ended } = this;
    return (
      states[a] === states[b] &&
      outcomes[a] === outcomes[b] &&
      epochs[a] === epochs[b] &&
      peers[a] === peers[b] &&
      moves[a] === moves[b] &&
      ended[a] === ended[b]
    );
  }

  private run(from: number, to: number): Buffer {
    const run = Buffer.alloc(RUN_BYTES);
    writeU16(run, from, 0);
    writeU16(run, to, 2);
    run[4] = this.states[from];
    run[5] = this.outcomes[from];
    writeU32(run, this.epochs[from], 8);
    writeU32(run, this.peers[from], 12);
    writeF64(run, this.moves[from], 16);
    writeF64(run, this.ended[from], 24);
    return run;
  }

  load(image: Buffer): void {
    this.isFounded = image[0] === 1;
    this.closedBy = readF64(image, 1);
    this.hasMoved = false;
    for (let at = HEAD_BYTES; at < image.length; at += RUN_BYTES) {
      const from = readU16(image, at);
      const to = readU16(image, at + 2);
      const [outcome, peer] = [image[at + 5], readU32(image, at + 12)];
      const move = readF64(image, at + 16);
      const ended = readF64(image, at + 24);
      if (move !== 0 || ended !== 0) this.hasMoved = true;
      this.setStates({ from, to }, image[at + 4] as SlotState);
      this.epochs.fill(readU32(image, at + 8), from, to + 1);
      if (move !== 0 || ended !== 0 || peer !== 0 || outcome !== 0) this.makeRoom();
      if (this.moves === NO_NUMBERS) continue;
      this.outcomes.fill(outcome, from, to + 1);
      this.peers.fill(peer, from, to + 1);
      this.moves.fill(move, from, to + 1);
      this.ended.fill(ended, from, to + 1);
    }
  }
}
