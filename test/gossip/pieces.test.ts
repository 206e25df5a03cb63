/** The pieces by themselves: memberlist's formulas, local health, what is passed on how often, push-pull's parts. */
import { describe, expect, test } from 'vitest';
import { Awareness } from '../../src/gossip/awareness.ts';
import { BroadcastQueue, retransmits } from '../../src/gossip/broadcast-queue.ts';
import { MESSAGE_BYTES_MOST, messageBytes, rumourBytes } from '../../src/gossip/codec.ts';
import { Gossip } from '../../src/gossip/gossip.ts';
import { INCARNATION_MOST } from '../../src/gossip/member.ts';
import { MemberTable } from '../../src/gossip/member-table.ts';
import { fitted, LEADS_MOST, METADATA_BYTES_MOST, metadataBytes } from '../../src/gossip/metadata.ts';
import { PRESETS } from '../../src/gossip/presets.ts';
import { differingRows, pushPullIntervalMs } from '../../src/gossip/push-pull.ts';
import { Suspicion, suspicionTimes } from '../../src/gossip/suspicion.ts';
import { MEMBERS_MOST, type Rumour } from '../../src/gossip/types.ts';
import { SeededRandom } from '../sim/raft/random.ts';
import { metadataOf } from '../sim/gossip/world.ts';

function nameOf(number: number): string {
  return number.toString(16).padStart(40, '0');
}

function suspicionOf(number: number): Rumour {
  return { kind: 'suspect', name: nameOf(number), incarnation: 1, from: nameOf(0) };
}

describe('a suspicion', () => {
  test('of 5 members takes 4 s at least and 24 s at most, with lan', () => {
    expect(suspicionTimes(PRESETS.lan, 5, true)).toEqual({
      minMs: 4000,
      maxMs: 24_000,
      confirmationsWanted: 2,
    });
  });

  test('takes three times as long among 1,000', () => {
    expect(suspicionTimes(PRESETS.lan, 1000, true).minMs).toBeCloseTo(12_000);
  });

  test('shrinks with the logarithm of distinct confirmations', () => {
    const suspicion = new Suspicion(suspicionTimes(PRESETS.lan, 5, true), 'a', 100);
    expect(suspicion.deadlineMs).toBe(24_100);
    expect(suspicion.confirm('a')).toBe(false);
    expect(suspicion.confirm('b')).toBe(true);
    expect(suspicion.deadlineMs).toBe(100 + Math.floor(24_000 - (Math.log(2) / Math.log(3)) * 20_000));
    expect(suspicion.confirm('b')).toBe(false);
    expect(suspicion.confirm('c')).toBe(true);
    expect(suspicion.deadlineMs).toBe(4100);
    expect(suspicion.confirm('d')).toBe(false);
  });

  test('takes the least time where nobody could confirm it, and in plain SWIM', () => {
    expect(suspicionTimes(PRESETS.lan, 3, true).confirmationsWanted).toBe(0);
    expect(suspicionTimes(PRESETS.lan, 50, false).confirmationsWanted).toBe(0);
    const suspicion = new Suspicion(suspicionTimes(PRESETS.lan, 3, true), 'a', 0);
    expect(suspicion.deadlineMs).toBe(4000);
  });

  test('is longer by what this member stood still', () => {
    const suspicion = new Suspicion(suspicionTimes(PRESETS.lan, 3, true), 'a', 0);
    suspicion.postpone(2500);
    expect(suspicion.deadlineMs).toBe(6500);
  });
});

test('local health stays between 0 and its limit, and makes timeouts longer', () => {
  const awareness = new Awareness(8);
  awareness.change(-1);
  expect([awareness.score, awareness.scaled(500)]).toEqual([0, 500]);
  awareness.change(3);
  expect(awareness.scaled(500)).toBe(2000);
  awareness.change(100);
  expect([awareness.score, awareness.scaled(500)]).toEqual([7, 4000]);
});

describe('what is passed on', () => {
  test('is sent a number of times that grows with the places of the number of members', () => {
    expect([1, 9, 10, 99, 100, 1000].map((members) => retransmits(4, members))).toEqual([4, 4, 8, 8, 12, 16]);
  });

  test('is forgotten when it was sent so often', () => {
    const queue = new BroadcastQueue();
    queue.add(suspicionOf(1));
    for (let round = 0; round < 3; round++) {
      expect(queue.size).toBe(1);
      expect(taken(queue, 1000, 3)).toEqual([1]);
    }
    expect(queue.size).toBe(0);
    expect(taken(queue, 1000, 3)).toEqual([]);
  });

  test('keeps within the budget, and those sent least come first', () => {
    const queue = new BroadcastQueue();
    const each = rumourBytes(suspicionOf(1));
    for (let number = 1; number <= 5; number++) queue.add(suspicionOf(number));
    expect(taken(queue, 2 * each + 1, 4)).toEqual([1, 2]);
    expect(taken(queue, 2 * each + 1, 4)).toEqual([3, 4]);
    expect(taken(queue, 2 * each + 1, 4)).toEqual([5, 1]);
  });

  test('is one rumour a member: what was said before is out of date', () => {
    const queue = new BroadcastQueue();
    queue.add(suspicionOf(1));
    const newer: Rumour = { ...suspicionOf(1), incarnation: 2 };
    queue.add(newer);
    const rumours: Rumour[] = [];
    queue.take(rumours, 1000, 4, null);
    expect(rumours).toEqual([newer]);
  });

  test('is not told to the member that it is about', () => {
    const queue = new BroadcastQueue();
    queue.add(suspicionOf(1));
    queue.add(suspicionOf(2));
    const rumours: Rumour[] = [];
    queue.take(rumours, 1000, 4, nameOf(1));
    expect(rumours).toEqual([suspicionOf(2)]);
    expect(queue.size).toBe(2);
  });

  function taken(queue: BroadcastQueue, budgetBytes: number, most: number): number[] {
    const rumours: Rumour[] = [];
    queue.take(rumours, budgetBytes, most, null);
    return rumours.map(({ name }) => parseInt(name, 16));
  }
});

describe('push-pull', () => {
  const random = new SeededRandom(1);

  function table(count: number, incarnation: (number: number) => number): MemberTable {
    const members = new MemberTable(nameOf(0), () => random.uint32(), 0);
    for (let number = 1; number <= count; number++) {
      const name = (number * 0x9e37_79b1).toString(16).padStart(12, '0').slice(-8).padEnd(40, '7');
      const member = members.add(name, 'alive', 0);
      member.metadata = metadataOf(`node-${number}`);
      members.change(member, 'alive', incarnation(number), 0);
    }
    return members;
  }

  test('exchanges nothing where both agree', () => {
    expect(
      differingRows(
        table(100, () => 5),
        table(100, () => 5).hashes,
      ),
    ).toEqual([]);
  });

  test('tells what is in the buckets that differ', () => {
    const one = table(100, () => 5);
    const other = table(100, (number) => (number === 17 ? 6 : 5));
    const rows = differingRows(one, other.hashes).flat();
    expect(rows.length).toBeGreaterThan(0);
    expect(rows.length).toBeLessThan(10);
    const differing = one.list[17].name;
    expect(rows.map(({ name }) => name)).toContain(differing);
  });

  test('tells all to one who knows nothing, in messages within their limit', () => {
    const members = table(1000, () => 5);
    const parts = differingRows(members, new Uint32Array(64));
    expect(parts.flat()).toHaveLength(1000);
    for (const rumours of parts) {
      const hashes = members.hashes;
      const epoch = { generation: 1, epoch: 1 };
      expect(messageBytes({ kind: 'sync-rows', epoch, hashes, wantsRows: true, rumours })).toBeLessThan(
        MESSAGE_BYTES_MOST,
      );
    }
  });

  test('comes more seldom in large clusters', () => {
    expect([3, 32, 33, 64, 65, 1000].map((members) => pushPullIntervalMs(30, members))).toEqual([
      30, 30, 60, 60, 90, 180,
    ]);
  });
});

test('metadata is shortened to its limit', () => {
  const metadata = metadataOf('node-1');
  expect(fitted(metadata)).toEqual(metadata);
  const leads = Array.from({ length: 100 }, (_, shard) => ({ shard, term: 1 }));
  const long = 'ü'.repeat(1000);
  const large = { ...metadata, label: long, host: long, zone: long, machine: long, version: long, leads };
  const fits = fitted(large);
  expect(metadataBytes(fits)).toBeLessThanOrEqual(METADATA_BYTES_MOST);
  expect(fits.leads).toHaveLength(LEADS_MOST);
  expect(fits.host).toBe('ü'.repeat(127));
});

test('more members than the limit are refused, and counted', () => {
  const random = new SeededRandom(1);
  const config = {
    self: nameOf(0),
    start: 1,
    metadata: metadataOf('self'),
    settings: PRESETS.lan,
    lifeguard: true,
    random: () => random.uint32(),
  };
  const gossip = new Gossip(config, 0);
  const epoch = { generation: 1, epoch: 1 };
  const rumours = Array.from({ length: MEMBERS_MOST + 10 }, (_, at) => ({
    kind: 'alive' as const,
    name: nameOf(at + 1),
    incarnation: 1,
    metadata: metadataOf(`node-${at}`),
  }));
  gossip.step(nameOf(1), { kind: 'gossip', epoch, rumours }, 0);
  expect(gossip.members).toHaveLength(MEMBERS_MOST);
  expect(gossip.counters.refusedMembers).toBe(11);
  expect(gossip.queued).toBeLessThanOrEqual(MEMBERS_MOST);
});

describe('a member that is accused in the greatest incarnation', () => {
  test('says nothing that others could not read', () => {
    const random = new SeededRandom(1);
    const [self, other] = [nameOf(1), nameOf(2)];
    const config = { self, start: 1, metadata: metadataOf('self'), settings: PRESETS.lan, lifeguard: true };
    const gossip = new Gossip({ ...config, random: () => random.uint32() }, 0);
    const epoch = { generation: 1, epoch: 1 };
    for (const incarnation of [INCARNATION_MOST - 1, INCARNATION_MOST]) {
      const accusation = { kind: 'dead', name: self, incarnation, from: other } as const;
      gossip.step(other, { kind: 'gossip', epoch, rumours: [accusation] }, 0);
    }
    gossip.announce({ ...metadataOf('self'), weight: 7 }, 60_000);
    expect(gossip.member(self)).toMatchObject({ state: 'alive', incarnation: INCARNATION_MOST });
  });
});

describe('a probe', () => {
  test('is acknowledged by whom it asked, not by another', () => {
    const random = new SeededRandom(1);
    const [self, other, third] = [nameOf(1), nameOf(2), nameOf(3)];
    const config = { self, start: 1, metadata: metadataOf('self'), settings: PRESETS.lan, lifeguard: true };
    const gossip = new Gossip({ ...config, random: () => random.uint32() }, 0);
    gossip.expect([self, other, third], 0);
    gossip.takeEvents();
    let sent = gossip.takeOutgoing();
    for (let nowMs = 0; !sent.some(({ message }) => message.kind === 'ping'); nowMs += 50) {
      gossip.tick(nowMs, 0);
      sent = gossip.takeOutgoing();
    }
    const [{ to, message }] = sent;
    const ack = {
      kind: 'ack',
      sequence: 'sequence' in message ? message.sequence : 0,
      epoch: message.epoch,
      rumours: [],
    } as const;
    gossip.step(to === other ? third : other, ack, 2000);
    expect(gossip.takeEvents()).toEqual([]);
    gossip.step(to, ack, 2000);
    expect(gossip.takeEvents()).toMatchObject([{ kind: 'round-trip', name: to }]);
  });
});
