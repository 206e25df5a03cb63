import type { Mutant } from './mutant.ts';

const WALK = ['test/topology/configuration-walk.test.ts'];
const FOUNDING = ['test/topology/founding.test.ts'];

/** Nodes come, go and are replaced: rows of the register, and the groups that go by them (design, section 6; histories 1, 3, 5, 17 and 18). */
export const NODE_MUTANTS: readonly Mutant[] = [
  {
    rule: 'history 1: every seed has prepared before one founds',
    file: 'src/topology/founding.ts',
    find: 'const allPrepared = cluster.nodes.every((entry)',
    put: 'const allPrepared = cluster.nodes.some((entry)',
    tests: FOUNDING,
  },
  {
    rule: 'history 1: a node that lost its disk is not the one that a founding counted on',
    file: 'src/topology/founding.ts',
    find: '(own === null || own.id === cluster.id) && cluster.nodes.some(({ id }) => id === this.current.node)',
    put: '(own === null || own.id === cluster.id) && cluster.nodes.length > 0',
    tests: FOUNDING,
  },
  {
    rule: 'history 3: who is not of the first configuration opens empty, whatever the row says by now',
    file: 'src/shard/replica-factory.ts',
    find: 'firstMembership({ first }: ShardEntry, self: MemberId): Membership {',
    put: 'firstMembership({ replicas }: ShardEntry, self: MemberId): Membership {\n  const first = replicas.map(({ member }) => member);',
    tests: ['test/topology/scenarios.test.ts'],
    simulated: 'nodes',
  },
  {
    rule: 'history 3: a member that leaves stays in its row until the log has dropped it',
    file: 'src/topology/configuration-walk.ts',
    find: 'leaving === true && !isNamed(member)',
    put: 'leaving === true && (member < 0 || !isNamed(-1))',
    tests: WALK,
    simulated: 'nodes',
  },
  {
    rule: 'history 3: who is named by its row is opened again, though it leaves',
    file: 'src/node-replicas.ts',
    find: 'if (found !== undefined || shard.first',
    put: 'if (own.leaving !== true || shard.first.length < 0) if (found !== undefined || shard.first',
    tests: ['test/sim/node/membership.test.ts'],
    simulated: 'nodes',
  },
  {
    rule: 'history 3: voters are replaced one by one',
    file: 'src/topology/configuration-walk.ts',
    find: 'if (going !== undefined) return promote(voters, learners, [ready[0]], [going]);',
    put: 'if (going !== undefined) return promote(voters, learners, ready, others);',
    tests: WALK,
  },
  {
    rule: 'history 3: who enters has caught up first',
    file: 'src/topology/configuration-walk.ts',
    find: 'const ready = learners.filter(hasCaughtUp);',
    put: 'const ready = learners.filter((member) => member > 0 || hasCaughtUp(member));',
    tests: WALK,
  },
  {
    rule: 'history 3: nobody is replaced by one without whom there is no majority',
    file: 'src/topology/configuration-walk.ts',
    find: 'return living.length * 2 > voters.length ? step : WAIT;',
    put: 'return living.length > 0 ? step : WAIT;',
    tests: WALK,
  },
  {
    rule: 'history 17: files go only once the topology that does not name their member is synced',
    file: 'src/topology/register.ts',
    find: '    await this.disk.replaceFile(this.path, bytes);\n    this.current = newest;\n',
    put: '    this.current = newest;\n    for (const listener of this.listeners) listener(newest);\n    await this.disk.replaceFile(this.path, bytes);\n',
    tests: ['test/topology/register.test.ts'],
  },
  {
    rule: 'history 17: what recovery finds of another member is not taken for the own',
    file: 'src/node-replicas.ts',
    find: 'return member === 0 ? row.first.includes(own.member) : own.member === member;',
    put: 'return member >= 0;',
    tests: ['test/topology/scenarios.test.ts'],
    simulated: 'nodes',
  },
  {
    rule: 'history 17: a member leaves its row only once most voters know that it is leaving',
    file: 'src/server/configuration-walker.ts',
    find: 'if (votersOld.length > 0 || knowing.length * 2 <= voters.length) return true;',
    put: 'if (votersOld.length > 0 && knowing.length < 0) return true;',
    tests: ['test/server/configuration-walker.test.ts'],
  },
  {
    rule: 'history 17: and once it is certain that no other has led meanwhile',
    file: 'src/server/configuration-walker.ts',
    find: '    replica.confirmLeadership(note, now);\n',
    put: '    if (now.monotonicMs >= 0) note();\n',
    tests: ['test/server/configuration-walker.test.ts'],
  },
  {
    rule: 'history 5: members change by what most voters of the register have synced',
    file: 'src/server/configuration-walker.ts',
    find: 'if (this.spread.isKept(topology) && !this.spread.isBehind) this.take',
    put: 'this.take',
    tests: ['test/server/configuration-walker.test.ts'],
  },
  {
    rule: 'history 5: nothing is built on an epoch before most voters have synced it',
    file: 'src/server/topology-spread.ts',
    find: 'return holding * 2 > voters.length;',
    put: 'return holding > 0;',
    simulated: 'nodes',
  },
  {
    rule: 'history 18: a higher generation is newer, whatever its epoch',
    file: 'src/topology/register.ts',
    find: 'return one.generation !== other.generation ? one.generation > other.generation : one.epoch > other.epoch;',
    put: 'return one.epoch > other.epoch;',
    tests: ['test/topology/register.test.ts'],
  },
];
