/** The target's side of moves: logs what the source's leader sends, and says what is needed next. The first to know that slots have another owner. */
import type { Instant } from '../../raft/types.ts';
import { areTargetItems } from '../../shard/moves/move-item.ts';
import { MoveOutcome, SlotState } from '../../shard/moves/slot-state.ts';
import type { ItemAnswers } from '../../shard/moves/types.ts';
import type { Replica } from '../../shard/replica.ts';
import { Refusal } from '../../shard/waiter.ts';
import { rangesOf } from '../../topology/slot-ranges.ts';
import type { MoveId, ShardId, SlotRange } from '../../topology/types.ts';
import { answerBit, type MoveQuestion, type MoveReply } from './move-messages.ts';

export interface MoveTargetHost {
  replica(shard: ShardId): Replica | undefined;
  readonly now: Instant;
  /** How late the event loop came, when it was looked at last. */
  lateMs(): number;
  /** Slots are served here from now on. */
  activated(move: MoveId, shard: ShardId, slots: readonly SlotRange[]): void;
  wake(): void;
}

export class MoveTarget {
  private readonly host: MoveTargetHost;

  constructor(host: MoveTargetHost) {
    this.host = host;
  }

  /** False when what is asked is malformed. */
  serve(question: MoveQuestion, items: Buffer, reply: (answer: MoveReply) => void): boolean {
    if (items.length > 0 && !areTargetItems(items)) return false;
    const replica = this.host.replica(question.shard);
    if (replica === undefined || !replica.isReadable) {
      reply(refused(question, Refusal.NOT_PROPOSED));
      return true;
    }
    if (items.length === 0) {
      reply(this.answer(replica, question, []));
      return true;
    }
    replica.moves.propose(
      items,
      {
        done: (answers) => reply(this.answer(replica, question, answers)),
        refuse: (refusal) => reply(refused(question, refusal)),
      },
      this.host.now,
    );
    this.host.wake();
    return true;
  }

  private answer(replica: Replica, question: MoveQuestion, answers: readonly ItemAnswers[]): MoveReply {
    const slots = new Set(question.slots);
    for (const item of answers) for (const slot of item.slots) slots.add(slot);
    const { move, number, shard } = question;
    const positions = replica.machine.moves.positions(
      move,
      [...slots].sort((a, b) => a - b),
    );
    const here = positions
      .filter(({ state, ended }) => ended === MoveOutcome.WENT && state === SlotState.OWNED)
      .map(({ slot }) => slot);
    if (here.length > 0) this.host.activated(move, shard, rangesOf(here));
    return {
      kind: 'answer',
      number,
      refusal: 0,
      answers: bitsOf(answers),
      positions,
      lateMs: this.host.lateMs(),
    };
  }
}

/** Which answers the items have got: who asked does not have to tell slots apart, since their positions say the rest. */
function bitsOf(answers: readonly ItemAnswers[]): number {
  let bits = 0;
  for (const item of answers) for (const answer of item.answers) bits |= answerBit(answer);
  return bits;
}

export function refused({ number }: MoveQuestion, refusal: Refusal): MoveReply {
  return { kind: 'answer', number, refusal, answers: 0, positions: [], lateMs: 0 };
}
