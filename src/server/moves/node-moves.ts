/** What a node does about moves: drives those whose source it leads, serves those whose target it leads, and tells all who route what it learns. */
import { unreachable } from '../../assert.ts';
import type { Env } from '../../env/contracts.ts';
import type { Log } from '../../log.ts';
import type { Histogram } from '../../metrics/histogram.ts';
import type { Engine } from '../../shard/engine.ts';
import type { Replica } from '../../shard/replica.ts';
import type { MoveId, NodeId, ShardId, SlotRange, Topology } from '../../topology/types.ts';
import { SectionKind, type PeerLink } from '../../transport/types.ts';
import type { Router } from '../router.ts';
import type { TopologySpread } from '../topology-spread.ts';
import { encodeMoveMessage, NO_ITEMS, readMoveMessages, type MoveMessage } from './move-messages.ts';
import { MoveQuestions } from './move-questions.ts';
import { MoveTarget } from './move-target.ts';
import { Mover } from './mover.ts';

export interface NodeMovesParts {
  readonly self: NodeId;
  readonly env: Env;
  readonly engine: Engine;
  readonly router: Router;
  readonly replicas: { readonly list: readonly Replica[]; of(shard: ShardId): Replica | undefined };
  spread(): TopologySpread;
  links(): ReadonlyMap<NodeId, PeerLink>;
  topology(): Topology;
  latencies(): Iterable<Histogram | null>;
  maxBytesPerSecond(): number;
  readonly log: Log;
}

export class NodeMoves {
  readonly mover: Mover;
  private readonly parts: NodeMovesParts;
  private readonly target: MoveTarget;
  private readonly questions: MoveQuestions;
  private lateMs = 0;

  constructor(parts: NodeMovesParts) {
    this.parts = parts;
    const { engine, env, replicas, router } = parts;
    const wake = (): void => engine.wake();
    this.target = new MoveTarget({
      replica: (shard) => replicas.of(shard),
      now: engine.now,
      lateMs: () => this.lateMs,
      activated: (move, shard, slots) => this.announce(move, shard, slots),
      wake,
    });
    this.questions = new MoveQuestions({
      self: parts.self,
      nowMs: () => engine.now.monotonicMs,
      leaderOf: (shard) => router.leaderOf(shard),
      link: (node) => parts.links().get(node),
      target: this.target,
      wake,
    });
    this.mover = new Mover({
      now: engine.now,
      replicas: replicas.list,
      questions: this.questions,
      topology: () => parts.topology(),
      spread: () => parts.spread(),
      latencies: () => parts.latencies(),
      maxBytesPerSecond: () => parts.maxBytesPerSecond(),
      wake,
      wakeAfter: (delayMs, fired) => {
        env.timers.after(delayMs, () => {
          fired();
          engine.wake();
        });
      },
      log: parts.log,
    });
  }

  /** Told now and then how late the event loop came. */
  cameLate(lateMs: number): void {
    this.lateMs = lateMs;
    this.mover.cameLate(lateMs);
  }

  /** Called in each turn, before batches are sealed. */
  turn(): void {
    this.mover.turn();
  }

  /** False when the section is malformed. */
  onSection(peer: PeerLink, bytes: Buffer, start: number, end: number): boolean {
    let isGood = true;
    const isRead = readMoveMessages(bytes, start, end, (message, items) => {
      if (!this.take(peer, message, items)) isGood = false;
    });
    return isRead && isGood;
  }

  private take(peer: PeerLink, message: MoveMessage, items: Buffer): boolean {
    switch (message.kind) {
      case 'ask': {
        const { connection } = peer;
        return this.target.serve(message, items, (answer) => {
          if (peer.connected && peer.connection === connection) this.send(peer, answer);
        });
      }
      case 'answer':
        this.mover.cameLate(message.lateMs);
        this.questions.onAnswer(message);
        return true;
      case 'owner':
        this.parts.router.learnOwner(message.slots, message.shard, message.move);
        return true;
      default:
        return unreachable(message, 'message');
    }
  }

  /** What was refused waits for this, here and on other nodes. */
  private announce(move: MoveId, shard: ShardId, slots: readonly SlotRange[]): void {
    this.parts.router.learnOwner(slots, shard, move);
    const message: MoveMessage = { kind: 'owner', move, shard, slots: [...slots] };
    for (const link of this.parts.links().values()) if (link.connected) this.send(link, message);
  }

  private send(link: PeerLink, message: MoveMessage): void {
    const bytes = encodeMoveMessage(message, NO_ITEMS);
    link.section(SectionKind.MOVES).bytes(bytes, 0, bytes.length);
    this.parts.engine.wake();
  }
}
