/**
 * A command over several shards: one part per shard, each a request of its own, and one reply made of theirs. Parts run at once and each is
 * atomic in its shard alone; if the outcome of one is unknown, so is the whole.
 */
import { ReplyWriter } from '../resp/reply-writer.ts';
import type { Connection } from './connection.ts';
import { MergedReply, type Merge } from './merged-reply.ts';
import type { Request, RequestOwner } from './request.ts';

export class Gather implements RequestOwner {
  private readonly connection: Connection;
  private readonly place: Request;
  private readonly merged: MergedReply;
  private readonly done: (place: Request, reply: ReplyWriter, tail: readonly Buffer[]) => void;

  constructor(
    connection: Connection,
    place: Request,
    merge: Merge,
    isWrite: boolean,
    parts: number,
    order: readonly number[],
    done: (place: Request, reply: ReplyWriter, tail: readonly Buffer[]) => void,
  ) {
    this.connection = connection;
    this.place = place;
    this.merged = new MergedReply(merge, isWrite, parts, order);
    this.done = done;
  }

  hold(): void {
    this.connection.hold();
  }

  release(): void {
    this.connection.release();
  }

  rerouted(request: Request, way: number): void {
    this.connection.rerouted(request, way);
  }

  countPart(part: Request): void {
    this.connection.countPart(part);
  }

  partFinished(part: Request): void {
    this.connection.partFinished(part);
  }

  finished(request: Request): void {
    this.connection.keepPart(this.place, this.merged.take(request));
    this.connection.partFinished(request);
    if (!this.merged.isWhole) return;
    const whole = new ReplyWriter(256);
    whole.protocol = this.connection.protocol;
    this.done(this.place, whole, this.merged.write(whole));
  }
}
