import { explore } from '../../paxos/explorer.ts';
import { replayCommand, runSeed } from './run.ts';

const SMALL = { acceptors: ['a', 'b', 'c'], proposers: ['p', 'q'] };
/** Crashes of several processes and slow disks together; a minute in all. */
const INSTANCES = [
  { crashing: ['a', 'b', 'c', 'p', 'q'], slow: [], rounds: 1 },
  { crashing: ['a', 'p'], slow: ['a'], rounds: 1 },
  { crashing: [], slow: [], rounds: 2 },
];

/** `npm run sim -- --paxos`. True when all invariants held. */
export function checkRegister(
  from: number,
  count: number,
  isExhaustive: boolean,
  isFirstEnough: boolean,
): boolean {
  if (isExhaustive) return exploreAll();
  const totals = new Map<string, number>();
  let failures = 0;
  let events = 0;
  for (let seed = from; seed < from + count; seed++) {
    const result = runSeed(seed, count === 1 ? (line) => console.log(line) : null);
    events += result.events;
    for (const [name, value] of result.coverage) totals.set(name, (totals.get(name) ?? 0) + value);
    if (result.failure === null) continue;
    failures++;
    console.log(`seed ${seed}: ${result.failure}\nreplay: ${replayCommand(seed)}`);
    if (isFirstEnough) break;
  }
  console.log([...totals].map(([name, value]) => `${name} ${value}`).join(', '));
  console.log(`${count} seeds from ${from}: ${failures} failed, ${events} events`);
  return failures === 0;
}

function exploreAll(): boolean {
  for (const instance of INSTANCES) {
    const { crashing, slow, rounds } = instance;
    const what = `crashes of ${crashing.join(' ') || 'none'}, slow: ${slow.join(' ') || 'none'}, ${rounds} ballots each`;
    try {
      const { states, chosen } = explore({ ...SMALL, ...instance });
      console.log(`${what}: ${states} states, one value in each; chosen: ${[...chosen].join(' ')}`);
    } catch (error) {
      console.log(`${what}: ${error instanceof Error ? error.message : String(error)}`);
      return false;
    }
  }
  return true;
}
