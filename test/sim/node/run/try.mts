import { runSeed } from './run.ts';
const from = Number(process.argv[2] ?? 1), n = Number(process.argv[3] ?? 1);
const show = process.argv[4] === 'v';
for (let seed = from; seed < from + n; seed++) {
  const t = performance.now();
  const r = await runSeed(seed, show ? { told: (l) => console.log(l) } : {});
  console.log(seed, r.failure?.slice(0,1500) ?? 'ok', 'v', (r.virtualMs/1000).toFixed(1), 'cmds', r.commands, r.answered, 'faults', r.counters.faultsStruck, 'lines', r.lines, r.digest, ((performance.now()-t)/1000).toFixed(2)+'s', r.plan.nodes, r.plan.durability);
}
