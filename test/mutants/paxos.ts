import type { Mutant } from './mutant.ts';

const EXHAUSTIVE = ['test/paxos/exhaustive.test.ts'];
const SIMULATION = ['test/sim/paxos/paxos-sim.test.ts'];

/** The register (correctness.md 6; histories 1, 5, 18 and 21). */
export const PAXOS_MUTANTS: readonly Mutant[] = [
  {
    rule: 'history 5: a promise is synced before it is given',
    file: 'src/paxos/paxos.ts',
    find: "if (write !== null) this.effects.push({ kind: 'write', state: write });",
    put: 'if (write !== null) this.written();',
    tests: EXHAUSTIVE,
  },
  {
    rule: 'history 5: no ballot is used twice, since the start number is in it',
    file: 'src/paxos/proposer.ts',
    find: 'const ballot = { round: this.round, start, node: self };',
    put: 'const ballot = { round: this.round, start: Math.min(start, 1), node: self };',
    tests: EXHAUSTIVE,
  },
  {
    rule: 'nothing is accepted below a promise',
    file: 'src/paxos/acceptor.ts',
    find: '      this.refuse(from, instance, ballot, known.promised);\n      return;\n    }\n    this.keep({ instance, promised: ballot, accepted: { ballot, value } });',
    put: '    }\n    this.keep({ instance, promised: known === null || compareBallots(ballot, known.promised) > 0 ? ballot : known.promised, accepted: { ballot, value } });',
    tests: EXHAUSTIVE,
  },
  {
    rule: 'what may be chosen already is proposed on',
    file: 'src/paxos/proposer.ts',
    find: 'newestOf(attempt.promises.values())?.value ?? proposal.value',
    put: 'proposal.value',
    tests: EXHAUSTIVE,
  },
  {
    rule: 'of what was accepted the newest is proposed on',
    file: 'src/paxos/proposer.ts',
    find: 'compareBallots(accepted.ballot, newest.ballot) > 0) newest = accepted;',
    put: 'compareBallots(accepted.ballot, newest.ballot) < 0) newest = accepted;',
    tests: SIMULATION,
  },
  {
    rule: 'a majority of the voters has to accept',
    file: 'src/paxos/paxos.ts',
    find: 'const quorum = Math.floor(acceptors.length / 2) + 1;',
    put: 'const quorum = Math.max(1, Math.floor(acceptors.length / 2));',
    tests: SIMULATION,
  },
  {
    rule: 'history 1: who knows the instance decided votes on it no more',
    file: 'src/paxos/paxos.ts',
    find: '    if (!isAfter(instance, newest.instance, recovers)) {',
    put: '    if (compareInstances(instance, nextInstance(newest.instance)) > 0) {',
    tests: ['test/paxos/scenarios.test.ts'],
  },
  {
    rule: 'history 5: those alone vote that the value before names',
    file: 'src/paxos/paxos.ts',
    find: 'return config.votersOf(newest.value).includes(config.self);',
    put: 'return config.votersOf(newest.value).length > 0;',
    tests: ['test/paxos/paxos.test.ts'],
  },
  {
    rule: 'history 18: what survivors decide has another generation',
    file: 'src/paxos/ballot.ts',
    find: 'return { generation: Math.max(generation, promised) + 1, epoch: epoch + 1 };',
    put: 'return { generation: Math.max(generation, promised), epoch: epoch + 1 };',
    tests: ['test/paxos/scenarios.test.ts'],
  },
  {
    rule: 'whoever is behind is handed what was decided',
    file: 'src/paxos/paxos.ts',
    find: 'if (compareInstances(message.newest, this.newest.instance) < 0) this.handOver(from);',
    put: '',
    tests: ['test/paxos/paxos.test.ts'],
  },
];
