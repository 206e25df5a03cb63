/** `npm run damage -- --flips N --seed S`: bits flipped, files truncated, zeroed and deleted in data directories of nodes. */
import { parseArgs } from 'node:util';
import { SeededRandom } from '../../src/env/sim/random.ts';
import { flipIn, otherIn } from './damage.ts';
import { Trial, type Outcome } from './trial.ts';

const PER_DIRECTORY = 250;

const { values } = parseArgs({
  options: { flips: { type: 'string', default: '2000' }, seed: { type: 'string', default: '1' } },
});
const total = Number(values.flips);
const counts = new Map<string, number>();
let failures = 0;
let done = 0;
for (let seed = Number(values.seed); done < total; seed++) {
  const random = new SeededRandom(seed);
  const stop = seed % 4 < 2 ? 'clean' : 'kill';
  const trial = await Trial.begin(stop, seed);
  for (let i = 0; i < PER_DIRECTORY && done < total; i++, done++) {
    // A third of all are other damages.
    const damage = i % 3 < 2 ? flipIn(trial.files, random) : otherIn(trial.files, random);
    let outcome: Outcome | 'BROKEN';
    try {
      outcome = await trial.run(damage);
    } catch (error) {
      outcome = 'BROKEN';
      failures += 1;
      process.stdout.write(`seed ${seed}: ${(error as Error).message.slice(0, 2000)}\n`);
    }
    const name = `${stop} ${damage.kind} ${outcome}`;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  await trial.end();
}
for (const [name, count] of [...counts].sort(([a], [b]) => a.localeCompare(b)))
  process.stdout.write(`${name}: ${count}\n`);
process.stdout.write(`${done} damages, ${failures} broke the promise\n`);
process.exitCode = failures > 0 ? 1 : 0;
