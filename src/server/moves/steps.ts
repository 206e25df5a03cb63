/** What one attempt at a move has asked of the target and proposed at the source. What was asked before is not heard any more. */
import { MoveAnswer, MoveOutcome } from '../../shard/moves/slot-state.ts';
import type { MoveWaiter } from '../../shard/moves/types.ts';
import type { MoveEntry } from '../../topology/types.ts';
import { answerBit, type MoveReply } from './move-messages.ts';
import type { MoveQuestions } from './move-questions.ts';

const OLD_TERM = answerBit(MoveAnswer.OLD_TERM);
const NOT_NOW = answerBit(MoveAnswer.NOT_NOW);

export interface StepsHost {
  readonly entry: MoveEntry;
  readonly questions: MoveQuestions;
  /** Something has come off. */
  cameOn(): void;
  /** This attempt is over. */
  failed(problem: string): void;
}

export class Steps {
  /** What the next step waits for: entries proposed here, and questions but for those of bytes. */
  open = 0;
  /** Entries that say here what the target has decided. */
  noting = 0;
  /** By the target's log: slots that went over, and those that did not. */
  readonly gone = new Set<number>();
  readonly kept = new Set<number>();
  /** What the target needs next, as it said last when it was not asked about bytes. */
  positions: MoveReply['positions'] = [];
  private readonly host: StepsHost;
  private attempt = 0;

  constructor(host: StepsHost) {
    this.host = host;
  }

  get hasDecisions(): boolean {
    return this.gone.size + this.kept.size > 0;
  }

  /** Another attempt begins, or none. */
  renew(): void {
    this.attempt += 1;
    this.open = 0;
    this.noting = 0;
    this.gone.clear();
    this.kept.clear();
  }

  ask(items: Buffer): void {
    this.open += 1;
    this.question(items, true, (reply) => {
      this.open -= 1;
      this.positions = reply.positions;
    });
  }

  /** Of cuts and effects; false: the attempt is over. */
  askForFrame(items: Buffer, answered: (reply: MoveReply) => void): boolean {
    const { attempt } = this;
    this.question(items, false, answered);
    return attempt === this.attempt;
  }

  /** `isUrgent`: it waits behind nothing that is large. */
  private question(items: Buffer, isUrgent: boolean, answered: (reply: MoveReply) => void): void {
    const { attempt, host } = this;
    const { id, target } = host.entry;
    const about = { shard: target, move: id, slots: [] };
    const isAsked = host.questions.ask(about, items, isUrgent, (reply) => {
      if (attempt === this.attempt) this.take(reply, answered);
    });
    if (!isAsked && attempt === this.attempt) host.failed('the target is not reached');
  }

  private take(reply: MoveReply, answered: (reply: MoveReply) => void): void {
    if (reply.refusal !== 0) {
      this.host.failed('the target has not answered');
      return;
    }
    for (const { slot, ended } of reply.positions) {
      if (ended === MoveOutcome.WENT) this.gone.add(slot);
      else if (ended === MoveOutcome.ABORTED) this.kept.add(slot);
    }
    const problem = problemOf(reply);
    if (problem !== null && !this.hasDecisions) this.host.failed(problem);
    else answered(reply);
    this.host.cameOn();
  }

  propose(run: (waiter: MoveWaiter) => void): void {
    this.open += 1;
    this.log(run, () => {
      this.open -= 1;
    });
  }

  /** A proposal that the next slots do not wait for. */
  note(run: (waiter: MoveWaiter) => void): void {
    this.noting += 1;
    this.log(run, () => {
      this.noting -= 1;
    });
  }

  private log(run: (waiter: MoveWaiter) => void, done: () => void): void {
    const { attempt, host } = this;
    run({
      done: () => {
        if (attempt !== this.attempt) return;
        done();
        host.cameOn();
      },
      refuse: () => {
        if (attempt === this.attempt) host.failed('the source has not taken an entry');
      },
    });
  }
}

/** What keeps a step from having been taken; null: it was, or it goes on. */
function problemOf({ answers }: MoveReply): string | null {
  if ((answers & OLD_TERM) !== 0) return 'the target knows a later leader of the source';
  return (answers & NOT_NOW) === 0 ? null : 'the target is not ready for these slots';
}
