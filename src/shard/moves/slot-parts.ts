/**
 * Everything of a shard's state, whether it goes along when a slot moves, and what the successor of a lost shard makes of it that is rewound: one list,
 * which a test holds complete against what a snapshot of the state holds and what its hash covers, field by field. Who adds to the state adds it here
 * first, and then to the cut (`feed.ts`), to the effects (`effect.ts`), or to `Activate`, and to `successor-state.ts`. The simulation of moves compares
 * what came with what was there.
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
  /** Of a successor (successor-state.ts): its slots' alone, all as it was, raised above that, or as in any new group. */
  successor: 'its slots' | 'kept' | 'raised' | 'anew';
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
    successor: 'its slots',
  },
  {
    record: 'KEYS',
    what: 'absolute expiry',
    fields: ['key.EXPIRY'],
    moves: 'cut and effects',
    successor: 'its slots',
  },
  {
    record: 'KEYS',
    what: 'versions, for WATCH and for removals',
    fields: ['key.VERSION'],
    moves: 'cut and effects',
    successor: 'its slots',
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
    successor: 'its slots',
  },
  {
    record: 'SESSIONS',
    what: 'floors',
    fields: ['session.floors'],
    moves: 'cut and effects',
    successor: 'its slots',
  },
  {
    record: 'SESSIONS',
    what: "each node's highest ended start",
    fields: ['sessions.ended'],
    moves: 'activate',
    successor: 'kept',
  },
  { record: 'HEAD', what: 'log time', fields: ['machine.timeMs'], moves: 'activate', successor: 'kept' },
  {
    record: 'HEAD',
    what: 'the base of versions',
    fields: ['machine.versionBase', 'machine.appliedIndex', 'machine.appliedTerm'],
    moves: 'activate',
    successor: 'raised',
  },
  {
    record: 'SLOTS',
    what: 'the slot epoch',
    fields: ['slots.epochs'],
    moves: 'activate',
    successor: 'raised',
  },
  {
    record: 'HEAD',
    what: 'version of the rules',
    fields: ['machine.rules'],
    moves: null,
    why: "each group's log says it; an effect names its own",
    successor: 'kept',
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
    successor: 'kept',
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
    successor: 'anew',
  },
  {
    record: 'SLOTS',
    what: 'length and sum of effects',
    fields: ['moves.exports', 'exports.slots', 'export.end', 'export.sum', 'export.isFencePending'],
    moves: null,
    why: 'of the export; Activate is checked against it',
    successor: 'anew',
  },
  {
    record: 'STAGED',
    what: 'a large command in parts',
    fields: ['machine.staged', 'staged.term', 'staged.bytes', 'staged.filledBytes'],
    moves: null,
    why: 'it runs before the fence, or is refused',
    successor: 'anew',
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
      'import.sessionParts',
      'import.sessionPartsBytes',
      'import.load',
      'import.tail',
      'import.tailBytes',
    ],
    moves: null,
    why: 'a slot is in one move at a time',
    successor: 'anew',
  },
  {
    record: 'STAGED_SESSIONS',
    what: 'sessions of imports',
    fields: ['imports.sessions'],
    moves: null,
    why: 'a slot is in one move at a time',
    successor: 'anew',
  },
  {
    record: 'LOADING_KEYS',
    what: 'keys of cuts that come in',
    fields: ['imports.loading'],
    moves: null,
    why: 'a slot is in one move at a time',
    successor: 'anew',
  },
  {
    record: 'READY_KEYS',
    what: 'keys of imports',
    fields: ['imports.ready'],
    moves: null,
    why: 'a slot is in one move at a time',
    successor: 'anew',
  },
  { record: 'END', what: 'nothing', fields: [], moves: null, why: 'it ends a snapshot', successor: 'kept' },
];
