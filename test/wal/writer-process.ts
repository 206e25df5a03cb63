/** A process that writes for ever, and prints the index of each entry once it is durable. Arguments: directory, durability, first index. */
import { SystemClock } from '../../src/env/clock.ts';
import { SystemDisk } from '../../src/env/disk.ts';
import { SystemMachine } from '../../src/env/machine.ts';
import { SystemRandom } from '../../src/env/random.ts';
import { SystemTimers } from '../../src/env/timers.ts';
import { openWal } from '../../src/wal/open.ts';
import type { Durability } from '../../src/wal/types.ts';
import { entryOf } from './world.ts';

const [directory, durability, first] = process.argv.slice(2);
const { wal } = await openWal(
  {
    disk: new SystemDisk(),
    clock: new SystemClock(),
    timers: new SystemTimers(),
    random: new SystemRandom(),
    machine: new SystemMachine(),
  },
  {
    directory,
    durability: durability as Durability,
    segmentBytes: 64 * 1024,
    onFailure: (error) => {
      throw error;
    },
  },
);

let index = Number(first);
function writeNext(): void {
  const written = index;
  wal.stageEntries(1, [entryOf(1, written, 300)]);
  index += 1;
  wal.flush(() => {
    process.stdout.write(`${written}\n`);
    setImmediate(writeNext);
  });
}
writeNext();
