/** Two shards with real state machines, led by one node, whose logs commit when the test says so, and the source's driver between them. */
import { sessionId } from '../../../src/shard/batch.ts';
import { MoveItemType, slotsItem } from '../../../src/shard/moves/move-item.ts';
import type { SlotState } from '../../../src/shard/moves/slot-state.ts';
import { SourceMove, type SourceMoveHost } from '../../../src/server/moves/source-move.ts';
import { MoveQuestions } from '../../../src/server/moves/move-questions.ts';
import { MoveTarget } from '../../../src/server/moves/move-target.ts';
import { MoveThrottle } from '../../../src/topology/move-throttle.ts';
import type { MoveEntry, SlotRange } from '../../../src/topology/types.ts';
import { itemOf } from '../../shard/encode.ts';
import { Answer, newRig, type Rig } from '../../shard/fake-raft.ts';

const SESSION = sessionId('a'.repeat(40), 1);
const NOBODY = { done: () => {}, refuse: () => {} };
export const SELF = 'n'.repeat(40);
export const MOVE = 5;

export class TwoShards {
  readonly source = newRig();
  readonly target = newRig();
  readonly told: string[] = [];
  entry: MoveEntry;
  move: SourceMove;
  /** The node that leads the target; null: nobody is known to. */
  targetLeader: string | null = SELF;
  private sequence = 0;

  /** `owned`: what the source has, of which it gives away `slots`. */
  constructor(slots: readonly SlotRange[], owned: readonly SlotRange[] = [{ from: 0, to: 16383 }]) {
    this.entry = { id: MOVE, source: 1, target: 2, slots };
    this.source.replica.moves.propose(slotsItem(MoveItemType.FOUND, 0, 0, owned), NOBODY, this.now);
    this.target.replica.moves.propose(slotsItem(MoveItemType.FOUND, 0, 0, []), NOBODY, this.now);
    this.commit();
    this.move = this.driver();
  }

  get now(): Rig['now'] {
    return this.source.now;
  }

  isPaused = false;
  /** 0: no limit. */
  maxBytesPerSecond = 0;
  /** Of the source's node: at rest, until it is told of commands. */
  readonly throttle = new MoveThrottle(() => this.maxBytesPerSecond, 0);

  questions(): MoveQuestions {
    const { told } = this;
    const target = new MoveTarget({
      replica: () => this.target.replica,
      now: this.target.now,
      lateMs: () => 0,
      activated: (move, shard, slots) =>
        told.push(`${move}: ${slots.map(({ from, to }) => `${from}-${to}`).join(' ')} at ${shard}`),
      wake: () => {},
    });
    return new MoveQuestions({
      self: SELF,
      nowMs: () => this.now.monotonicMs,
      leaderOf: () => this.targetLeader,
      link: () => undefined,
      target,
      wake: () => {},
    });
  }

  /** Another that knows nothing of what the one before did, as of a new leader. */
  driver(): SourceMove {
    const { told } = this;
    const host: SourceMoveHost = {
      now: this.now,
      questions: this.questions(),
      throttle: this.throttle,
      isPaused: () => this.isPaused,
      wake: () => {},
      wakeAfter: () => {},
      paused: (slots, pauseMs) => told.push(`${slots} paused ${pauseMs} ms`),
      sent: () => {},
      went: (_, slots, keys) => told.push(`${slots} went with ${keys} keys`),
    };
    return new SourceMove(this.source.replica, this.entry, host);
  }

  /** The source's node has clients, but few. */
  commandsCome(): void {
    const strain = { isMoving: false, pauseMs: 0, lateMs: 0 };
    this.throttle.look({ count: 1, p99: 1 }, strain, this.now.monotonicMs);
  }

  set(key: string, value: string): Answer {
    const answer = new Answer();
    this.sequence += 1;
    const { bytes, start, end } = itemOf(['set', key, value], this.sequence);
    this.source.replica.submitWrite(answer, SESSION, bytes, start, end, this.now);
    this.source.replica.seal(this.now);
    return answer;
  }

  get(key: string, { replica }: Rig): Answer {
    const answer = new Answer();
    const { bytes, start } = itemOf(['get', key]);
    replica.submitRead(answer, bytes, start, this.now);
    return answer;
  }

  commit(): void {
    for (const { replica, raft, now } of [this.source, this.target]) {
      replica.seal(now);
      replica.advance(raft.log.splice(0), [], false, now);
    }
  }

  /** Turns, a millisecond each, until `done`; what is proposed in one is committed with the next. */
  turns(done: () => boolean, most = 2000): void {
    for (let turn = 0; !done(); turn++) {
      if (turn === most)
        throw new Error(`not within ${most} turns: ${this.move.phase}, ${this.move.problem}`);
      this.pass(1);
      this.move.advance();
      this.commit();
    }
  }

  pass(durationMs: number): void {
    for (const { now, raft } of [this.source, this.target]) {
      now.monotonicMs += durationMs;
      now.wallMs += durationMs;
      raft.leaseUntilMonotonicMs = now.monotonicMs + 100;
      raft.leaseRoundTimeMs = 1e9;
    }
  }

  states({ machine }: Rig, slots: readonly number[]): SlotState[] {
    return slots.map((slot) => machine.moves.stateOf(slot));
  }
}
