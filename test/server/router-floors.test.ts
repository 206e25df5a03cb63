/** Floors of quiet slots (design section 5, "Exactly once"): they let the rows of a slot go that is not written any more. */
import { describe, expect, it } from 'vitest';

import { slotOf } from '../../ring/index.ts';
import { COMMANDS } from '../../src/commands/table.ts';
import { compiledLookup } from '../../src/server/compiled-command.ts';
import { PeerForwarding } from '../../src/server/forwarding.ts';
import { Request } from '../../src/server/request.ts';
import { Router } from '../../src/server/router.ts';
import { sessionId } from '../../src/shard/batch.ts';
import { ItemType, itemSize, itemType } from '../../src/shard/command-item.ts';
import { eachFloor } from '../../src/shard/prelude.ts';
import type { Topology } from '../../src/topology/types.ts';
import { SectionKind, type PeerLink } from '../../src/transport/types.ts';
import { argsOf } from '../shard/encode.ts';
import { FakeLink, NODE } from './fake-link.ts';

const SELF = 'a'.repeat(40);
const SHARD = 1;
const FORWARD_HEADER_BYTES = 12;
const OK = Buffer.from('+OK\r\n');
const LIMITS = { parkTimeoutMs: 2000, outcomeTimeoutMs: 5000, parkLimitBytes: 1_000_000 };
const TOPOLOGY: Topology = {
  clusterId: 'c'.repeat(40),
  generation: 1,
  epoch: 1,
  version: 1,
  nodes: [],
  nextOrdinal: 1,
  nextGroup: 1,
  shards: [{ id: SHARD, group: 1, home: NODE, replicas: [], first: [], nextMember: 1 }],
  slots: [{ from: 0, to: 16383, shard: SHARD }],
  voters: [NODE],
  moves: [],
};

class World {
  readonly link = new FakeLink();
  readonly forwarding = new PeerForwarding(
    this.link as unknown as PeerLink,
    { replica: () => undefined, disown: () => {}, wake: () => {}, after: () => {} },
    { sent: 0, served: 0, malformed: 0 },
  );
  readonly router = new Router(
    {
      self: SELF,
      session: sessionId(SELF, 1),
      now: { monotonicMs: 0, wallMs: 0 },
      replica: () => undefined,
      forwarding: () => this.forwarding,
      wake: () => {},
      wakeAfter: () => {},
      countIndeterminate: () => {},
      redirectAddress: (node) => `${node}:1`,
    },
    TOPOLOGY,
    LIMITS,
  );
  private readonly lookup = compiledLookup(COMMANDS);

  constructor() {
    this.forwarding.connected();
    this.router.hint(SHARD, NODE, 5);
    this.router.follow();
  }

  write(key: string): Request {
    const args = argsOf('set', key, 'v');
    const command = this.lookup(args);
    if (command === null) throw new Error('SET is a command');
    const request = new Request();
    const owner = {
      finished: () => {},
      hold: () => {},
      release: () => {},
      rerouted: () => {},
      countPart: () => {},
      partFinished: () => {},
    };
    const slot = slotOfKey(key);
    this.router.submit(request, owner, this.router.ways[0], command, args, 0, false, slot, false);
    return request;
  }

  /** The slots whose floors were sent since this was asked last. */
  told(): number[] {
    this.router.tellFloors();
    const bytes = this.link.take(SectionKind.FORWARD);
    const slots: number[] = [];
    for (let at = 0; at < bytes.length;) {
      const item = at + FORWARD_HEADER_BYTES;
      if (itemType(bytes, item) === ItemType.FLOORS)
        eachFloor(bytes, item, itemSize(bytes, item), (slot) => slots.push(slot));
      at = item + itemSize(bytes, item);
    }
    return slots;
  }
}

function slotOfKey(key: string): number {
  const bytes = Buffer.from(key);
  return slotOf(bytes, 0, bytes.length);
}

describe('floors of quiet slots', () => {
  it('are told while other slots of the shard are busy, and again when the connection that told them is gone', () => {
    const world = new World();
    const quiet = world.write('quiet');
    world.write('busy');
    quiet.reply(OK, 0, OK.length);
    expect(world.told()).toEqual([slotOfKey('quiet')]);
    expect(world.told()).toEqual([]);
    world.link.connected = false;
    world.router.follow();
    world.link.connected = true;
    world.link.connection += 1;
    world.forwarding.connected();
    world.router.follow();
    expect(world.told()).toEqual([slotOfKey('quiet')]);
    expect(world.told()).toEqual([]);
  });

  it('wait for a leader', () => {
    const world = new World();
    world.write('quiet').reply(OK, 0, OK.length);
    world.link.connected = false;
    world.router.follow();
    expect(world.told()).toEqual([]);
    world.link.connected = true;
    world.forwarding.connected();
    world.router.follow();
    expect(world.told()).toEqual([slotOfKey('quiet')]);
  });
});
