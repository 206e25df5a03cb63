/** The gossip of a node at its joints: sections, lines that are closed or too long, what is malformed. */
import { describe, expect, it } from 'vitest';
import { decodeMessage, encodeMessage } from '../../src/gossip/codec.ts';
import { PRESETS } from '../../src/gossip/presets.ts';
import type { Message } from '../../src/gossip/types.ts';
import type { LogEvent } from '../../src/log.ts';
import { NodeGossip } from '../../src/server/node-gossip.ts';
import type { NodeEntry, Topology } from '../../src/topology/types.ts';
import { SectionKind, type PeerLink } from '../../src/transport/types.ts';
import { SeededRandom } from '../sim/raft/random.ts';
import { metadataOf } from '../sim/gossip/world.ts';
import { FakeLink, NODE } from './fake-link.ts';

const SELF = 'a'.repeat(40);

function entry(id: string): NodeEntry {
  const { label: _, version: __, load: ___, epoch: ____, leads: _____, ...announced } = metadataOf('x');
  return { ...announced, id, ordinal: 1 };
}

function rig() {
  const link = new FakeLink();
  const peer = link as unknown as PeerLink;
  const random = new SeededRandom(1);
  const events: LogEvent[] = [];
  const tell = (event: LogEvent): void => void events.push(event);
  const clock = { nowMs: 0, worstMs: 0 };
  const topology = { nodes: [entry(SELF), entry(NODE)], generation: 1, epoch: 1 } as unknown as Topology;
  const gossip = new NodeGossip({
    self: SELF,
    start: 1,
    settings: PRESETS.lan,
    topology,
    links: () => new Map([[NODE, peer]]),
    nowMs: () => clock.nowMs,
    worstDelayMs: () => clock.worstMs,
    metadata: () => metadataOf('self'),
    random: () => random.uint32(),
    wake: () => {},
    log: { debug: tell, info: tell, warn: tell, error: tell },
  });
  const sent = (): Message[] => messagesIn(link.take(SectionKind.GOSSIP));
  const alive: Message = {
    kind: 'gossip',
    epoch: { generation: 1, epoch: 1 },
    rumours: [{ kind: 'alive', name: NODE, incarnation: 2 ** 24 + 1, metadata: metadataOf('other') }],
  };
  const state = (): string | undefined => gossip.gossip.member(NODE)?.state;
  return { gossip, link, peer, clock, events, sent, alive, state };
}

/** As they lie in a section: each behind its length. */
function sectionOf(...messages: Message[]): Buffer {
  return Buffer.concat(
    messages.flatMap((message) => {
      const bytes = encodeMessage(message);
      const length = Buffer.alloc(4);
      length.writeUInt32LE(bytes.length);
      return [length, bytes];
    }),
  );
}

function messagesIn(section: Buffer): Message[] {
  const messages: Message[] = [];
  for (let at = 0; at < section.length;) {
    const end = at + 4 + section.readUInt32LE(at);
    messages.push(decodeMessage(section, at + 4, end));
    at = end;
  }
  return messages;
}

describe('the gossip of a node', () => {
  it('compares what both know when a connection opens, and takes in all messages of a section', () => {
    const { gossip, peer, sent, alive, state } = rig();
    gossip.connected(peer);
    expect(sent().map(({ kind }) => kind)).toEqual(['sync']);
    expect(state()).toBe('suspect');
    const ping: Message = { kind: 'ping', sequence: 7, epoch: alive.epoch, rumours: [] };
    const section = Buffer.concat([Buffer.alloc(3), sectionOf(alive, ping)]);
    expect(gossip.onSection(peer, section, 3, section.length)).toBe(true);
    expect(state()).toBe('alive');
    expect(sent().map(({ kind }) => kind)).toEqual(['ack']);
    expect(gossip.traffic).toMatchObject({ sentMessages: 2, receivedMessages: 2 });
    expect(gossip.traffic.receivedBytes).toBe(section.length - 3);
  });

  it('takes in nothing of a section that is malformed anywhere', () => {
    const { gossip, peer, alive, state } = rig();
    const good = sectionOf(alive);
    const wrong = Buffer.from(good);
    wrong[4] = 99;
    for (const bad of [
      good.subarray(0, -1),
      Buffer.concat([good, Buffer.alloc(3)]),
      Buffer.concat([good, wrong]),
    ])
      expect(gossip.onSection(peer, bad, 0, bad.length)).toBe(false);
    expect(state()).toBe('suspect');
  });

  it('suspects whose connection closes, and says so once', () => {
    const { gossip, link, peer, alive, state, events } = rig();
    const section = sectionOf(alive);
    gossip.onSection(peer, section, 0, section.length);
    link.connected = false;
    gossip.disconnected(peer);
    gossip.disconnected(peer);
    gossip.look(0);
    expect(state()).toBe('suspect');
    expect(events).toEqual(['node-suspected']);
  });

  it('does not suspect whom a newer connection is open to by then', () => {
    const { gossip, link, peer, alive, state } = rig();
    const section = sectionOf(alive);
    gossip.onSection(peer, section, 0, section.length);
    link.connected = false;
    gossip.disconnected(peer);
    link.connected = true;
    gossip.look(0);
    expect(state()).toBe('alive');
  });

  it('does not log as suspected or back whom it hears for the first time', () => {
    const { gossip, peer, alive, events } = rig();
    const section = sectionOf(alive);
    gossip.onSection(peer, section, 0, section.length);
    expect(events).toEqual([]);
  });

  it('sends nothing where there is no connection, or too much waits on it', () => {
    const { gossip, link, peer } = rig();
    link.queuedBytes = 9 * 1024 * 1024;
    gossip.connected(peer);
    link.queuedBytes = 0;
    link.connected = false;
    gossip.connected(peer);
    expect(gossip.traffic.sentMessages).toBe(0);
  });

  it('doubts itself by how late it is, as its timer or its event loop tells', () => {
    const { gossip, clock } = rig();
    clock.nowMs = 1000;
    gossip.look(600);
    expect(gossip.gossip.localHealth).toBe(2);
    clock.nowMs = 5000;
    clock.worstMs = 300;
    gossip.look(0);
    expect(gossip.gossip.localHealth).toBeGreaterThan(2);
  });

  it('measures probes, and logs a death', () => {
    const { gossip, peer, clock, sent, alive, events } = rig();
    const section = sectionOf(alive);
    gossip.onSection(peer, section, 0, section.length);
    while (gossip.gossip.counters.probes === 0) {
      clock.nowMs += 100;
      gossip.look(0);
    }
    const ping = sent().find(({ kind }) => kind === 'ping') as Extract<Message, { sequence: number }>;
    clock.nowMs += 3;
    const ack = sectionOf({ kind: 'ack', sequence: ping.sequence, epoch: alive.epoch, rumours: [] });
    gossip.onSection(peer, ack, 0, ack.length);
    expect([gossip.probeDuration.count, gossip.probeDuration.sum]).toEqual([1, 3]);
    for (; clock.nowMs < 20_000; clock.nowMs += 100) gossip.look(0);
    expect(events).toEqual(['node-suspected', 'node-dead']);
  });
});
