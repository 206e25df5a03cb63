import * as fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';

import { MalformedSectionError } from '../../src/transport/malformed.ts';
import {
  IncomingParcels,
  OutgoingParcels,
  PARCELS_OPEN_BYTES,
  PARCEL_CHUNK_BYTES,
  PARCEL_WINDOW_BYTES,
} from '../../src/transport/parcels.ts';
import { SectionBuffer } from '../../src/transport/section-buffer.ts';
import { SectionKind } from '../../src/transport/types.ts';
import { localPeer, openMeshes, until, type TestNode } from './support.ts';

const { FORWARD, REPLIES } = SectionKind;
const NO_HEAD = Buffer.alloc(0);

/** Both sides of a connection, carried by hand. */
class Pair {
  readonly sender = new OutgoingParcels();
  readonly delivered: { kind: SectionKind; text: string }[] = [];
  parts = 0;
  readonly receiver = new IncomingParcels({
    whole: (kind, bytes) => this.delivered.push({ kind, text: bytes.toString('latin1') }),
    part: () => (this.parts += 1),
  });

  add(kind: SectionKind, text: string, head = ''): ReturnType<OutgoingParcels['add']> {
    const bytes = Buffer.from(`..${text}.`, 'latin1');
    return this.sender.add(kind, Buffer.from(head), bytes, 2, bytes.length - 1);
  }

  /** What the window lets through now. */
  written(): Buffer {
    const section = new SectionBuffer();
    if (this.sender.canWrite) this.sender.write(section);
    return taken(section);
  }

  receive(bytes: Buffer): void {
    this.receiver.receive(bytes, 0, bytes.length);
  }

  acknowledge(): void {
    const section = new SectionBuffer();
    this.receiver.acknowledge(section);
    this.sender.acknowledged(taken(section).readUInt32LE(0));
  }

  /** Until nothing is left to do. */
  run(): number {
    let rounds = 0;
    while (this.sender.canWrite) {
      this.receive(this.written());
      this.acknowledge();
      rounds += 1;
    }
    return rounds;
  }
}

function taken(section: SectionBuffer): Buffer {
  const bytes = Buffer.alloc(section.sizeBytes);
  section.moveTo(bytes, 0);
  return bytes;
}

function filled(char: string, sizeBytes: number): string {
  return char.repeat(sizeBytes);
}

describe('parcels', () => {
  it('arrive as they were sent, whatever their size, head and body as one', () => {
    const size = fc.oneof(
      fc.integer({ min: 0, max: 40 }),
      fc.integer({ min: -3, max: 3 }).map((by) => PARCEL_CHUNK_BYTES + by),
      fc.integer({ min: 0, max: 3 * PARCEL_CHUNK_BYTES }),
    );
    const run = (sizes: readonly number[], headBytes: number): void => {
      const pair = new Pair();
      const head = filled('h', headBytes);
      for (const [i, sizeBytes] of sizes.entries()) pair.add(FORWARD, filled(String(i), sizeBytes + 1), head);
      pair.run();
      const texts = sizes.map((sizeBytes, i) => head + filled(String(i), sizeBytes + 1));
      expect(pair.delivered.map(({ text }) => text).sort()).toEqual(texts.sort());
      expect(pair.sender.unsentBytes).toBe(0);
    };
    fc.assert(fc.property(fc.array(size, { maxLength: 5 }), fc.integer({ min: 0, max: 20 }), run), {
      numRuns: 50,
    });
  });

  it('take no more of the line than their window, until it is acknowledged', () => {
    const pair = new Pair();
    pair.add(REPLIES, filled('x', 3 * PARCEL_WINDOW_BYTES));
    const first = pair.written();
    expect(first.length).toBeGreaterThanOrEqual(PARCEL_WINDOW_BYTES);
    expect(first.length).toBeLessThan(PARCEL_WINDOW_BYTES + 2 * PARCEL_CHUNK_BYTES);
    expect(pair.sender.canWrite).toBe(false);
    expect(pair.sender.unsentBytes).toBe(2 * PARCEL_WINDOW_BYTES);
    pair.receive(first);
    pair.acknowledge();
    expect(pair.sender.canWrite).toBe(true);
    pair.run();
    expect(pair.delivered).toHaveLength(1);
    expect(pair.parts).toBe((3 * PARCEL_WINDOW_BYTES) / PARCEL_CHUNK_BYTES - 1);
  });

  it('take turns: a short one is there long before a long one that was begun earlier', () => {
    const pair = new Pair();
    pair.add(REPLIES, filled('l', 8 * PARCEL_CHUNK_BYTES));
    pair.add(REPLIES, filled('s', 2 * PARCEL_CHUNK_BYTES));
    pair.run();
    expect(pair.delivered.map(({ text }) => text[0])).toEqual(['s', 'l']);
  });

  it('that nobody wants any more are not sent on, and their room is free', () => {
    const pair = new Pair();
    const [begun, kept] = [
      pair.add(FORWARD, filled('b', 40 * PARCEL_CHUNK_BYTES)),
      pair.add(FORWARD, 'kept'),
    ];
    const waiting = pair.sender.add(FORWARD, NO_HEAD, Buffer.alloc(8), 0, 8);
    pair.receive(pair.written());
    begun.cancel();
    begun.cancel();
    waiting.cancel();
    expect(pair.sender.unsentBytes).toBe(0);
    pair.acknowledge();
    pair.run();
    expect(pair.delivered.map(({ text }) => text)).toEqual(['kept', filled('\0', 8)]);
    kept.cancel();
    // It was dropped at the receiver too: its number may begin again there.
    pair.add(FORWARD, 'next');
    pair.run();
    expect(pair.delivered.at(-1)?.text).toBe('next');
  });

  it('of a connection that broke are gone on both sides, and the next one begins afresh', () => {
    const pair = new Pair();
    const lost = pair.add(FORWARD, filled('x', 4 * PARCEL_WINDOW_BYTES));
    pair.receive(pair.written());
    pair.sender.clear();
    pair.receiver.clear();
    expect(pair.sender.canWrite).toBe(false);
    lost.cancel();
    expect(pair.sender.canWrite).toBe(false);
    pair.add(FORWARD, 'again');
    pair.run();
    expect(pair.delivered.map(({ text }) => text)).toEqual(['again']);
  });

  it('are open at once only as far as the receiver keeps them', () => {
    const sender = new OutgoingParcels();
    const half = Buffer.alloc(PARCELS_OPEN_BYTES / 2);
    for (let i = 0; i < 3; i++) sender.add(FORWARD, NO_HEAD, half, 0, half.length);
    const section = new SectionBuffer();
    sender.write(section);
    const bytes = taken(section);
    const seen = new Set<number>();
    for (let at = 0; at < bytes.length; at += 20 + PARCEL_CHUNK_BYTES) seen.add(bytes.readUInt32LE(at));
    expect([...seen]).toEqual([1, 2]);
    const receiver = new IncomingParcels({ whole: () => undefined, part: () => undefined });
    receiver.receive(bytes, 0, bytes.length);
    const third = Buffer.from(bytes.subarray(0, 20 + PARCEL_CHUNK_BYTES));
    third.writeUInt32LE(3, 0);
    expect(() => receiver.receive(third, 0, third.length)).toThrow(MalformedSectionError);
  });

  it('that are malformed are told', () => {
    const chunkOf = (change: (bytes: Buffer) => void): Buffer => {
      const pair = new Pair();
      pair.add(FORWARD, 'text');
      const bytes = pair.written();
      change(bytes);
      return bytes;
    };
    const changes: ((bytes: Buffer) => void)[] = [
      (bytes) => (bytes[4] = 0),
      (bytes) => (bytes[4] = SectionKind.PARCELS),
      (bytes) => (bytes[4] = 99),
      (bytes) => bytes.writeUInt32LE(0xffff_ffff, 8),
      (bytes) => bytes.writeUInt32LE(2, 8),
      (bytes) => bytes.writeUInt32LE(1, 12),
      (bytes) => bytes.writeUInt32LE(5, 16),
    ];
    for (const change of changes)
      expect(() => new Pair().receive(chunkOf(change)), String(change)).toThrow(MalformedSectionError);
    const whole = chunkOf(() => undefined);
    for (let cut = 1; cut < whole.length; cut++)
      expect(() => new Pair().receive(whole.subarray(0, cut))).toThrow(MalformedSectionError);
    expect(() => new OutgoingParcels().acknowledged(1)).toThrow(MalformedSectionError);
  });
});

describe('parcels of a link', () => {
  const nodes: TestNode[] = [];
  afterEach(async () => {
    await Promise.all(nodes.splice(0).map((node) => node.mesh.close()));
  });

  async function twoNodes(): Promise<TestNode[]> {
    nodes.push(...(await openMeshes([localPeer(1), localPeer(2)])));
    await until(() => nodes[0].link(2).connected && nodes[1].link(1).connected, 'the connection');
    return nodes;
  }

  function say(node: TestNode, to: number, text: string): void {
    node.link(to).section(SectionKind.HEARTBEATS).bytes(Buffer.from(text), 0, text.length);
    node.mesh.flush();
  }

  it('let what is small pass', async () => {
    const [a, b] = await twoNodes();
    const large = Buffer.alloc(32 * 1024 * 1024, 'x');
    a.link(2).sendParcel(FORWARD, Buffer.from('head '), large, 0, large.length);
    expect(a.link(2).unsentBytes).toBeGreaterThan(large.length);
    for (let i = 0; i < 20; i++) {
      say(a, 2, `beat ${i}`);
      await until(() => b.received.some(({ text }) => text === `beat ${i}`), 'a heartbeat');
    }
    await until(() => b.received.some(({ kind }) => kind === FORWARD), 'the parcel');
    const { text } = b.received.find(({ kind }) => kind === FORWARD) ?? { text: '' };
    expect(text.length).toBe(5 + large.length);
    expect(text.startsWith('head xxx')).toBe(true);
    const first = b.received.findIndex(({ kind }) => kind === FORWARD);
    expect(first, 'heartbeats before the parcel was whole').toBeGreaterThan(3);
    expect(b.parts.length).toBeGreaterThan(100);
    await until(() => a.link(2).unsentBytes < 1024, 'the end of all');
  });

  it('end with their connection, and nothing of them comes over the next', async () => {
    const [a, b] = await twoNodes();
    const large = Buffer.alloc(64 * 1024 * 1024, 'x');
    a.link(2).sendParcel(FORWARD, NO_HEAD, large, 0, large.length);
    say(a, 2, 'first');
    await until(() => b.parts.length > 2, 'a part');
    b.received.length = 0;
    // A section that cannot be read: the receiver closes the connection.
    a.link(2).section(SectionKind.ACKNOWLEDGED).u8(1);
    a.mesh.flush();
    await until(() => a.link(2).connection === 2 && b.link(1).connection === 2, 'another connection');
    expect(a.link(2).unsentBytes).toBeLessThan(1024);
    a.link(2).sendParcel(FORWARD, NO_HEAD, Buffer.from('again'), 0, 5);
    say(a, 2, 'second');
    await until(() => b.received.length === 2, 'what was sent over the new one');
    expect(b.received.map(({ text }) => text).sort()).toEqual(['again', 'second']);
  });
});
