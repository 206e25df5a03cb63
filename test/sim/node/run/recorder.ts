/** The history of all clients, and the checker's verdict over it. */
import type { Scheduler } from '../../../../src/env/sim/scheduler.ts';
import { checkLinearizable, describeViolation } from '../../../linearizability/checker.ts';
import type { Operation, Reply } from '../../../linearizability/history.ts';
import type { Model } from '../../../linearizability/model.ts';
import type { Asked } from './commands.ts';

export class Recorder {
  /** Commands that were sent, and of which the outcome was told. */
  commands = 0;
  answeredCount = 0;
  private readonly histories = new Map<Model, Operation[]>();
  private readonly scheduler: Scheduler;

  constructor(scheduler: Scheduler) {
    this.scheduler = scheduler;
  }

  /** Of unknown outcome until something else is told. `sentBefore`: by key, what was sent last on the same connection. */
  called(
    client: number,
    { parts, isOneSlot }: Asked,
    sentBefore: Map<string, Operation>,
  ): readonly Operation[] {
    this.commands += 1;
    const callMs = this.scheduler.nowMs;
    return parts.map(({ model, key, command, args }) => {
      const operation: Operation = { client, key, command, args, callMs, outcome: { kind: 'unknown' } };
      if (isOneSlot) {
        const after = sentBefore.get(key);
        if (after !== undefined) operation.after = after;
        sentBefore.set(key, operation);
      }
      const history = this.histories.get(model);
      if (history === undefined) this.histories.set(model, [operation]);
      else history.push(operation);
      return operation;
    });
  }

  answered(operations: readonly Operation[], replies: readonly Reply[]): void {
    this.answeredCount += 1;
    const returnMs = this.scheduler.nowMs;
    for (const [i, operation] of operations.entries())
      operation.outcome = { kind: 'answered', returnMs, reply: replies[i] };
  }

  notRun(operations: readonly Operation[]): void {
    for (const operation of operations) operation.outcome = { kind: 'not-run' };
  }

  /** Null: an order explains all that clients were told. */
  verdict(): { name: 'linearizable' | 'checked-in-time'; what: string } | null {
    for (const [model, history] of this.histories) {
      const verdict = checkLinearizable(history, model);
      if (verdict.verdict === 'violation') return { name: 'linearizable', what: describeViolation(verdict) };
      if (verdict.verdict === 'unknown')
        return { name: 'checked-in-time', what: `the checker said unknown of ${verdict.keys.join(', ')}` };
    }
    return null;
  }
}
