/** Looks on at what leaders are asked by other nodes: who has refused one command of a stream refuses all that follow in it (route.ts). */
import { ForwardedCommand, type PeerForwarding } from '../../../../src/server/forwarding.ts';
import type { Replica } from '../../../../src/shard/replica.ts';
import { Refusal, type Waiter } from '../../../../src/shard/waiter.ts';
import type { Broken } from './group-law.ts';

/** After these nothing of the stream may have run. */
const ENDING: readonly Refusal[] = [Refusal.NOT_PROPOSED, Refusal.LOST, Refusal.READ_LOST];

export class StreamWatch {
  private readonly broken: Broken;
  /** By who asks, over which connection, and by shard: the latest stream in which something was refused. */
  private readonly ended = new WeakMap<PeerForwarding, Map<string, number>>();

  constructor(broken: Broken) {
    this.broken = broken;
  }

  watch(replica: Replica): void {
    const [write, read, ride] = [
      replica.submitWrite.bind(replica),
      replica.submitRead.bind(replica),
      replica.submitRidingRead.bind(replica),
    ];
    replica.submitWrite = (waiter, ...of) => write(this.taken(waiter), ...of);
    replica.submitRead = (waiter, ...of) => read(this.taken(waiter), ...of);
    replica.submitRidingRead = (waiter, ...of) => ride(this.taken(waiter), ...of);
  }

  private taken(waiter: Waiter): Waiter {
    if (!(waiter instanceof ForwardedCommand)) return waiter;
    const { peer, shard, stream } = waiter;
    const key = `${peer.link.connection}/${shard}`;
    const ended = this.ended.get(peer)?.get(key) ?? 0;
    if (stream <= ended)
      this.broken(
        'streams-in-order',
        `shard ${shard} takes a command of a stream in which another was refused`,
      );
    const refuse = waiter.refuse.bind(waiter);
    waiter.refuse = (refusal) => {
      if (ENDING.includes(refusal)) this.end(peer, key, stream);
      refuse(refusal);
    };
    return waiter;
  }

  private end(peer: PeerForwarding, key: string, stream: number): void {
    let ended = this.ended.get(peer);
    if (ended === undefined) this.ended.set(peer, (ended = new Map()));
    ended.set(key, Math.max(stream, ended.get(key) ?? 0));
  }
}
