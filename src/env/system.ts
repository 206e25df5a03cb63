/** The world outside, as this process finds it. */
import { SystemClock } from './clock.ts';
import type { Env } from './contracts.ts';
import { SystemDisk } from './disk.ts';
import { SystemMachine } from './machine.ts';
import { systemNetwork } from './network.ts';
import { SystemRandom } from './random.ts';
import { SystemTimers } from './timers.ts';

export function systemEnv(): Env {
  return {
    clock: new SystemClock(),
    timers: new SystemTimers(),
    random: new SystemRandom(),
    disk: new SystemDisk(),
    network: systemNetwork,
    machine: new SystemMachine(),
  };
}
