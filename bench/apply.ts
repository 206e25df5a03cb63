/** What one replica's apply costs per command, alone in a process: `npx tsx bench/apply.ts [commands an entry]`. */
import { RULES } from '../src/commands/table.ts';
import { sealEntry } from '../src/raft/entry.ts';
import { Args } from '../src/resp/args.ts';
import { compiledRules } from '../src/server/compiled-command.ts';
import { Batch, sessionId } from '../src/shard/batch.ts';
import { ItemArena } from '../src/shard/command-item.ts';
import { StateMachine } from '../src/shard/state-machine.ts';
import { createKeyspace } from '../src/store/keyspace.ts';
import { createSlabPool } from '../src/store/slab-pool.ts';
import { slotOf } from '../ring/index.ts';

const KEYS = 100_000;
const VALUE_BYTES = 100;
const COMMANDS_PER_ENTRY = Number(process.argv[2] ?? 20);
const ENTRIES = 50_000 / COMMANDS_PER_ENTRY;
const ROUNDS = 8;

const limits = { hashMaxListpackEntries: 512, hashMaxListpackValueBytes: 64 };
const machine = new StateMachine(
  createKeyspace({ slabs: createSlabPool(), limits }),
  compiledRules(RULES),
  { budgetBytes: 0, eviction: 'noeviction', limits },
  limits,
  () => 16383,
);
const session = sessionId('ab'.repeat(20), 1);
const arena = new ItemArena();
const batch = new Batch();
const next = new Float64Array(16384).fill(1);
let index = 0;

function makeEntry(): ReturnType<typeof sealEntry> {
  for (let i = 0; i < COMMANDS_PER_ENTRY; i++) {
    const key = `key:${String(Math.floor(Math.random() * KEYS)).padStart(12, '0')}`;
    const bytes = Buffer.from(`SET${key}${'x'.repeat(VALUE_BYTES)}`);
    const args = new Args();
    args.bytes = bytes;
    args.push(0, 3);
    args.push(3, 19);
    args.push(19, 119);
    const slot = slotOf(bytes, 3, 19);
    const sequence = next[slot]++;
    arena.command(args, 0, slot, false, sequence, sequence);
    batch.addCommand(
      { reply() {}, replyLong() {}, refuse() {} },
      session,
      arena.bytes,
      arena.start,
      arena.end,
    );
  }
  const { entry } = batch.seal(1, 1, Date.now());
  index += 1;
  return sealEntry(entry, 1, index);
}

for (let round = 0; round < ROUNDS; round++) {
  const entries = Array.from({ length: ENTRIES }, makeEntry);
  const cpu = process.cpuUsage();
  const startedMs = performance.now();
  for (const entry of entries) machine.apply(entry, null);
  const ns = ((performance.now() - startedMs) * 1e6) / (ENTRIES * COMMANDS_PER_ENTRY);
  const used = process.cpuUsage(cpu);
  console.log(
    `${ns.toFixed(0)} ns a command, CPU ${(((used.user + used.system) * 1e3) / (ENTRIES * COMMANDS_PER_ENTRY)).toFixed(0)} ns`,
  );
}
