/** Every replica applies the same commands at its own pace, with an access clock of its own: the replies and the keys are the same. */
import { expect, test } from 'vitest';

import { Generator } from '../differential/generator.ts';
import { CommandRunner } from './command-runner.ts';

const COMMANDS = 5000;

test.each([false, true])('replicas agree, lfu %s', (lfu) => {
  const leader = new CommandRunner();
  const follower = new CommandRunner();
  leader.context.lfu = lfu;
  follower.context.lfu = lfu;
  leader.context.monotonicMs = 1e6;
  const generator = new Generator(7);
  for (let i = 0; i < COMMANDS; i++) {
    const words = generator.next();
    if (/^(?:object|select)$/i.test(String(words[0]))) continue;
    leader.context.monotonicMs += i;
    leader.timeMs += 7;
    follower.timeMs = leader.timeMs;
    expect([words, follower.run(...words)]).toEqual([words, leader.run(...words)]);
  }
  for (const key of ['{t}a', '{t}b', '{t}c', '{t}d', '{t}e', '{t}f', '{t}']) {
    for (const command of ['get', 'hgetall', 'pexpiretime']) {
      expect(follower.run(command, key)).toBe(leader.run(command, key));
    }
  }
});
