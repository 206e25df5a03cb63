import { expect, it } from 'vitest';

import { loadTokenHash } from '../../../../ring/index.ts';
import { SeededRandom } from '../../../../src/env/sim/random.ts';
import { Client } from './client.ts';
import { Commands } from './commands.ts';
import { drawPlan } from './plan.ts';
import { Recorder } from './recorder.ts';
import { World } from './world.ts';

const CLIENTS = 8;
const COMMANDS = 60;

it('who is told to ask for all is answered all, whichever port it speaks to', async () => {
  await loadTokenHash();
  const random = new SeededRandom(5);
  const plan = drawPlan(random, random, { nodes: 3, hasLarge: false, evictsAll: false });
  const world = new World(5, { ...plan, load: { ...plan.load, databases: [0] } }, null);
  for (const victim of world.victims) world.start(victim);
  while (!world.victims.every(({ isReady }) => isReady)) await world.pass(100);
  for (let number = 0; number < CLIENTS; number++) {
    const commands = new Commands(new SeededRandom(number), world.plan.load);
    const recorder = new Recorder(world.scheduler);
    const client = new Client(world, number, commands, recorder, new SeededRandom(number));
    for (let epoch = 0; epoch < COMMANDS; epoch++) commands.next(epoch);
    const asked = commands.audit();
    expect(asked.length).toBeGreaterThan(COMMANDS);
    // Where slots are it has to be told first.
    expect(await client.askAll(asked, 20)).toEqual([]);
    expect([number, recorder.answeredCount]).toEqual([number, asked.length]);
  }
  expect(world.failure).toBeNull();
  world.end();
});
