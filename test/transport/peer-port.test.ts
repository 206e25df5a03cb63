import { afterEach, describe, expect, it } from 'vitest';

import type { MessageSocket } from '../../src/env/contracts.ts';
import { systemNetwork } from '../../src/env/network.ts';
import { MalformedSectionError } from '../../src/transport/malformed.ts';
import { startMesh } from '../../src/transport/mesh.ts';
import type { PeerPort } from '../../src/transport/peer-port.ts';
import { SectionKind } from '../../src/transport/types.ts';
import type { LocalPeer } from '../../src/transport/handshake.ts';
import {
  joinMesh,
  localPeer,
  nodeId,
  openMeshes,
  openPort,
  realEnv,
  until,
  recordingLog,
} from './support.ts';

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  await Promise.all(cleanups.splice(0).map((cleanup) => cleanup()));
});

interface Stranger {
  socket: MessageSocket;
  closed: { code: number; reason: string } | null;
  heard: string[];
}

/** Somebody who speaks WebSocket, and nothing of the handshake. */
function stranger(port: PeerPort): Promise<Stranger> {
  return new Promise((resolve, reject) => {
    systemNetwork.connectMessages(
      port.address,
      '/peer',
      (socket) => {
        const self: Stranger = { socket, closed: null, heard: [] };
        resolve(self);
        return {
          onMessage: (bytes, start, end) => void self.heard.push(bytes.toString('utf8', start, end)),
          onClose: (code, reason) => (self.closed = { code, reason }),
        };
      },
      reject,
    );
  });
}

async function portOf(local: LocalPeer): Promise<{ port: PeerPort; reports: string[] }> {
  const reports: string[] = [];
  const { port } = await openPort(local, reports, realEnv, 500);
  cleanups.push(() => port.close());
  return { port, reports };
}

describe('a stranger', () => {
  it('is cut when it says nothing, and when it says too much', async () => {
    const { port, reports } = await portOf(localPeer(1));
    const silent = await stranger(port);
    const loud = await stranger(port);
    loud.socket.send(Buffer.alloc(64 * 1024 + 1, '{'));
    await until(() => loud.closed !== null && silent.closed !== null, 'both to be cut');
    expect(loud.closed?.code).toBe(1009);
    expect(reports.some((line) => line.includes('the handshake took too long'))).toBe(true);
    expect(reports.some((line) => line.includes('closed during the handshake'))).toBe(true);
  });

  it('is told why it is refused', async () => {
    const { port, reports } = await portOf(localPeer(1));
    const junk = await stranger(port);
    junk.socket.send(Buffer.from('SET k v'));
    await until(() => junk.closed !== null, 'the refusal');
    expect(junk.closed?.code).toBe(4001);
    expect(junk.heard[0]).toContain('"type":"refusal"');
    expect(reports[0]).toBe(
      'warn: peer-refused us 127.0.0.1 its hello is not one that this version understands',
    );
  });

  it('cannot hold more than so many handshakes open at once', async () => {
    const { port, reports } = await portOf(localPeer(1));
    const many = await Promise.all(Array.from({ length: 80 }, () => stranger(port)));
    await until(() => many.filter(({ closed }) => closed !== null).length >= 16, 'the surplus to be cut');
    expect(reports.filter((line) => line.includes('too many connections in handshake'))).toHaveLength(1);
    await until(() => many.every(({ closed }) => closed !== null), 'the rest to time out');
  });
});

describe('meshes that must not meet', () => {
  it.each([
    ['another secret', { secret: 'other' }, 'shared secret'],
    [
      'another setting',
      { settings: { durability: 'buffered', 'ring-vnodes': 8 } },
      'the setting durability must be',
    ],
    ['another cluster', { clusterId: 'd'.repeat(40) }, 'belongs to cluster'],
    ['another version', { versionMin: 2, versionMax: 2 }, 'no version in common'],
  ])('%s: both sides say why', async (_what, changes, reason) => {
    const nodes = await openMeshes([localPeer(1), localPeer(2, changes)]);
    cleanups.push(
      ...nodes.map(
        ({ mesh }) =>
          () =>
            mesh.close(),
      ),
    );
    await until(
      () => nodes.every(({ reports }) => reports.some((line) => line.includes(reason))),
      'the refusal',
    );
    expect(nodes.map(({ events }) => events)).toEqual([[], []]);
  });

  it('who dials is told what no try can change, and of nothing else', async () => {
    const { port } = await portOf(localPeer(1));
    const { port: wrong } = await portOf(localPeer(2, { secret: 'other' }));
    const { port: right } = await portOf(localPeer(3));
    const outcomeOf = (from: PeerPort): Promise<string | null> =>
      new Promise((resolve) => from.dial(port.address, 'joining', null, (_, refusal) => resolve(refusal)));
    expect(await outcomeOf(wrong)).toContain('it does not know the shared secret');
    // It only is not ready yet.
    expect(await outcomeOf(right)).toBeNull();
  });

  it('a node that is not a member is refused, and says so', async () => {
    const reports: string[][] = [[], []];
    const member = await openPort(localPeer(1), reports[0]);
    const other = await openPort(localPeer(2), reports[1]);
    const nodes = [
      joinMesh(member.port, member.local, [], reports[0]),
      joinMesh(other.port, other.local, [{ node: nodeId(1), address: member.port.address }], reports[1], {
        reverseDialMs: 10,
      }),
    ];
    cleanups.push(
      ...nodes.map(
        ({ mesh }) =>
          () =>
            mesh.close(),
      ),
    );
    const reason = `node ${nodeId(2)} is not a member of this cluster`;
    await until(() => reports.every((lines) => lines.some((line) => line.includes(reason))), 'the refusal');
  });
});

describe('what cannot be read', () => {
  it('closes the connection that brought it, and the next one works', async () => {
    const reports: string[][] = [[], []];
    const ports = await Promise.all([openPort(localPeer(1), reports[0]), openPort(localPeer(2), reports[1])]);
    const peers = ports.map(({ local, port }) => ({ node: local.node, address: port.address }));
    const sender = joinMesh(ports[0].port, ports[0].local, peers, reports[0]);
    const read: string[] = [];
    const reader = startMesh(realEnv, ports[1].port, {
      peers,
      handler: {
        onSection(_peer, _kind, bytes, start, end) {
          const text = bytes.toString('latin1', start, end);
          if (text === 'garbled') throw new MalformedSectionError('a Raft message is cut short');
          read.push(text);
        },
        onParcelPart() {},
        onParcelsTaken() {},
        onConnected() {},
        onDisconnected() {},
      },
      log: recordingLog(reports[1]),
      epoch: () => ({ generation: 1, epoch: 1 }),
    });
    cleanups.push(
      () => sender.mesh.close(),
      () => reader.close(),
    );
    const say = (text: string): void => {
      sender.link(2).section(SectionKind.RAFT).bytes(Buffer.from(text), 0, text.length);
      sender.mesh.flush();
    };
    await until(() => sender.link(2).connected, 'the connection');
    say('garbled');
    await until(() => sender.link(2).connected && sender.link(2).connection === 2, 'a new connection');
    say('fine');
    await until(() => read.length === 1, 'what can be read');
    expect(read).toEqual(['fine']);
    expect(reports[1].some((line) => line.includes('a Raft message is cut short'))).toBe(true);
  });
});
