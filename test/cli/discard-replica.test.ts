import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect, onTestFinished, test } from 'vitest';

import { discardReplica, type RepairWorld } from '../../src/cli/discard-replica.ts';
import { SystemDisk } from '../../src/env/disk.ts';
import { SystemRandom } from '../../src/env/random.ts';
import { announcementOf } from '../../src/settings/derived.ts';
import { settingsOf } from '../damage/directory.ts';

test.each([
  ['nothing tells of a cluster', null, 'does not tell of other nodes'],
  ['nobody answers', { host: '127.0.0.1', port: 9 }, 'no node of the cluster answers at 127.0.0.1:9'],
])('a repair is refused, and leaves nothing behind, where %s', async (_, address, reason) => {
  const root = await mkdtemp(join(tmpdir(), 'torc-repair-'));
  onTestFinished(() => rm(root, { recursive: true }));
  const directory = join(root, 'node');
  const world: RepairWorld = {
    disk: new SystemDisk(),
    random: new SystemRandom(),
    directory,
    announced: announcementOf(settingsOf(directory)),
    secret: '',
    node: null,
    address,
    ask: () => Promise.resolve(null),
    post: () => Promise.resolve(null),
    pause: () => Promise.resolve(),
  };
  await expect(discardReplica(world)).rejects.toThrow(reason);
  expect(existsSync(directory)).toBe(false);
});
