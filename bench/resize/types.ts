/** What the parts of `npm run bench:resize` hand each other. */
import type { Entrance } from '../load.ts';

/** A cluster of three that a fourth node has joined, empty yet. */
export interface ResizableCluster {
  readonly name: string;
  readonly entrance: Entrance;
  /** Slots go to the fourth until all have their share. */
  rebalance(): Promise<Resized>;
  stop(): Promise<void>;
}

export interface Resized {
  tookMs: number;
  /** What it has come to: to ask for that costs the nodes something, which is no part of moving slots. */
  result(): Promise<Resize>;
}

export interface Resize {
  tookMs: number;
  /** Slots that the fourth node has, and how many any scheme has to move. */
  movedSlots: number;
  leastSlots: number;
  /** All of the cluster. */
  keys: number;
}

/** One line of the table. */
export interface Row {
  what: string;
  figure: string;
  goal: string;
  /** Null: told, without a goal. */
  isReached: boolean | null;
}

export const SLOT_COUNT = 16_384;
