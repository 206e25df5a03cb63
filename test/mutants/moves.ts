import type { Mutant } from './mutant.ts';

const SIM = ['test/sim/moves/moves-sim.test.ts'];
const SCENARIOS = ['test/shard/moves/scenarios.test.ts'];
const MOVES = 'src/shard/moves/moves.ts';
const IMPORTS = 'src/shard/moves/imports.ts';
const MACHINE = 'src/shard/state-machine.ts';

/** Moves of slots (design, section 8). */
export const MOVE_MUTANTS: readonly Mutant[] = [
  {
    rule: 'history 2: a move that has ended does nothing, for ever',
    file: MOVES,
    find: '    if (move > slots.endedMove(slot)) return 0;',
    put: '    if (move !== slots.endedMove(slot)) return 0;',
    tests: SCENARIOS,
  },
  {
    rule: 'history 2: an abort before the import bars it',
    file: MOVES,
    find: '    if (!isStaged && slots.move(slot) !== 0) return NOT_NOW;',
    put: '    if (!isStaged) return NOT_NOW;',
    tests: SCENARIOS,
  },
  {
    rule: 'an activation that does not fit is the abort',
    file: MOVES,
    find: '    if (!imports.matches(slot, move, proof)) return this.importAbort(slot, move);\n',
    put: '',
    tests: SIM,
  },
  {
    rule: 'the tail is there, to the last byte',
    file: IMPORTS,
    find: '      one.effectsEnd === proof.effectsEnd &&\n',
    put: '',
    tests: ['test/shard/moves/moves.test.ts'],
  },
  {
    rule: 'a slot goes only once it is frozen',
    file: MOVES,
    find: '    if (slots.move(slot) !== move || slots.state(slot) !== FROZEN) return NOT_NOW;',
    put: '    if (slots.move(slot) !== move) return NOT_NOW;',
    tests: ['test/shard/moves/moves.test.ts'],
  },
  {
    rule: 'commands on a slot that is not owned are refused where they would run',
    file: MACHINE,
    find: '    if (this.slotStates[slot] !== OWNED) {\n      waiter?.refuse(this.refusalOfSlot(slot));\n      return;\n    }\n    const sequence',
    put: '    const sequence',
    tests: SIM,
  },
  {
    rule: 'a command on several slots needs all of them',
    file: MACHINE,
    find: '      if (this.slotStates[slot] !== OWNED) return this.refusalOfSlot(slot);\n',
    put: '',
    tests: SIM,
  },
  {
    rule: 'what is fenced stays as it is: nothing is removed from it',
    file: MACHINE,
    find: '    if (this.slotStates[slot] !== OWNED) return;\n',
    put: '',
    tests: ['test/shard/moves/moves.test.ts'],
  },
  {
    rule: 'history 6: rows and floors go with the slot',
    file: MOVES,
    find: '    host.takeSessions(slot, imports);\n',
    put: '',
    tests: SCENARIOS,
  },
  {
    rule: 'history 6: what runs while the slot is exported leaves its row at the target',
    file: IMPORTS,
    find: '        this.redoRow(slot, bytes, at);\n',
    put: '',
    tests: SCENARIOS,
  },
  {
    rule: "history 11: keys of a staging area go by the source's time alone",
    file: IMPORTS,
    find: '    ready.at(time.timeMs, time.version, true);',
    put: '    ready.at(time.timeMs + 1e9, time.version, true);',
    tests: SIM,
  },
  {
    rule: 'history 11: a fence waits for transactions that are not decided',
    file: MOVES,
    find: '    if (this.undecided(slot)) {',
    put: '    if (slot < 0) {',
    tests: SCENARIOS,
  },
  {
    rule: "history 13: with the slot goes the source's time",
    file: MACHINE,
    find: '    this.timeMs = Math.max(this.timeMs, sourceTimeMs);\n',
    put: '',
    tests: SCENARIOS,
  },
  {
    rule: 'history 14: effects that the cut holds are not done again',
    file: IMPORTS,
    find: '    one.effectsEnd = end.effectsFrom;',
    put: '    one.effectsEnd = 0;',
    tests: SCENARIOS,
  },
  {
    rule: 'history 14: what comes twice does nothing',
    file: IMPORTS,
    find: '    const known = one.effectsEnd - offset;\n    if (known >= piece.length) return true;',
    put: '    const known = 0;',
    tests: SIM,
  },
  {
    rule: 'history 14: another leader of the source cuts anew',
    file: IMPORTS,
    find: '    const isNewer = term > one.cutTerm || (term === one.cutTerm && index > one.cutIndex);',
    put: '    const isNewer = one.cutTerm === 0;',
    tests: SCENARIOS,
  },
  {
    rule: 'history 14: older terms of the source are refused',
    file: IMPORTS,
    find: '    if (term < (this.terms.get(move) ?? 0)) return false;\n',
    put: '',
    tests: SCENARIOS,
  },
  {
    rule: 'effects beyond what may be kept are made good by another cut',
    file: 'src/shard/moves/feed.ts',
    find: '    if (sent < exports.keptFrom(slot)) {',
    put: '    if (sent < 0) {',
    tests: SCENARIOS,
  },
  {
    rule: 'history 19: versions at the target are above those that came',
    file: MACHINE,
    find: '    this.versionBase = Math.max(this.versionBase, sourceVersion - this.appliedIndex);\n',
    put: '',
    tests: SCENARIOS,
  },
  {
    rule: 'history 19: versions go with the keys, through effects too',
    file: 'src/shard/moves/effect-recorder.ts',
    find: '    by.version = version;\n',
    put: '',
    tests: SIM,
  },
  {
    rule: 'history 22: the target knows for ever how a move ended',
    file: MOVES,
    find: 'slots.end(slot, move, MoveOutcome.ABORTED, slots.state(slot) === OWNED ? OWNED : NONE);',
    put: 'slots.end(slot, move, MoveOutcome.WENT, slots.state(slot) === OWNED ? OWNED : NONE);',
    tests: SCENARIOS,
  },
  {
    rule: 'a flush is an effect',
    file: 'src/shard/moves/effect-recorder.ts',
    find: '    if (reply.buffer[0] !== SIMPLE_STRING) return;\n',
    put: '    if (reply.size > 0) return;\n',
    tests: SIM,
  },
  {
    rule: 'a flush waits while the owner of a slot is being decided',
    file: MACHINE,
    find: "    if (row.spread.by !== 'keys') return this.moves.frozenCount > 0 ? Refusal.FROZEN : 0;",
    put: "    if (row.spread.by !== 'keys') return 0;",
    tests: ['test/shard/moves/moves.test.ts'],
  },
  {
    rule: 'a replica made from a snapshot knows how long the effects are',
    file: 'src/shard/moves/exports.ts',
    find: '      one.end = readF64(image, at + 8);\n',
    put: '',
    tests: ['test/shard/state-hash.test.ts'],
  },
];
