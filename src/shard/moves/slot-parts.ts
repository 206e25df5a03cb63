/**
 * Everything of a shard's state, and whether it goes along when a slot moves: one list, which a test holds complete against what a snapshot of the
 * state holds and what its hash covers, field by field. Who adds to the state adds it here first, and then to the cut (`feed.ts`), to the effects
 * (`effect.ts`), or to `Activate`. The simulation of moves compares what came with what was there.
 */
export interface StatePart {
  /** By its record in snapshots (state-snapshot.ts). */
  record: string;
  what: string;
  /** Of the classes that hold it, as the list of what the hash covers names them. */
  fields: readonly string[];
  /** How it reaches the target; null: it stays, and `why`. */
  moves: 'cut and effects' | 'activate' | null;
  why?: string;
}

export const STATE_PARTS: readonly StatePart[] = [
  {
    record: 'KEYS',
    what: 'values with type and encoding',
    fields: [
      'machine.keyspace',
      'key.DATABASE',
      'key.TYPE',
      'key.ENCODING',
      'key.SLOT',
      'key.KEY_LENGTH',
      'key.VALUE_LENGTH',
    ],
    moves: 'cut and effects',
  },
  { record: 'KEYS', what: 'absolute expiry', fields: ['key.EXPIRY'], moves: 'cut and effects' },
  {
    record: 'KEYS',
    what: 'versions, for WATCH and for removals',
    fields: ['key.VERSION'],
    moves: 'cut and effects',
  },
  {
    record: 'SESSIONS',
    what: 'rows with their replies',
    fields: [
      'machine.sessions',
      'sessions.sessions',
      'sessions.rows',
      'session.node',
      'session.start',
      'session.lists',
      'rows.kinds',
      'rows.numbers',
      'rows.blobs',
      'rows.words',
    ],
    moves: 'cut and effects',
  },
  { record: 'SESSIONS', what: 'floors', fields: ['session.floors'], moves: 'cut and effects' },
  {
    record: 'SESSIONS',
    what: "each node's highest ended start",
    fields: ['sessions.ended'],
    moves: 'activate',
  },
  { record: 'HEAD', what: 'log time', fields: ['machine.timeMs'], moves: 'activate' },
  {
    record: 'HEAD',
    what: 'the base of versions',
    fields: ['machine.versionBase', 'machine.appliedIndex', 'machine.appliedTerm'],
    moves: 'activate',
  },
  { record: 'SLOTS', what: 'the slot epoch', fields: ['slots.epochs'], moves: 'activate' },
  {
    record: 'HEAD',
    what: 'version of the rules',
    fields: ['machine.rules'],
    moves: null,
    why: "each group's log says it; an effect names its own",
  },
  {
    record: 'HEAD',
    what: 'memory policy',
    fields: [
      'machine.policy',
      'policy.budgetBytes',
      'policy.eviction',
      'policy.limits',
      'limits.hashMaxListpackEntries',
      'limits.hashMaxListpackValueBytes',
    ],
    moves: null,
    why: "the group's; an effect names the limits that it ran by",
  },
  {
    record: 'SLOTS',
    what: 'state, move, highest ended move',
    fields: [
      'machine.moves',
      'moves.slots',
      'slots.states',
      'slots.isFounded',
      'slots.closedBy',
      'slots.moves',
      'slots.peers',
      'slots.ended',
      'slots.outcomes',
    ],
    moves: null,
    why: "each log's own word on the slot",
  },
  {
    record: 'SLOTS',
    what: 'length and sum of effects',
    fields: ['moves.exports', 'exports.slots', 'export.end', 'export.sum', 'export.isFencePending'],
    moves: null,
    why: 'of the export; Activate is checked against it',
  },
  {
    record: 'STAGED',
    what: 'a large command in parts',
    fields: ['machine.staged', 'staged.term', 'staged.bytes', 'staged.filledBytes'],
    moves: null,
    why: 'it runs before the fence, or is refused',
  },
  {
    record: 'IMPORTS',
    what: 'how far imports are',
    fields: [
      'moves.imports',
      'imports.slots',
      'imports.terms',
      'import.slot',
      'import.move',
      'import.cutTerm',
      'import.cutIndex',
      'import.isCut',
      'import.cutBytes',
      'import.cutSum',
      'import.effectsEnd',
      'import.effectsSum',
      'import.sessionBytes',
      'import.load',
      'import.tail',
      'import.tailBytes',
    ],
    moves: null,
    why: 'a slot is in one move at a time',
  },
  {
    record: 'STAGED_SESSIONS',
    what: 'sessions of imports',
    fields: ['imports.sessions'],
    moves: null,
    why: 'a slot is in one move at a time',
  },
  {
    record: 'LOADING_KEYS',
    what: 'keys of cuts that come in',
    fields: ['imports.loading'],
    moves: null,
    why: 'a slot is in one move at a time',
  },
  {
    record: 'READY_KEYS',
    what: 'keys of imports',
    fields: ['imports.ready'],
    moves: null,
    why: 'a slot is in one move at a time',
  },
  { record: 'END', what: 'nothing', fields: [], moves: null, why: 'it ends a snapshot' },
];
