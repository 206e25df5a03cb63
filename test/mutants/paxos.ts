import type { Mutant } from './mutant.ts';

const EXHAUSTIVE = ['test/paxos/exhaustive.test.ts'];
const SIMULATION = ['test/sim/paxos/paxos-sim.test.ts'];

const VOTERS = ['test/topology/voters.test.ts'];
const REGISTER = ['test/sim/node/register.test.ts'];

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
    find: '      this.refuse(from, known, ballot);\n      return;\n    }\n    this.keep(role, { instance, promised: ballot, accepted: { ballot, value } });',
    put: '    }\n    this.keep(role, { instance, promised: known === null || compareBallots(ballot, known.promised) > 0 ? ballot : known.promised, accepted: { ballot, value } });',
    tests: EXHAUSTIVE,
  },
  {
    rule: 'what may be chosen already is proposed on',
    file: 'src/paxos/proposer.ts',
    find: 'newest?.value ?? proposal.value',
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
    find: '    if (compareInstances(instance, nextInstance(newest.instance)) !== 0) {',
    put: '    if (compareInstances(instance, nextInstance(newest.instance)) > 0) {',
    tests: ['test/paxos/scenarios.test.ts'],
  },
  {
    rule: 'history 5: those alone vote that the value before names',
    file: 'src/paxos/paxos.ts',
    find: 'if (!config.votersOf(newest.value).includes(config.self)) return false;',
    put: '',
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
    rule: 'who has accepted a recovery is bound to it: it may be decided',
    file: 'src/paxos/survivor.ts',
    find: 'if (!this.isSilent(nowMs) || acceptor.hasAcceptedBeyond(generation)) return false;',
    put: 'if (!this.isSilent(nowMs)) return false;',
    tests: ['test/paxos/paxos.test.ts'],
  },
  {
    rule: 'who votes as before a recovery never takes part in it again',
    file: 'src/paxos/acceptor.ts',
    find: 'return generation <= this.state.barred;',
    put: 'return generation < 0;',
    tests: ['test/paxos/scenarios.test.ts'],
  },
  {
    rule: 'what was voted before a recovery is not forgotten',
    file: 'src/paxos/acceptor.ts',
    find: 'this.state = { ...this.state, [role]: next };',
    put: "this.state = { ...this.state, [role]: next, ...(role === 'recovery' ? { vote: null } : {}) };",
    tests: SIMULATION,
  },
  {
    rule: 'whoever is behind is handed what was decided',
    file: 'src/paxos/paxos.ts',
    find: 'if (compareInstances(message.newest, this.newest.instance) < 0) this.handOver(from);',
    put: '',
    tests: ['test/paxos/paxos.test.ts'],
  },
  {
    rule: 'history 21: a silent voter is replaced, and not dropped',
    file: 'src/topology/voters.ts',
    find: "  if (next.length < voters.length && voters.length <= voterCount(stayingOf(nodes).length))\n    return 'a voter is replaced, and not dropped: the number falls when nodes leave';\n",
    put: '',
    tests: VOTERS,
  },
  {
    rule: 'history 5: the number of voters is never even',
    file: 'src/topology/voters.ts',
    find: 'next.length % 2 === 0 || ',
    put: '',
    tests: VOTERS,
  },
  {
    rule: 'history 5: voters are replaced one by one',
    file: 'src/topology/voters.ts',
    find: "  if (!isStep || gone.length > 2 || (gone.length > 1 && added.length > 0))\n    return 'one voter is replaced at a time, or two come or go';\n",
    put: '',
    tests: VOTERS,
  },
  {
    rule: 'a node that lost its disk does not vote as its old self',
    file: 'src/topology/node-change.ts',
    find: 'current.voters.map((voter) => (voter === old ? id : voter))',
    put: 'current.voters',
    tests: ['test/topology/decision.test.ts'],
  },
  {
    rule: 'after a recovery the logs say who owns a slot',
    file: 'src/topology/log-correction.ts',
    find: 'return lostMove(topology, shard, log) ?? lostOwner(topology, shard, log);',
    put: 'return lostMove(topology, shard, log);',
    tests: ['test/sim/node/recovery.test.ts'],
  },
  {
    rule: 'a move whose epoch was lost comes to its end',
    file: 'src/topology/log-correction.ts',
    find: 'return lostMove(topology, shard, log) ?? lostOwner(topology, shard, log);',
    put: 'return lostOwner(topology, shard, log);',
    tests: ['test/sim/node/recovery.test.ts'],
  },
  {
    rule: 'history 1: a cluster is founded by all of its seeds',
    file: 'src/topology/founding.ts',
    find: "      if (found?.state.phase !== 'unfounded') return null;",
    put: "      if (found?.state.phase !== 'unfounded') continue;",
    tests: ['test/sim/node/founding.test.ts'],
  },
  {
    rule: 'a request over the admin port is taken once',
    file: 'src/node-topology.ts',
    find: "    if (requests.has(id)) return { kind: 'refused', reason: 'the request was made before' };\n",
    put: '',
    tests: REGISTER,
  },
  {
    rule: 'a change that lost the race is not made of a topology that its operator has not seen',
    file: 'src/topology/decision.ts',
    find: 'if (isOld && retry !== true) return movedOn(on, current);',
    put: '',
    tests: ['test/topology/decision.test.ts'],
  },
  {
    rule: 'what was promised is kept over a start of the node',
    file: 'src/topology/acceptor-file.ts',
    find: 'node === self ? state : null',
    put: 'null',
    tests: ['test/topology/acceptor-file.test.ts'],
  },
];
