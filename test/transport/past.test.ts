import { expect, it } from 'vitest';

import { PastSeen, type Past } from '../../src/transport/past.ts';

const FIRST: Past = { start: 3, life: 1, logBorn: 1, logEnd: 500 };

function seen(): PastSeen {
  const past = new PastSeen();
  past.met(FIRST);
  past.heard(900);
  return past;
}

it('a node is itself as long as it runs, and when it starts again with all that it had synced', () => {
  expect(new PastSeen().problemOf(FIRST)).toBeNull();
  expect(seen().problemOf(FIRST)).toBeNull();
  expect(seen().problemOf({ ...FIRST, start: 4, life: 2, logEnd: 900 })).toBeNull();
  expect(seen().problemOf({ ...FIRST, start: 9, life: 2, logEnd: 1200 })).toBeNull();
});

it('is an old copy with less', () => {
  expect(seen().problemOf({ ...FIRST, start: 4, life: 2, logEnd: 899 })).toContain(
    'its directory is an old copy',
  );
});

it('is one of two with a start that was met already, or an earlier one', () => {
  expect(seen().problemOf({ ...FIRST, life: 2 })).toContain('met in another process');
  expect(seen().problemOf({ ...FIRST, start: 2, life: 2 })).toContain('or this one is the copy');
  const twice = seen();
  twice.met({ ...FIRST, start: 4, life: 2, logEnd: 900 });
  // The one that ran before, should it run still.
  expect(twice.problemOf(FIRST)).toContain('start 4 was met');
});

it('may begin a log anew, as after it was replaced while it was away', () => {
  expect(seen().problemOf({ start: 4, life: 2, logBorn: 4, logEnd: 0 })).toBeNull();
  const anew = seen();
  anew.met({ start: 4, life: 2, logBorn: 4, logEnd: 0 });
  anew.heard(50);
  expect(anew.problemOf({ start: 5, life: 3, logBorn: 4, logEnd: 40 })).toContain('old copy');
  expect(anew.problemOf({ start: 5, life: 3, logBorn: 4, logEnd: 50 })).toBeNull();
});
