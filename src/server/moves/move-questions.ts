/** Questions of this node's leaders of sources to the leaders of targets, wherever those are, and their answers. */
import type { NodeId, ShardId } from '../../topology/types.ts';
import { Refusal } from '../../shard/waiter.ts';
import { SectionKind, type PeerLink } from '../../transport/types.ts';
import { encodeMoveMessage, type MoveQuestion, type MoveReply } from './move-messages.ts';
import { refused, type MoveTarget } from './move-target.ts';

/** An answer that takes longer is not waited for: the question is asked again. It takes a commit of the target, maybe after an election. */
const ANSWER_TIMEOUT_MS = 2000;

export interface QuestionsHost {
  readonly self: NodeId;
  nowMs(): number;
  leaderOf(shard: ShardId): NodeId | null;
  link(node: NodeId): PeerLink | undefined;
  readonly target: MoveTarget;
  wake(): void;
}

interface Asked {
  question: MoveQuestion;
  /** Who led the shard then: another leader does not answer. */
  leader: NodeId;
  /** The connection that it went over; its end ends the question. */
  link: PeerLink;
  connection: number;
  sinceMs: number;
  answered(reply: MoveReply): void;
}

export class MoveQuestions {
  private readonly host: QuestionsHost;
  private readonly asked = new Map<number, Asked>();
  private nextNumber = 1;

  constructor(host: QuestionsHost) {
    this.host = host;
  }

  /**
   * False when nobody can be asked now, and `answered` will not be called. Else it is called once, later than this returns or before. What is urgent
   * overtakes what is on its way over the bulk connection.
   */
  ask(
    about: Omit<MoveQuestion, 'kind' | 'number'>,
    items: Buffer,
    isUrgent: boolean,
    answered: (reply: MoveReply) => void,
  ): boolean {
    const { host } = this;
    const leader = host.leaderOf(about.shard);
    if (leader === null) return false;
    const question: MoveQuestion = { kind: 'ask', number: this.nextNumber, ...about };
    this.nextNumber = (this.nextNumber + 1) >>> 0;
    if (leader === host.self) return host.target.serve(question, items, answered);
    const link = host.link(leader);
    if (link?.connected !== true) return false;
    const bytes = encodeMoveMessage(question, items);
    if (isUrgent) link.section(SectionKind.MOVES).bytes(bytes, 0, bytes.length);
    else if (!link.sendBulk(SectionKind.MOVES, bytes)) return false;
    const { connection } = link;
    const sinceMs = host.nowMs();
    this.asked.set(question.number, { question, leader, link, connection, sinceMs, answered });
    host.wake();
    return true;
  }

  onAnswer(reply: MoveReply): void {
    const asked = this.asked.get(reply.number);
    if (asked === undefined) return;
    this.asked.delete(reply.number);
    asked.answered(reply);
    this.host.wake();
  }

  /** Gives up what will not be answered: while nobody is known to lead, the one that was asked may yet. Called now and then. */
  look(): void {
    const nowMs = this.host.nowMs();
    for (const [number, asked] of this.asked) {
      const { question, leader, link, connection, sinceMs } = asked;
      const leads = this.host.leaderOf(question.shard) ?? leader;
      const isThere = link.connected && link.connection === connection && leads === leader;
      if (isThere && nowMs - sinceMs < ANSWER_TIMEOUT_MS) continue;
      this.asked.delete(number);
      asked.answered(refused(question, Refusal.LOST));
    }
  }
}
