/** The direction of dependencies (ARCHITECTURE.md, Layers): downwards only. Imports of types count like all others. */
import { posix } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { SourceFile } from './sources.ts';
import { importsOf, sourceFiles } from './sources.ts';

/** What everyone may use but the ring, which can be taken out of Torc whole. */
const BASE = ['errors', 'assert', 'little-endian'];

/** Layers that may use these and nothing else, whatever lies below. */
const CLOSED_LAYERS: Record<string, { layers: string[]; packages: string[] }> = {
  ring: { layers: [], packages: ['hash-wasm'] },
  errors: { layers: [], packages: [] },
  assert: { layers: ['errors'], packages: [] },
  'little-endian': { layers: [], packages: [] },
  raft: { layers: BASE, packages: ['node:zlib'] },
  paxos: { layers: BASE, packages: ['node:zlib'] },
  gossip: { layers: BASE, packages: ['node:zlib'] },
  store: { layers: BASE, packages: ['node:zlib', 'hash-wasm', 'lru-cache'] },
  resp: { layers: BASE, packages: [] },
};

/** From the bottom up; those of one row may use each other. A layer may use its own row and all rows before it. */
const ROWS: readonly (readonly string[])[] = [
  ['errors', 'assert', 'little-endian', 'ring'],
  ['env'],
  ['raft', 'paxos', 'gossip', 'store', 'resp'],
  ['version', 'settings', 'log', 'metrics'],
  ['wal'],
  ['topology', 'transport'],
  ['commands'],
  ['shard'],
  ['txn'],
  ['server'],
  ['admin'],
  ['observe'],
  ['client'],
  ['node'],
  ['cli'],
];

/** Env knows nothing of Torc. */
const ENV_LAYERS = BASE;

const files = sourceFiles('src', 'ring').filter(({ path }) => !path.startsWith('ring/test/'));

/** `src/raft/log.ts` lies in raft, `src/node.ts` and what is named after it (`src/node-*.ts`) in node, `ring/plan.ts` in ring. */
function layerOf(path: string): string {
  const [tree, folder] = path.split('/');
  if (tree === 'ring') return 'ring';
  return /^node(?:-[\w-]+)?\.ts$/.test(folder) ? 'node' : posix.basename(folder, '.ts');
}

/** Other layers that a file uses. */
function layersUsed(file: SourceFile): string[] {
  return importsOf(file)
    .filter((target) => target.startsWith('.'))
    .map((target) => layerOf(posix.join(posix.dirname(file.path), target)))
    .filter((layer) => layer !== layerOf(file.path));
}

function packagesUsed(file: SourceFile): string[] {
  return importsOf(file).filter((target) => !target.startsWith('.'));
}

function rowOf(layer: string): number {
  return ROWS.findIndex((row) => row.includes(layer));
}

/** Why the file may not use the layer, or null when it may. */
function objection(file: SourceFile, used: string): string | null {
  const layer = layerOf(file.path);
  const allowed = layer === 'env' ? ENV_LAYERS : CLOSED_LAYERS[layer]?.layers;
  if (allowed !== undefined)
    return allowed.includes(used) ? null : `${file.path} uses ${used}: ${layer} may not`;
  return rowOf(used) <= rowOf(layer) ? null : `${file.path} uses ${used}, which lies above ${layer}`;
}

describe('layers', () => {
  test('are read at all: a contract is seen to use another', () => {
    const types = files.find(({ path }) => path === 'src/wal/types.ts');
    expect(types && layersUsed(types)).toContain('raft');
    const entry = files.find(({ path }) => path === 'src/raft/entry.ts');
    expect(entry && packagesUsed(entry)).toContain('node:zlib');
  });

  test('are all known here', () => {
    const unknown = files.filter(({ path }) => rowOf(layerOf(path)) === -1).map(({ path }) => path);
    expect(unknown).toEqual([]);
  });

  test('depend downwards only', () => {
    const objections = files.flatMap((file) =>
      layersUsed(file).flatMap((used) => objection(file, used) ?? []),
    );
    expect(objections).toEqual([]);
  });

  test('that are pure use no package but a few', () => {
    const objections = files.flatMap((file) => {
      const allowed = CLOSED_LAYERS[layerOf(file.path)]?.packages;
      if (allowed === undefined) return [];
      return packagesUsed(file)
        .filter((name) => !allowed.includes(name))
        .map((name) => `${file.path} uses ${name}`);
    });
    expect(objections).toEqual([]);
  });

  test('never reach out of their tree', () => {
    const outside = files.filter((file) =>
      importsOf(file).some(
        (target) =>
          /^\.\.?\//.test(target) && !/^(src|ring)\//.test(posix.join(posix.dirname(file.path), target)),
      ),
    );
    expect(outside.map(({ path }) => path)).toEqual([]);
  });
});

describe('an objection', () => {
  const file = (path: string): SourceFile => ({ path, text: '', code: '' });

  test.each([
    ['src/raft/log.ts', 'env'],
    ['src/store/keyspace.ts', 'env'],
    ['src/env/disk.ts', 'raft'],
    ['src/wal/log.ts', 'shard'],
    ['src/shard/replica.ts', 'server'],
    ['src/server/port.ts', 'node'],
    ['ring/plan.ts', 'errors'],
    ['src/raft/log.ts', 'ring'],
  ])('is made when %s uses %s', (path, used) => {
    expect(objection(file(path), used)).not.toBeNull();
  });

  test.each([
    ['src/raft/log.ts', 'assert'],
    ['src/wal/log.ts', 'raft'],
    ['src/topology/founding.ts', 'ring'],
    ['src/topology/founding.ts', 'transport'],
    ['src/node.ts', 'server'],
    ['src/node-status.ts', 'server'],
    ['src/cli/main.ts', 'node'],
  ])('is not made when %s uses %s', (path, used) => {
    expect(objection(file(path), used)).toBeNull();
  });
});
