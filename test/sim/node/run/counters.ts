/** What a run has been through: how often each fault struck, and each rare situation came up. */

export const FAULTS = [
  'one-way cut',
  'two-way cut',
  'node cut off',
  'split',
  'bridge',
  'clog',
  'slow network',
  'slow link',
  'connections reset',
  'clients cut off',
  'pause',
  'stall',
  'wall clock jump',
  'clock drift',
  'stop in good order',
  'kill',
  'kill at a disk operation',
  'kill of all',
  'power loss',
  'power loss at a disk operation',
  'power loss of all',
  'write error',
  'sync error',
  'disk full',
  'slow disk',
  'bit flipped in log',
  'bit flipped in snapshot',
  'shard placed anew',
  'slots moved',
  'move called back',
  'node leaves for a while',
  'late ears',
  'restart in a split',
  'power loss after a kill',
  'disks slow at a fence',
  'node replaced by an empty one',
  'cluster version raised',
  'clients send no more',
  'restart of who leaves',
] as const;
export type Fault = (typeof FAULTS)[number];

/** What must come up sometimes, or the rules for it are not tested. */
export const SITUATIONS = [
  'election in which the log mattered',
  'log truncated',
  'torn tail cut',
  'snapshot made',
  'snapshot sent',
  'snapshot installed',
  'log file freed',
  'start from a snapshot',
  'start refused: damaged',
  'start refused: unclean stop',
  'start refused: disk',
  'failed write stopped a node',
  'failed sync stopped a node',
  'full disk stopped a node',
  'read under the lease',
  'lease read refused',
  'read by read index',
  'read behind a write',
  'command forwarded',
  'request parked',
  'parked request served',
  'retry answered from its row',
  'INDETERMINATE',
  'CLUSTERDOWN',
  'REPLYLOST',
  'LOADING',
  'OOM',
  'MOVED followed',
  'database chosen',
  'error of a command',
  'connection lost with commands under way',
  'client out of patience',
  'client connection refused',
  'key expired by an entry',
  'key evicted by an entry',
  'eviction while a snapshot is made',
  'large command staged',
  'read of many turns',
  'leader changed',
  'leader handed over',
  'shard without a leader for long',
  'wall clock found wrong',
  'node held dead',
  'node told that it stops',
  'suspicion refuted',
  'peer connection cut for silence',
  'core without one node made progress',
  'node left for good',
  'replica created',
  'replica removed',
  'joint configuration committed',
  'node rebuilt by repair',
  'slot went to another shard',
  'slot thawed',
  'import given up',
  'move taken up by a new leader',
  'move ended',
  'move ended without all slots',
  'request held for a move',
  'TRYAGAIN',
  'node taken in by a cluster',
  'voter replaced',
  'builds of two versions at once',
  'command of a raised version',
  'client answered that sends no more',
  'command answered that met a fence',
  'start refused: older build',
] as const;
export type Situation = (typeof SITUATIONS)[number];

export interface Counted {
  faults: Iterable<readonly [Fault, number]>;
  situations: Iterable<readonly [Situation, number]>;
}

export class Counters implements Counted {
  readonly faults = new Map<Fault, number>(FAULTS.map((fault) => [fault, 0]));
  readonly situations = new Map<Situation, number>(SITUATIONS.map((situation) => [situation, 0]));

  struck(fault: Fault): void {
    this.faults.set(fault, (this.faults.get(fault) ?? 0) + 1);
  }

  sometimes(situation: Situation, times = 1): void {
    this.situations.set(situation, (this.situations.get(situation) ?? 0) + times);
  }

  get faultsStruck(): number {
    let sum = 0;
    for (const count of this.faults.values()) sum += count;
    return sum;
  }

  add({ faults, situations }: Counted): void {
    for (const [fault, count] of faults) this.faults.set(fault, (this.faults.get(fault) ?? 0) + count);
    for (const [situation, count] of situations) this.sometimes(situation, count);
  }

  /** Those that never struck or came up. */
  missing(): string[] {
    return [...this.faults, ...this.situations].flatMap(([name, count]) => (count === 0 ? [name] : []));
  }
}
