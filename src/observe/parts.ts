/** The parts of a running node, as those see them who tell about it. */
import type { Env } from '../env/contracts.ts';
import type { LoopDelay } from '../env/loop-delay.ts';
import type { Histogram } from '../metrics/histogram.ts';
import type { PubSubRegistry } from '../commands/pubsub-registry.ts';
import type { ForwardingCounters } from '../server/forwarding.ts';
import type { Mover } from '../server/moves/mover.ts';
import type { NodeGossip } from '../server/node-gossip.ts';
import type { Peers } from '../server/peers.ts';
import type { PaxosCounts } from '../paxos/types.ts';
import type { Rebalancer } from '../server/rebalancer.ts';
import type { Room } from '../server/room.ts';
import type { Router } from '../server/router.ts';
import type { ClientServer } from '../server/server.ts';
import type { SlowLogRing } from '../server/slow-log.ts';
import type { Settings } from '../settings/rows.ts';
import type { Replica } from '../shard/replica.ts';
import type { Snapshotter } from '../shard/snapshotter.ts';
import type { SlabPool } from '../store/slab-pool.ts';
import type { CatchingUp } from './catching-up.ts';
import type { AcceptorFile } from '../topology/acceptor-file.ts';
import type { NodeEntry, NodeId, Topology } from '../topology/types.ts';
import type { Mesh } from '../transport/types.ts';
import type { Wal } from '../wal/types.ts';

export interface NodeParts {
  env: Env;
  settings: Settings;
  self: NodeId;
  start: number;
  /** The newest that is synced. */
  readonly topology: Topology;
  /** Null for a moment, until the node takes part in its cluster. */
  rebalancer: () => Rebalancer | null;
  wal: Wal;
  mesh: Mesh;
  replicas: readonly Replica[];
  server: ClientServer;
  router: Router;
  peers: Peers;
  /** What it may be given more. */
  room: Room;
  gossip: NodeGossip;
  catchingUp: CatchingUp;
  snapshotter: Snapshotter;
  slabs: SlabPool;
  pubsub: PubSubRegistry;
  slowLog: SlowLogRing;
  forwarding: ForwardingCounters;
  mover: Mover;
  loopDelay: LoopDelay;
  syncDuration: Histogram;
  batchSize: Histogram;
  commitDuration: Histogram;
  startedWallMs: number;
  startedMonotonicMs: number;
  rates: Rates;
  isStopping: () => boolean;
  clusterVersion: () => number;
  /** What this node has promised as a voter of the register, and what came of its own ballots there. */
  acceptor: AcceptorFile;
  paxosCounts: () => Readonly<PaxosCounts>;
  /** Nodes that a recovery which did not end keeps from voting. */
  boundToRecovery: () => readonly NodeId[];
}

export function entryOf(topology: Topology, node: NodeId): NodeEntry {
  const entry = topology.nodes.find((row) => row.id === node);
  if (entry === undefined) throw new TypeError(`node ${node} is not in the topology`);
  return entry;
}

/** Counts of replicas and the mesh, which go on for the metrics whatever CONFIG RESETSTAT does. */
export interface LastingCounts {
  expiredKeys: number;
  evictedKeys: number;
  keyspaceHits: number;
  keyspaceMisses: number;
  forwarded: number;
}

/** What was counted in about the last second. */
export class Rates {
  commandsPerSecond = 0;
  inputBytesPerSecond = 0;
  outputBytesPerSecond = 0;
  peakUsedBytes = 0;
  /** As they were at the last CONFIG RESETSTAT. */
  atReset: LastingCounts = {
    expiredKeys: 0,
    evictedKeys: 0,
    keyspaceHits: 0,
    keyspaceMisses: 0,
    forwarded: 0,
  };
  private last = { atMs: 0, commands: 0, inputBytes: 0, outputBytes: 0 };

  sample(nowMs: number, commands: number, inputBytes: number, outputBytes: number): void {
    const seconds = (nowMs - this.last.atMs) / 1000;
    if (seconds < 1) return;
    this.commandsPerSecond = Math.max(0, Math.round((commands - this.last.commands) / seconds));
    this.inputBytesPerSecond = Math.max(0, (inputBytes - this.last.inputBytes) / seconds);
    this.outputBytesPerSecond = Math.max(0, (outputBytes - this.last.outputBytes) / seconds);
    this.last = { atMs: nowMs, commands, inputBytes, outputBytes };
  }
}
