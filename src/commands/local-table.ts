/** All commands that run where they arrive. */
import { aclCommands } from './acl.ts';
import { clientCommands } from './client.ts';
import { clusterCommands } from './cluster.ts';
import { commandCommands } from './command.ts';
import { configCommands } from './config.ts';
import { connectionCommands } from './connection.ts';
import { infoCommands } from './info.ts';
import { latencyCommands } from './latency.ts';
import { memoryCommands } from './memory.ts';
import { pubsubCommands } from './pubsub.ts';
import { refusedCommands } from './refused.ts';
import { sentinelCommands } from './sentinel.ts';
import { serverCommands } from './server.ts';
import { slowlogCommands } from './slowlog.ts';
import type { LocalCommand } from './types.ts';

export const localCommands: readonly LocalCommand[] = [
  ...connectionCommands,
  ...clientCommands,
  ...commandCommands,
  ...configCommands,
  ...infoCommands,
  ...serverCommands,
  ...slowlogCommands,
  ...memoryCommands,
  ...latencyCommands,
  ...aclCommands,
  ...clusterCommands,
  ...sentinelCommands,
  ...pubsubCommands,
  ...refusedCommands,
];
