import type { Mutant } from './mutant.ts';

const SURVEY = 'src/cli/cluster-survey.ts';
const TAKERS = 'src/topology/takers.ts';
const ROOM = 'src/server/room.ts';

/** What an operator is refused or told, and by what a plan is judged. */
export const OPERATOR_MUTANTS: readonly Mutant[] = [
  {
    rule: 'slots go to no shard of which a member is away',
    file: TAKERS,
    find: '[home, ...members].find((node) => !isReached(node))',
    put: '[home].find((node) => !isReached(node))',
    tests: ['test/topology/takers.test.ts'],
  },
  {
    rule: 'a member that leaves holds up no move',
    file: TAKERS,
    find: 'replicas.filter(({ leaving }) => leaving !== true)',
    put: 'replicas.filter(({ leaving }) => leaving !== undefined || true)',
    tests: ['test/topology/takers.test.ts'],
  },
  {
    rule: 'a node whose slots would wait for one that is away does not begin to leave',
    file: SURVEY,
    find: '  if (taker !== null)\n',
    put: '  if (taker === undefined)\n',
    tests: ['test/cli/cluster-survey.test.ts'],
  },
  {
    rule: 'nor one whose replicas could only go there',
    file: SURVEY,
    find: '    if (away !== undefined)\n',
    put: '    if (away === null)\n',
    tests: ['test/cli/cluster-survey.test.ts'],
  },
  {
    rule: 'the time in which a plan is paused counts for nothing',
    file: 'src/topology/rebalance.ts',
    find: 'untilMs - beganMs - pausedMs',
    put: 'untilMs - beganMs - pausedMs * 0',
    tests: ['test/topology/rebalance-change.test.ts', 'test/cli/rebalance.test.ts'],
  },
  {
    rule: 'a plan that began while all were paused was paused since then',
    file: 'src/topology/rebalance-change.ts',
    find: 'Math.max(pausedAtMs, plan.beganMs)',
    put: 'pausedAtMs',
    tests: ['test/topology/rebalance-change.test.ts'],
  },
  {
    rule: 'what survivors are given leaves a part of their memory and disk',
    file: ROOM,
    find: 'const MOST_USED = 0.85;',
    put: 'const MOST_USED = 1;',
    tests: ['test/server/room.test.ts'],
  },
  {
    rule: 'a disk that does not say how full it is gets nothing',
    file: ROOM,
    find: '      this.diskBytes = 0;\n',
    put: '',
    tests: ['test/server/room.test.ts'],
  },
];
