/** Commands over several slots while slots move: none fails, none runs twice, and none is overtaken by what its connection sends after it. */
import { describe, expect, it } from 'vitest';

import { slotOf } from '../../ring/index.ts';
import { COMMANDS } from '../../src/commands/table.ts';
import { SeededRandom } from '../../src/env/sim/random.ts';
import { Args } from '../../src/resp/args.ts';
import { compiledLookup, type CompiledCommand } from '../../src/server/compiled-command.ts';
import type { PeerForwarding } from '../../src/server/forwarding.ts';
import { Request, type RequestOwner } from '../../src/server/request.ts';
import type { Target } from '../../src/server/route.ts';
import { Router } from '../../src/server/router.ts';
import { commandArgs } from '../../src/shard/command-item.ts';
import { Refusal, type Elsewhere } from '../../src/shard/waiter.ts';
import { rangesOf } from '../../src/topology/slot-ranges.ts';
import type { Topology } from '../../src/topology/types.ts';
import { argsOf } from '../shard/encode.ts';

const lookup = compiledLookup(COMMANDS);
const TAGS = ['a', 'b', 'c', 'd', 'e', 'f'];
const SLOTS = TAGS.map((tag) => slotOf(Buffer.from(tag), 0, 1));
const MOVE = 7;

interface Sent {
  request: Request;
  stream: number;
}

/** What the logs of both shards say, whoever leads them. */
class Truth {
  /** 0: between the two. */
  readonly owners = new Map(SLOTS.map((slot) => [slot, 1]));
  readonly moves = new Map(SLOTS.map((slot) => [slot, 0]));
  /** By slot: numbers of commands that ran on it, in order. */
  readonly ran = new Map<number, string[]>(SLOTS.map((slot) => [slot, []]));
  readonly rows = new Map<string, string>();
}

/** Leads a shard: runs what is sent to it when the test says so. */
class Leader {
  readonly shard: number;
  readonly truth: Truth;
  readonly random: SeededRandom;
  queue: Sent[] = [];
  ended = 0;
  readonly target: Target = {
    isFull: false,
    send: (request, stream) => this.queue.push({ request, stream }),
    abandon: (of) => {
      this.queue = this.queue.filter(({ request }) => !of(request));
    },
  };

  constructor(shard: number, truth: Truth, random: SeededRandom) {
    this.shard = shard;
    this.truth = truth;
    this.random = random;
  }

  runOne(): void {
    const next = this.queue.shift();
    if (next === undefined) return;
    const { request, stream } = next;
    if (stream <= this.ended) request.refuse(Refusal.NOT_PROPOSED);
    else this.run(request, stream);
  }

  private run(request: Request, stream: number): void {
    const { truth, shard } = this;
    const args = new Args();
    commandArgs(request.bytes, request.start, args);
    const isDel = args.text(0) === 'del';
    const keys = Array.from({ length: isDel ? args.count - 1 : 1 }, (_, i) => args.text(i + 1));
    const apart = [...new Set(keys.map(slotOfKey))].filter((slot) => truth.owners.get(slot) !== shard);
    const row = `${request.slot} ${request.sequence}`;
    const known = truth.rows.get(row);
    if (truth.owners.get(request.slot) !== shard) this.displace(request);
    else if (known !== undefined) reply(request, known);
    else if (apart.length > 0)
      request.refuse(
        Refusal.PARTED,
        apart.toSorted((a, b) => a - b),
      );
    else {
      for (const key of keys) truth.ran.get(slotOfKey(key))?.push(key.slice(3));
      const text = isDel ? `:${keys.length}` : '+OK';
      truth.rows.set(row, text);
      if (this.random.below(20) > 0) reply(request, text);
      else this.lose(request, stream);
    }
  }

  private displace(request: Request): void {
    const owner = this.truth.owners.get(request.slot) ?? 0;
    const move = this.truth.moves.get(request.slot) ?? 0;
    const tells = owner !== 0 && this.random.below(2) === 0;
    const elsewhere: Elsewhere | undefined = tells ? { slot: request.slot, shard: owner, move } : undefined;
    request.refuse(owner === 0 ? Refusal.FROZEN : Refusal.MOVED, undefined, elsewhere);
  }

  /** Leadership is lost when it has run, or may have: nobody is told of it. */
  private lose(request: Request, stream: number): void {
    this.ended = Math.max(this.ended, stream);
    request.refuse(Refusal.LOST);
  }
}

function isAbout({ slot: first, span }: Request, slot: number): boolean {
  return first === slot || span?.slots.has(slot) === true;
}

function slotOfKey(key: string): number {
  return slotOf(Buffer.from(key), 0, key.length);
}

function reply(request: Request, text: string): void {
  const bytes = Buffer.from(`${text}\r\n`);
  request.reply(bytes, 0, bytes.length);
}

/** A node that leads neither shard, and one connection of it. */
class World implements RequestOwner {
  nowMs = 1000;
  holds = 0;
  readonly random: SeededRandom;
  readonly truth = new Truth();
  readonly leaders: Leader[];
  readonly router: Router;
  readonly replies = new Map<Request, string>();
  /** By slot: numbers of commands in the order sent. */
  readonly asked = new Map<number, string[]>(SLOTS.map((slot) => [slot, []]));
  parted = 0;
  private readonly sent: Request[] = [];
  private move = MOVE;
  private news: Elsewhere[] = [];
  private readonly written = [0, 0];

  constructor(seed: number) {
    this.random = new SeededRandom(seed);
    this.leaders = [1, 2].map((shard) => new Leader(shard, this.truth, this.random));
    const shards = [1, 2].map((id) => ({ id, replicas: [{ member: 1, node: `n${id}` }] }));
    const slots = [{ from: 0, to: 16383, shard: 1 }];
    const forwardings = this.leaders.map(
      ({ target }) =>
        ({
          link: { connected: true },
          target: () => target,
          sendFloors: () => {},
        }) as unknown as PeerForwarding,
    );
    const nowMs = (): number => this.nowMs;
    this.router = new Router(
      {
        self: 'here',
        session: Buffer.alloc(24),
        now: {
          get monotonicMs() {
            return nowMs();
          },
          wallMs: 0,
        },
        replica: () => undefined,
        forwarding: (node) => forwardings[Number(node.slice(1)) - 1],
        wake: () => {},
        wakeAfter: () => {},
        countIndeterminate: () => {},
        redirectAddress: (node) => `${node}:1`,
      },
      { generation: 0, epoch: 1, shards, slots, moves: [] } as unknown as Topology,
      { parkTimeoutMs: 2000, outcomeTimeoutMs: 5000, parkLimitBytes: 1_000_000 },
    );
    this.router.hint(1, 'n1', 1);
    this.router.hint(2, 'n2', 1);
    this.router.follow();
  }

  hold(): void {
    this.holds += 1;
  }

  release(): void {
    this.holds -= 1;
  }

  countPart({ way }: Request): void {
    this.written[way] += 1;
    this.parted += 1;
  }

  /** As a connection does. */
  mustWait(tags: readonly string[]): boolean {
    const slots = tags.map(slotOfKey);
    const isOpen = (request: Request): boolean => request.span !== null && !this.replies.has(request);
    return this.holds > 0 || this.sent.some((one) => isOpen(one) && slots.some((slot) => isAbout(one, slot)));
  }

  rerouted(request: Request, way: number): void {
    this.written[request.way] -= 1;
    this.written[way] += 1;
  }

  partFinished({ way }: Request): void {
    this.written[way] -= 1;
  }

  finished(request: Request): void {
    if (this.replies.has(request)) throw new Error('answered twice');
    const { replyBytes, replyStart, replyEnd } = request;
    this.replies.set(request, replyBytes.toString('latin1', replyStart, replyEnd - 2));
    this.written[request.way] -= 1;
  }

  get isBalanced(): boolean {
    return this.holds === 0 && this.written.every((count) => count === 0);
  }

  /** As the server does: what goes to one shard, as far as is known, is one request. */
  send(number: number, tags: readonly string[]): Request[] {
    const ways = new Map<number, string[]>();
    for (const tag of tags) {
      const key = `{${tag}}${number}`;
      this.asked.get(slotOfKey(key))?.push(String(number));
      const { index } = this.router.wayOfSlot(slotOfKey(key));
      // Slots that are held go by themselves.
      const isHeld = this.router.ways[index] !== this.router.wayOfSlot(slotOfKey(key));
      const group = isHeld ? 2 + slotOfKey(key) : index;
      ways.set(group, [...(ways.get(group) ?? []), key]);
    }
    return [...ways.values()].map((keys) => this.ask(keys));
  }

  private ask(keys: readonly string[]): Request {
    const words = keys.length === 1 ? ['set', keys[0], 'v'] : ['del', ...keys];
    const command = commandOf(words);
    const slots = new Set(keys.map(slotOfKey));
    const request = new Request();
    const way = this.router.wayOfSlot(slotOfKey(keys[0]));
    request.way = way.index;
    request.span = slots.size > 1 ? { command, slots } : null;
    this.written[way.index] += 1;
    this.sent.push(request);
    this.router.submit(request, this, way, command, argsOf(...words), 0, false, slotOfKey(keys[0]), false);
    return request;
  }

  /** One thing happens somewhere. */
  step(): void {
    const { random } = this;
    const slot = SLOTS[random.below(SLOTS.length)];
    switch (random.below(8)) {
      case 0:
        this.moveOn(slot);
        break;
      case 1:
        for (const { slot: at, shard, move } of this.news.splice(0))
          this.router.learnOwner([{ from: at, to: at }], shard, move);
        break;
      case 2:
        this.nowMs += random.below(12);
        this.router.follow();
        this.checkMap();
        break;
      default:
        this.leaders[random.below(2)].runOne();
    }
  }

  /** Every slot is told once, and in as few runs as can be: so do CLUSTER SLOTS, SHARDS and NODES. */
  private checkMap(): void {
    const { ways } = this.router;
    const runs = ways.flatMap((way) => way.runs).toSorted((one, other) => one.from - other.from);
    for (const [i, { from, shard }] of runs.entries()) {
      expect(from).toBe(i === 0 ? 0 : runs[i - 1].to + 1);
      if (i > 0) expect(shard).not.toBe(runs[i - 1].shard);
    }
    expect(runs.at(-1)?.to).toBe(16383);
    expect(ways.reduce((sum, { slotCount }) => sum + slotCount, 0)).toBe(16384);
  }

  private moveOn(slot: number): void {
    const { owners, moves } = this.truth;
    if (owners.get(slot) !== 0) {
      // Back and forth: the next owner is the other one, or the same once more.
      owners.set(slot, 0);
      return;
    }
    const shard = 1 + this.random.below(2);
    // What is under way arrives sooner than a slot comes back.
    if (this.leaders[shard - 1].queue.some(({ request }) => isAbout(request, slot))) return;
    this.move += 1;
    moves.set(slot, this.move);
    owners.set(slot, shard);
    this.news.push({ slot, shard, move: this.move });
  }

  settle(): void {
    for (let turn = 0; turn < 100; turn++) {
      for (const slot of SLOTS) if (this.truth.owners.get(slot) === 0) this.moveOn(slot);
      for (const { slot, shard, move } of this.news.splice(0))
        this.router.learnOwner(rangesOf([slot]), shard, move);
      this.nowMs += 5;
      this.router.follow();
      for (const leader of this.leaders) for (let i = 0; i < 50; i++) leader.runOne();
    }
  }
}

function commandOf(words: readonly string[]): CompiledCommand {
  const command = lookup(argsOf(...words));
  if (command === null) throw new Error('no such command');
  return command;
}

describe('commands over several slots', () => {
  it('run once on each of them, in the order sent, whatever moves meanwhile', () => {
    let parted = 0;
    for (let seed = 1; seed <= 60; seed++) {
      const world = new World(seed);
      const requests: Request[] = [];
      for (let number = 0; number < 30; number++) {
        for (let steps = world.random.below(8); steps > 0; steps--) world.step();
        const tags = TAGS.filter(() => world.random.below(3) === 0);
        for (let waits = 0; world.mustWait(tags) && waits < 500; waits++) world.step();
        if (world.mustWait(tags)) break;
        if (tags.length > 0) requests.push(...world.send(number, tags));
      }
      world.settle();
      for (const request of requests)
        expect([seed, world.replies.get(request)]).toEqual([seed, expect.stringMatching(/^(:\d|\+OK)$/)]);
      for (const slot of SLOTS)
        expect([seed, slot, world.truth.ran.get(slot)]).toEqual([seed, slot, world.asked.get(slot)]);
      expect([seed, world.isBalanced, world.router.parking.bytes]).toEqual([seed, true, 0]);
      parted += world.parted;
    }
    expect(parted).toBeGreaterThan(200);
  });
});
