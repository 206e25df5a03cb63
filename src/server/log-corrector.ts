/** Has the register put right by the logs of the shards that this node leads, after a recovery (topology/log-correction.ts). */
import type { Log } from '../log.ts';
import type { Instant } from '../raft/types.ts';
import type { Replica } from '../shard/replica.ts';
import { SlotState } from '../shard/moves/slot-state.ts';
import type { MoveLookups } from '../shard/moves/types.ts';
import { correctionFor, type SlotLog } from '../topology/log-correction.ts';
import { textOf } from '../topology/decision.ts';
import type { Topology } from '../topology/types.ts';
import type { TopologySpread } from './topology-spread.ts';

const LOOK_INTERVAL_MS = 1000;

export interface LogCorrectorHost {
  readonly replicas: readonly Replica[];
  topology(): Topology;
  readonly log: Log;
}

export class LogCorrector {
  private readonly host: LogCorrectorHost;
  private readonly spread: Pick<TopologySpread, 'propose' | 'isKept' | 'isBehind'>;
  private nextLookMs = 0;

  constructor(host: LogCorrectorHost, spread: Pick<TopologySpread, 'propose' | 'isKept' | 'isBehind'>) {
    this.host = host;
    this.spread = spread;
  }

  /** Called some times a second. Nothing, before there was a recovery. */
  look({ monotonicMs }: Instant): void {
    const { host, spread } = this;
    const topology = host.topology();
    const { clusterId, generation, epoch } = topology;
    if (generation === 1 || monotonicMs < this.nextLookMs) return;
    this.nextLookMs = monotonicMs + LOOK_INTERVAL_MS;
    if (spread.isBehind || !spread.isKept(topology)) return;
    for (const { shard, isReadable, machine } of host.replicas) {
      if (!isReadable || !machine.moves.slots.isFounded) continue;
      const change = correctionFor(topology, shard, slotLogOf(machine.moves));
      if (change === null) continue;
      if (change.kind !== 'confirm-slots')
        host.log.warn('register-corrected', { shard, change: change.kind, epoch: textOf(topology) });
      spread.propose({ clusterId, on: { generation, epoch }, change });
    }
  }
}

function slotLogOf(moves: MoveLookups): SlotLog {
  return {
    isOwned: (slot) => moves.isOwned(slot),
    isArriving: (slot) => moves.stateOf(slot) === SlotState.STAGING,
    moveOf: (slot) => moves.moveOf(slot),
    peerOf: (slot) => moves.peerOf(slot),
    endedOf: (slot) => moves.endedOf(slot),
  };
}
