import { describe, expect, it } from 'vitest';

import type {
  ByteStream,
  ByteStreamHandler,
  Clock,
  ClockReading,
  MessageSocketHandler,
  Timer,
  Timers,
} from '../../src/env/contracts.ts';
import { SimNetwork } from '../../src/env/sim/network.ts';
import { startMesh } from '../../src/transport/mesh.ts';
import { PeerPort } from '../../src/transport/peer-port.ts';
import { SectionKind } from '../../src/transport/types.ts';
import type { Mesh } from '../../src/transport/types.ts';
import { localPeer, nodeId, recordingLog } from '../transport/support.ts';
import { silentLog } from '../../src/log.ts';

/** Time that passes only when the test says so. */
class TestTime implements Clock, Timers {
  private nowMs = 0;
  private order = 0;
  private pending: { atMs: number; order: number; run: () => void }[] = [];

  monotonicMs = (): number => this.nowMs;
  wallMs = (): number => this.nowMs;
  read(reading: ClockReading): void {
    reading.monotonicMs = this.nowMs;
    reading.wallMs = this.nowMs;
  }
  after(delayMs: number, run: () => void): Timer {
    const task = { atMs: this.nowMs + delayMs, order: this.order++, run };
    this.pending.push(task);
    return { cancel: () => void (this.pending = this.pending.filter((each) => each !== task)) };
  }
  endOfTurn(run: () => void): void {
    this.after(0, run);
  }
  advance(ms: number): void {
    const untilMs = this.nowMs + ms;
    for (;;) {
      const next = this.pending
        .filter(({ atMs }) => atMs <= untilMs)
        .sort((a, b) => a.atMs - b.atMs || a.order - b.order)[0];
      if (next === undefined) break;
      this.pending = this.pending.filter((each) => each !== next);
      this.nowMs = Math.max(this.nowMs, next.atMs);
      next.run();
    }
    this.nowMs = untilMs;
  }
}

function seeded(seed: number): { uint32(): number; bytes(sizeBytes: number): Uint8Array } {
  let state = seed >>> 0;
  const uint32 = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return (state ^ (state >>> 13)) >>> 0;
  };
  return { uint32, bytes: (sizeBytes) => Uint8Array.from({ length: sizeBytes }, () => uint32() >>> 24) };
}

const DELAYS = { minDelayMs: 1, maxDelayMs: 5, resetRatio: 0 };

interface World {
  time: TestTime;
  net: SimNetwork;
  meshes: Mesh[];
  log: string[];
}

/** Whole meshes on the simulated network, in one thread. */
async function world(count: number, seed: number, options = DELAYS): Promise<World> {
  const time = new TestTime();
  const random = seeded(seed);
  const net = new SimNetwork(time, random, options);
  const log: string[] = [];
  const names = Array.from({ length: count }, (_, i) => `n${i + 1}`);
  const peers = names.map((host, i) => ({ node: nodeId(i + 1), address: { host, port: 16379 } }));
  const meshes: Mesh[] = [];
  for (const [i, host] of names.entries()) {
    const env = { clock: time, timers: time, random, network: net.networkOf(host) };
    const local = localPeer(i + 1, { announced: { ...localPeer(1).announced, host } });
    const port = await PeerPort.open(env, {
      listen: { host, port: 16379 },
      local: () => local,
      log: silentLog,
    });
    const say = (line: string): void => void log.push(`${time.monotonicMs().toFixed(3)} ${host} ${line}`);
    const handler = {
      onSection: (peer: { node: string }, kind: number, bytes: Buffer, start: number, end: number): void =>
        say(`got ${kind} from ${parseInt(peer.node, 16)}: ${bytes.toString('latin1', start, end)}`),
      onParcelPart: () => undefined,
      onParcelsTaken: () => undefined,
      onConnected: (peer: { node: string }): void => say(`up ${parseInt(peer.node, 16)}`),
      onDisconnected: (peer: { node: string }): void => say(`down ${parseInt(peer.node, 16)}`),
    };
    const epoch = (): { generation: number; epoch: number } => ({ generation: 1, epoch: 1 });
    meshes.push(startMesh(env, port, { peers, handler, log: recordingLog(log), epoch }));
  }
  return { time, net, meshes, log };
}

function say(mesh: Mesh, to: number, text: string): void {
  mesh.links.get(nodeId(to))!.section(SectionKind.RAFT).bytes(Buffer.from(text), 0, text.length);
  mesh.flush();
}

const connected = (mesh: Mesh, to: number): boolean => mesh.links.get(nodeId(to))!.connected;

describe('the simulated network, under real meshes', () => {
  it('gives the same run for the same seed, and another for another', async () => {
    const run = async (seed: number): Promise<string[]> => {
      const { time, net, meshes, log } = await world(3, seed, { ...DELAYS, resetRatio: 0.02 });
      for (let step = 0; step < 40; step++) {
        time.advance(250);
        if (connected(meshes[0], 2)) say(meshes[0], 2, `step ${step}`);
      }
      expect(net.counts.resets).toBeGreaterThan(0);
      return log;
    };
    const first = await run(1);
    expect(first.length).toBeGreaterThan(20);
    expect(await run(1)).toEqual(first);
    expect(await run(2)).not.toEqual(first);
  });

  it('holds what is sent over a cut direction, and delivers it in order when healed in time', async () => {
    const { time, net, meshes, log } = await world(2, 3);
    time.advance(1_000);
    net.block('n1', 'n2');
    say(meshes[0], 2, 'one');
    say(meshes[0], 2, 'two');
    say(meshes[1], 1, 'other way');
    time.advance(1_000);
    expect(log.some((line) => line.includes('other way'))).toBe(true);
    expect(log.some((line) => line.includes('one'))).toBe(false);
    expect(net.counts.blockedMessages).toBeGreaterThanOrEqual(2);
    net.heal();
    time.advance(100);
    const got = log.filter((line) => line.includes('n2 got')).map((line) => line.split(': ')[1]);
    expect(got).toEqual(['one', 'two']);
  });

  it('a one-way cut that lasts is found out by silence, and mended after healing', async () => {
    const { time, net, meshes, log } = await world(2, 4);
    time.advance(1_000);
    net.block('n1', 'n2');
    time.advance(6_000);
    expect(connected(meshes[1], 1)).toBe(false);
    expect(log.some((line) => line.includes('has been silent too long'))).toBe(true);
    net.heal();
    time.advance(10_000);
    expect(connected(meshes[0], 2) && connected(meshes[1], 1)).toBe(true);
  });

  it('a machine that loses power leaves half-open connections, which are cut', async () => {
    const { time, net, meshes } = await world(2, 5);
    time.advance(1_000);
    net.crash('n2', true);
    time.advance(1_000);
    expect(connected(meshes[0], 2)).toBe(true);
    time.advance(4_000);
    expect(connected(meshes[0], 2)).toBe(false);
  });

  it('tells of a killed process at once', async () => {
    const { time, net, meshes } = await world(2, 6);
    time.advance(1_000);
    net.crash('n2');
    time.advance(50);
    expect(connected(meshes[0], 2)).toBe(false);
  });
});

describe('simulated sockets', () => {
  it('close after what was sent has arrived, and hold messages to their limit', async () => {
    const time = new TestTime();
    const net = new SimNetwork(time, seeded(1), DELAYS);
    const log: string[] = [];
    const listening = (name: string): MessageSocketHandler => ({
      onMessage: (bytes, start, end) => void log.push(`${name} ${bytes.toString('utf8', start, end)}`),
      onClose: (code, reason) => void log.push(`${name} closed ${code} ${reason}`),
    });
    await net.networkOf('a').listenMessages({ host: 'a', port: 1 }, '/peer', (socket) => {
      socket.limitMessageBytes(10);
      return listening('a');
    });
    const failed = (error: Error): void => void log.push(error.message);
    net.networkOf('b').connectMessages(
      { host: 'a', port: 1 },
      '/peer',
      (socket) => {
        socket.send(Buffer.from('one'));
        socket.close(4000, 'done');
        return listening('b');
      },
      failed,
    );
    net.networkOf('b').connectMessages({ host: 'a', port: 2 }, '/peer', () => listening('never'), failed);
    time.advance(100);
    expect(log.sort()).toEqual([
      'a closed 4000 done',
      'a one',
      'b closed 4000 done',
      'connect ECONNREFUSED a:2',
    ]);
    log.length = 0;
    net.networkOf('b').connectMessages(
      { host: 'a', port: 1 },
      '/peer',
      (socket) => {
        socket.send(Buffer.alloc(11));
        return listening('b');
      },
      failed,
    );
    time.advance(100);
    expect(log.sort()).toEqual(['a closed 1009 message too big', 'b closed 1009 message too big']);
  });

  it('streams push back, drain, pause and end', async () => {
    const time = new TestTime();
    const net = new SimNetwork(time, seeded(1), DELAYS);
    let received = 0;
    let closes = 0;
    let drains = 0;
    let pause = (): void => {};
    let resume = (): void => {};
    await net.networkOf('a').listenStream({ host: 'a', port: 1 }, (stream) => {
      pause = () => stream.pause();
      resume = () => stream.resume();
      return {
        onData: (_bytes, start, end) => void (received += end - start),
        onDrain() {},
        onEnd() {},
        onClose: () => closes++,
      };
    });
    const client = net.openStream('b', { host: 'a', port: 1 }, () => ({
      onData() {},
      onDrain: () => drains++,
      onEnd: () => {},
      onClose: () => closes++,
    }))!;
    const chunk = Buffer.alloc(64 * 1024);
    pause();
    let sent = chunk.length;
    while (client.write(chunk)) sent += chunk.length;
    time.advance(100);
    expect([received, drains]).toEqual([0, 0]);
    expect(client.bufferedBytes).toBeGreaterThan(0);
    resume();
    time.advance(100);
    expect([received, drains, client.bufferedBytes]).toEqual([sent, 1, 0]);
    client.end();
    time.advance(100);
    expect(closes).toBe(2);
    expect(
      net.openStream('b', { host: 'a', port: 9 }, () => ({
        onData() {},
        onDrain() {},
        onEnd() {},
        onClose() {},
      })),
    ).toBeNull();
  });

  it('streams end one way, and go on the other: what was sent arrives, then its end, and answers come back', async () => {
    const time = new TestTime();
    const net = new SimNetwork(time, seeded(1), DELAYS);
    const heard: string[] = [];
    let server: ByteStream | null = null;
    const hear = (who: string): ByteStreamHandler => ({
      onData: (bytes, start, end) => void heard.push(`${who} ${bytes.toString('latin1', start, end)}`),
      onDrain() {},
      onEnd: () => void heard.push(`${who} end`),
      onClose: () => void heard.push(`${who} close`),
    });
    await net.networkOf('a').listenStream({ host: 'a', port: 1 }, (stream) => {
      server = stream;
      return hear('server');
    });
    const client = net.openStream('b', { host: 'a', port: 1 }, () => hear('client'))!;
    client.write(Buffer.from('asked'));
    client.sendNoMore();
    client.write(Buffer.from('too late'));
    time.advance(100);
    expect(heard).toEqual(['server asked', 'server end']);
    server!.write(Buffer.from('answered'));
    time.advance(100);
    server!.end();
    time.advance(100);
    expect(heard.slice(2).sort()).toEqual(['client answered', 'client close', 'server close']);
    expect(net.finish('b')).toBe(0);
  });

  it('answers HTTP', async () => {
    const net = new SimNetwork(new TestTime(), seeded(1), DELAYS);
    const address = { host: 'a', port: 8379 };
    await net
      .networkOf('a')
      .listenHttp(address, (request) =>
        Promise.resolve({ status: 200, contentType: 'text/plain', body: request.path }),
      );
    const request = { method: 'GET', path: '/livez', query: new URLSearchParams(), body: '' };
    expect(await net.request(address, request)).toMatchObject({ status: 200, body: '/livez' });
    await expect(
      net.networkOf('a').listenHttp(address, () => Promise.reject(new Error('unused'))),
    ).rejects.toMatchObject({
      code: 'TORC_PORT_TAKEN',
    });
  });
});
