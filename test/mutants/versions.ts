import type { Mutant } from './mutant.ts';

const WHOLE = ['test/sim/node/versions.test.ts'];
const RULES = ['test/raft/rules.test.ts'];

/** Two versions at once (design, sections 5 and 6; history 10 b). */
export const VERSION_MUTANTS: readonly Mutant[] = [
  {
    rule: 'history 10: an entry is applied by the rules that it names, not by those of the build',
    file: 'src/shard/state-machine.ts',
    find: 'this.commands = known.at(this.rules);',
    put: 'this.commands = known.at(known.newest);',
    tests: WHOLE,
  },
  {
    rule: 'history 10: what a new version replicates differently waits for the cluster version',
    file: 'src/shard/replica-factory.ts',
    find: 'least: () => Math.max(machine.rules, deps.clusterVersion()),',
    put: 'least: () => deps.rules.newest,',
    tests: WHOLE,
  },
  {
    rule: 'history 10: the version of the rules is state, and in snapshots',
    file: 'src/shard/state-snapshot.ts',
    find: 'if (body[0] >= FORMAT) this.machine.setRules(rules);',
    put: '',
    tests: ['test/shard/rules.test.ts'],
  },
  {
    rule: 'the versions of the rules never fall along a log',
    file: 'src/raft/state.ts',
    find: 'return Math.max(this.log.rules, this.config.rules.least());',
    put: 'return this.config.rules.least();',
    tests: RULES,
  },
  {
    rule: 'an entry of rules that are not known here is not taken in',
    file: 'src/raft/log.ts',
    find: "if (rules > this.newestRules) throw new NewerVersionError('an entry of the log', rules, this.newestRules);",
    put: '',
    tests: RULES,
  },
  {
    rule: 'the cluster version reaches a group that nobody writes to',
    file: 'src/shard/replica.ts',
    find: '    this.raiseRules(now);\n',
    put: '',
    tests: ['test/shard/rules.test.ts'],
  },
  {
    rule: 'the cluster version is not raised while a node of an older build may be there',
    file: 'src/topology/agreement.ts',
    find: 'this.host.problemOf(proposed) ?? topologyAfter(current, proposed)',
    put: 'topologyAfter(current, proposed)',
    tests: WHOLE,
  },
  {
    rule: 'an older build does not start once the version is raised',
    file: 'src/topology/cluster-version.ts',
    find: "    if (version > this.build.newest) throw new NewerVersionError('the topology', version, this.build.newest);\n",
    put: '',
    tests: WHOLE,
  },
  {
    rule: 'versions that the cluster has left behind are not spoken',
    file: 'src/topology/cluster-version.ts',
    find: 'versionMin: Math.max(oldestPeer, this.current)',
    put: 'versionMin: oldestPeer',
    tests: ['test/topology/cluster-version.test.ts'],
  },
];
