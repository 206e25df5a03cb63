/** What `torc verify` asks of a node: the state hashes of its replicas, now or at a mark that a shard's leader puts into the log. */
import type { DigestReport, MarkReport } from '../admin/status.ts';
import type { Env } from '../env/contracts.ts';
import type { Engine } from '../shard/engine.ts';
import { HashDesk } from '../shard/hash-desk.ts';
import type { Replica } from '../shard/replica.ts';
import type { ShardId } from '../topology/types.ts';

interface VerificationHost {
  replica(shard: ShardId): Replica | undefined;
  /** Where there are replicas there is one. */
  engine(): Pick<Engine, 'readClock' | 'wake'> | null;
  fatal(error: unknown): void;
}

export class Verification {
  private readonly env: Pick<Env, 'clock' | 'timers'>;
  private readonly host: VerificationHost;
  private readonly desks = new WeakMap<Replica, HashDesk>();

  constructor(env: Pick<Env, 'clock' | 'timers'>, host: VerificationHost) {
    this.env = env;
    this.host = host;
  }

  /** Null: no replica of the shard is here. */
  async digest(shard: ShardId): Promise<DigestReport | 'busy' | null> {
    const desk = this.deskOf(shard);
    if (desk === null) return null;
    const state = await desk.now();
    return state === null ? 'busy' : { shard, index: state.index, digest: state.hash };
  }

  /** This node's replica is to compute its hash at the mark, once the log brings it. */
  expectMark(shard: ShardId, mark: number): MarkReport | 'busy' | null {
    const desk = this.deskOf(shard);
    if (desk === null) return null;
    return desk.expect(mark) ? this.readMark(shard, mark) : 'busy';
  }

  /** Null: no replica, or it does not know the mark. */
  readMark(shard: ShardId, mark: number): MarkReport | null {
    const answer = this.deskOf(shard)?.answer(mark) ?? null;
    return answer === null ? null : { shard, mark, ...answer };
  }

  /** Puts the mark, which is expected here, into the log; tells its index. */
  logMark(shard: ShardId, mark: number): { shard: ShardId; mark: number; index: number } | 'not-now' | null {
    const replica = this.host.replica(shard);
    const engine = this.host.engine();
    if (replica === undefined || engine === null) return null;
    const index = this.deskOf(shard)?.log(mark, () => replica.proposeMark(mark, engine.readClock())) ?? 0;
    engine.wake();
    return index === 0 ? 'not-now' : { shard, mark, index };
  }

  private deskOf(shard: ShardId): HashDesk | null {
    const replica = this.host.replica(shard);
    if (replica === undefined) return null;
    let desk = this.desks.get(replica);
    if (desk === undefined) {
      const { clock, timers } = this.env;
      desk = new HashDesk(replica.machine, clock, timers, (error) => this.host.fatal(error));
      this.desks.set(replica, desk);
    }
    return desk;
  }
}
