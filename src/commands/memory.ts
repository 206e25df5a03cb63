/** MEMORY, but for USAGE, which is a command on a key. */
import { documented } from './documented.ts';
import { bytesForPeople, quotient } from './info-numbers.ts';
import type { LocalContext } from './local-context.ts';
import { container, helpCommand, localCommand } from './local-row.ts';
import type { LocalCommand } from './types.ts';

/** Worth a word: the share of `maxmemory` in use, and of slab bytes that hold nothing. */
const NEARLY_FULL = 0.9;
const FRAGMENTED = 1.5;
const SMALL_BYTES = 5 * 1024 * 1024;

function stats({ reply, session, node }: LocalContext): void {
  const { memory, clients, databases } = node.figures(session.port);
  const keys = databases.reduce((sum, { keys }) => sum + keys, 0);
  const counts: [string, number][] = [
    ['peak.allocated', memory.peakBytes],
    ['total.allocated', memory.usedBytes],
    ['startup.allocated', 0],
    ['replication.backlog', memory.logBytes],
    ['clients.slaves', 0],
    ['clients.normal', clients.bufferBytes],
    ['overhead.total', clients.bufferBytes + memory.logBytes],
    ['keys.count', keys],
    ['keys.bytes-per-key', Math.floor(quotient(memory.usedBytes, keys))],
    ['dataset.bytes', memory.usedBytes],
    ['allocator.allocated', memory.usedBytes],
    ['allocator.active', memory.slabBytes],
    ['allocator.resident', memory.residentBytes],
    ['allocator-fragmentation.bytes', Math.max(0, memory.slabBytes - memory.usedBytes)],
    ['fragmentation.bytes', Math.max(0, memory.residentBytes - memory.usedBytes)],
  ];
  const ratios: [string, number][] = [
    ['peak.percentage', quotient(memory.usedBytes, memory.peakBytes) * 100],
    ['allocator-fragmentation.ratio', quotient(memory.slabBytes, memory.usedBytes)],
    ['fragmentation', quotient(memory.residentBytes, memory.usedBytes)],
  ];
  reply.mapHeader(counts.length + ratios.length);
  for (const [name, count] of counts) {
    reply.bulkText(name);
    reply.integer(count);
  }
  for (const [name, value] of ratios) {
    reply.bulkText(name);
    reply.double(String(value));
  }
}

function doctor({ reply, session, node }: LocalContext): void {
  const { memory } = node.figures(session.port);
  const findings: string[] = [];
  if (memory.maxmemoryBytes > 0 && memory.usedBytes > memory.maxmemoryBytes * NEARLY_FULL) {
    const limit = bytesForPeople(memory.maxmemoryBytes);
    findings.push(
      `Nearly full: ${bytesForPeople(memory.usedBytes)} of ${limit} (${memory.maxmemoryPolicy}).`,
    );
  }
  if (memory.usedBytes > SMALL_BYTES && memory.slabBytes > memory.usedBytes * FRAGMENTED) {
    const [slabs, used] = [memory.slabBytes, memory.usedBytes].map(bytesForPeople);
    findings.push(`Fragmented: slabs of ${slabs} hold ${used}.`);
  }
  reply.verbatim('txt', findings.length === 0 ? 'Nothing is wrong with memory.' : findings.join('\n'));
}

const HELP = [
  'DOCTOR',
  '    Return what may be wrong with memory.',
  'MALLOC-STATS',
  '    Return what is known of the slabs.',
  'PURGE',
  '    Does nothing: free slabs are used again.',
  'STATS',
  '    Return where memory goes.',
  'USAGE <key>',
  '    Return the bytes that a key accounts for.',
];

const DOCS = {
  server: `
memory 4.0.0 - Looks at memory.
memory|doctor 4.0.0 O(1) Returns what may be wrong with memory.
memory|help 4.0.0 O(1) Lists the subcommands.
memory|malloc-stats 4.0.0 O(1) Returns what is known of the slabs.
memory|purge 4.0.0 O(1) Gives memory back; free slabs are used again.
memory|stats 4.0.0 O(1) Returns where memory goes.`,
};

export const memoryCommands: readonly LocalCommand[] = documented(DOCS, [
  container('memory'),
  localCommand('memory|doctor', 2, [], ['slow'], doctor),
  helpCommand('memory', HELP),
  localCommand('memory|malloc-stats', 2, [], ['slow'], ({ reply, session, node }) => {
    const { slabBytes, usedBytes } = node.figures(session.port).memory;
    reply.verbatim('txt', `slabs: ${slabBytes} bytes, of which ${usedBytes} hold keys and values`);
  }),
  localCommand('memory|purge', 2, [], ['slow'], ({ reply }) => reply.ok()),
  localCommand('memory|stats', 2, [], ['slow'], stats),
]);
