/** Settings of the memory, and of what is made of values in it. */
import { choice, count, GIB, memory, size } from './kinds.ts';
import type { SettingRow } from './rows.ts';

export const MEMORY_ROWS = {
  memorySharedBy: {
    group: 'Memory',
    name: 'memory-shared-by',
    kind: count(1, 1000),
    default: '1',
    scope: 'node',
    changed: 'start',
    setByDev: true,
    meaning:
      "Nodes of one machine, or container, that share its memory: a percentage is one of this node's part. torc dev sets it to the number of its nodes.",
  },
  maxmemoryBytes: {
    group: 'Memory',
    name: 'maxmemory',
    kind: memory(1024 * GIB),
    default: '60%',
    scope: 'node',
    changed: 'live',
    meaning:
      "Memory for keys and values, divided over the node's replicas. A percentage is one of the container's or machine's memory, or of the part of it that memory-shared-by leaves this node.",
  },
  maxmemoryPolicy: {
    group: 'Memory',
    name: 'maxmemory-policy',
    kind: choice([
      'volatile-lru',
      'volatile-lfu',
      'volatile-random',
      'volatile-ttl',
      'allkeys-lru',
      'allkeys-lfu',
      'allkeys-random',
      'noeviction',
    ]),
    default: 'noeviction',
    scope: 'cluster',
    changed: 'start',
    meaning: 'What a shard evicts when its budget is used up. Travels in the log.',
  },
  hashMaxListpackEntries: {
    group: 'Memory',
    name: 'hash-max-listpack-entries',
    aliases: ['hash-max-ziplist-entries'],
    kind: count(0, 65_535),
    default: '512',
    scope: 'cluster',
    changed: 'start',
    meaning: 'A hash with more fields gets a table. Travels in the log.',
  },
  hashMaxListpackValueBytes: {
    group: 'Memory',
    name: 'hash-max-listpack-value',
    aliases: ['hash-max-ziplist-value'],
    kind: size(0, 65_535),
    default: '64',
    scope: 'cluster',
    changed: 'start',
    meaning: 'A hash with a longer field or value gets a table. Travels in the log.',
  },
} as const satisfies Record<string, SettingRow>;
