/**
 * Everything of a shard's state, and whether it goes along when a slot moves: one list, which a test holds complete against what a snapshot of the
 * state holds. Who adds to the state adds it here first, and then to the cut (`feed.ts`), to the effects (`effect.ts`), or to `Activate`.
 */
export interface StatePart {
  /** By its record in snapshots (state-snapshot.ts). */
  record: string;
  what: string;
  /** How it reaches the target; null: it stays, and `why`. */
  moves: 'cut and effects' | 'activate' | null;
  why?: string;
}

export const STATE_PARTS: readonly StatePart[] = [
  { record: 'KEYS', what: 'values with type and encoding', moves: 'cut and effects' },
  { record: 'KEYS', what: 'absolute expiry', moves: 'cut and effects' },
  { record: 'KEYS', what: 'versions, for WATCH and for removals', moves: 'cut and effects' },
  { record: 'SESSIONS', what: 'rows with their replies', moves: 'cut and effects' },
  { record: 'SESSIONS', what: 'floors', moves: 'cut and effects' },
  { record: 'SESSIONS', what: "each node's highest ended start", moves: 'activate' },
  { record: 'HEAD', what: 'log time', moves: 'activate' },
  { record: 'HEAD', what: 'the base of versions', moves: 'activate' },
  { record: 'SLOTS', what: 'the slot epoch', moves: 'activate' },
  {
    record: 'HEAD',
    what: 'version of the rules',
    moves: null,
    why: "each group's log says it; an effect names its own",
  },
  {
    record: 'HEAD',
    what: 'memory policy',
    moves: null,
    why: "the group's; an effect names the limits that it ran by",
  },
  {
    record: 'SLOTS',
    what: 'state, move, highest ended move',
    moves: null,
    why: "each log's own word on the slot",
  },
  {
    record: 'SLOTS',
    what: 'length and sum of effects',
    moves: null,
    why: 'of the export; Activate is checked against it',
  },
  {
    record: 'STAGED',
    what: 'a large command in parts',
    moves: null,
    why: 'it runs before the fence, or is refused',
  },
  { record: 'IMPORTS', what: 'how far imports are', moves: null, why: 'a slot is in one move at a time' },
  {
    record: 'STAGED_SESSIONS',
    what: 'sessions of imports',
    moves: null,
    why: 'a slot is in one move at a time',
  },
  {
    record: 'LOADING_KEYS',
    what: 'keys of cuts that come in',
    moves: null,
    why: 'a slot is in one move at a time',
  },
  { record: 'READY_KEYS', what: 'keys of imports', moves: null, why: 'a slot is in one move at a time' },
  { record: 'END', what: 'nothing', moves: null, why: 'it ends a snapshot' },
];
