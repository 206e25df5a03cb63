import type { RulesTable } from './commands/rules.ts';
import type { LoopDelay } from './env/loop-delay.ts';
import type { NodeParts } from './observe/parts.ts';
import type { LogRetention } from './shard/log-retention.ts';
import type { Replica } from './shard/replica.ts';
import type { Topology } from './topology/types.ts';
import type { RecoveredGroup } from './wal/types.ts';

/** What differs between a process of its own and a simulation. */
export interface NodeSurroundings {
  loopDelay: LoopDelay;
  nodeVersion: string;
  /** In constant time. */
  sameSecret(a: string, b: string): boolean;
  /** A simulation keeps little of the log in memory: members that are behind need snapshots. */
  logRetention?: LogRetention | undefined;
  /** It has many nodes in one process, with few keys each. */
  slabBytes?: number;
  /** What entries are applied by, version by version: this build's, or those of another that a test makes. */
  rules?: RulesTable;
  /** Ports and data are this process's alone: the start has begun. */
  onClaimed?: () => void;
  /** The topology that was found on the disk, and each that was synced since: nobody has acted on it yet. */
  onTopology?: (topology: Topology) => void;
  /** A replica was made from what recovery found of its group, and has done nothing yet: whoever checks invariants looks on from here. */
  onReplica?: (replica: Replica, recovered: RecoveredGroup | undefined) => void;
  /** The node takes part in its cluster. */
  onServing?: (parts: NodeParts) => void;
}
