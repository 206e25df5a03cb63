import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';

import { afterEach, describe, expect, it } from 'vitest';

import type { StartupError } from '../../src/errors.ts';
import { ClusterFile } from '../../src/topology/cluster-file.ts';
import { Founder } from '../../src/topology/founding-driver.ts';
import type { ClusterRecord } from '../../src/topology/founding.ts';
import type { Announcement, Topology } from '../../src/topology/types.ts';
import { PeerPort } from '../../src/transport/peer-port.ts';
import { oneNode } from './one-node.ts';
import { localPeer, realEnv, recordingLog, until } from '../transport/support.ts';

/** What of a disk outlives its process. */
class MemoryDisk {
  readonly files = new Map<string, Uint8Array>();
  readFile = (path: string): Promise<Uint8Array | null> => Promise.resolve(this.files.get(path) ?? null);
  makeDirectory = (): Promise<void> => Promise.resolve();
  replaceFile = (path: string, bytes: Uint8Array): Promise<void> => {
    this.files.set(path, Uint8Array.from(bytes));
    return Promise.resolve();
  };
}

interface Node {
  file: ClusterFile;
  port: PeerPort;
  founder: Founder;
  reports: string[];
  /** Refusals after it was founded. */
  refusals: StartupError[];
  stop(): Promise<void>;
}

const running: Node[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((node) => node.stop()));
});

/** No shards are needed to be founded. */
function firstOf({ id, nodes }: ClusterRecord): Topology {
  return { ...oneNode(1, 1), clusterId: id, nodes, voters: [nodes[0].id] };
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await until(() => servers.every((server) => server.listening));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  servers.forEach((server) => server.close());
  return ports;
}

async function start(
  disk: MemoryDisk,
  seeds: string[],
  peerPort: number,
  secret = 's',
  hadOthers = false,
): Promise<Node> {
  const announced: Announcement = { ...localPeer(1).announced, peerPort };
  const reports: string[] = [];
  const refusals: StartupError[] = [];
  const log = recordingLog(reports);
  const file = await ClusterFile.open(disk, realEnv.random, '/data');
  const port = await PeerPort.open(realEnv, {
    listen: { host: '127.0.0.1', port: peerPort },
    local: () => ({
      node: file.node,
      past: localPeer(1).past,
      clusterId: file.clusterId,
      announced,
      settings: {},
      secret,
      versionMin: 1,
      versionMax: 1,
    }),
    log,
  });
  const founder = new Founder(realEnv, {
    port,
    file,
    seeds,
    announced,
    hadOthers,
    firstTopology: firstOf,
    log,
    onWaiting: () => {},
    onRefused: (error) => refusals.push(error),
  });
  const stop = async (): Promise<void> => {
    founder.close();
    await port.close();
  };
  const node = { file, port, founder, reports, refusals, stop };
  running.push(node);
  return node;
}

const seedsOf = (ports: number[]): string[] => ports.map((port) => `127.0.0.1:${port}`);

describe('founding over real connections', () => {
  it('founds one cluster of three, and is the same cluster after all were started again', async () => {
    const ports = await freePorts(3);
    const seeds = seedsOf(ports);
    const disks = ports.map(() => new MemoryDisk());
    const first = await start(disks[0], seeds, ports[0]);
    const second = await start(disks[1], seeds, ports[1]);
    await until(() =>
      first.reports.some(
        (line) => line === `info: founding-waits waiting for ${seeds[2]} to found the cluster`,
      ),
    );
    expect(first.file.state.phase).toBe('unfounded');
    const third = await start(disks[2], seeds, ports[2]);
    const nodes = [first, second, third];
    const records = await Promise.all(nodes.map((node) => node.founder.founded));
    const [record]: ClusterRecord[] = records;
    for (const each of records) expect(each).toEqual(record);
    expect(record.nodes.map(({ host, peerPort }) => `${host}:${peerPort}`)).toEqual([...seeds].sort());
    expect(record.nodes.map(({ ordinal }) => ordinal)).toEqual([1, 2, 3]);
    expect(nodes.every(({ file }) => file.clusterId === record.id)).toBe(true);

    await Promise.all(nodes.map((node) => node.stop()));
    const alone = await start(disks[1], seeds, ports[1]);
    expect(await alone.founder.founded).toEqual(record);
  });

  it('founds a node alone at once', async () => {
    const [port] = await freePorts(1);
    const node = await start(new MemoryDisk(), seedsOf([port]), port);
    const record = await node.founder.founded;
    expect(record.nodes.map(({ id }) => id)).toEqual([node.file.node]);
  });

  it('shows both lists when the seeds differ, and waits', async () => {
    const ports = await freePorts(3);
    const seeds = seedsOf(ports);
    const one = await start(new MemoryDisk(), seeds.slice(0, 2), ports[0]);
    const two = await start(new MemoryDisk(), seeds, ports[1]);
    const shown = (node: Node): boolean =>
      node.reports.some((line) => line.includes('the seeds must be the same on all nodes'));
    await until(() => shown(one) && shown(two));
    expect([one.file.state.phase, two.file.state.phase]).toEqual(['unfounded', 'unfounded']);
  });

  it('does not start when its file is not readable', async () => {
    const disk = new MemoryDisk();
    disk.files.set('/data/cluster.json', Buffer.from('{"format":2}'));
    await expect(ClusterFile.open(disk, realEnv.random, '/data')).rejects.toMatchObject({
      code: 'TORC_CLUSTER_FILE',
    });
  });

  it('does not start, founded alone, with seeds that are others', async () => {
    const ports = await freePorts(3);
    const disk = new MemoryDisk();
    const alone = await start(disk, seedsOf([ports[0]]), ports[0]);
    await alone.founder.founded;
    await alone.stop();
    const stranger = await start(disk, seedsOf(ports), ports[0]);
    await expect(stranger.founder.founded).rejects.toMatchObject({ code: 'TORC_OTHER_CLUSTER' });
    await stranger.stop();
    const again = await start(disk, seedsOf([ports[0]]), ports[0]);
    await expect(again.founder.founded).resolves.toMatchObject({ nodes: [{ id: alone.file.node }] });
  });

  it('starts with whatever seeds once others have been of its cluster: they may be new there, or have another name', async () => {
    const ports = await freePorts(3);
    const disk = new MemoryDisk();
    const alone = await start(disk, seedsOf([ports[0]]), ports[0]);
    await alone.founder.founded;
    await alone.stop();
    for (const seeds of [seedsOf(ports), [`localhost:${ports[1]}`]]) {
      const again = await start(disk, seeds, ports[0], 's', true);
      await expect(again.founder.founded).resolves.toMatchObject({ nodes: [{ id: alone.file.node }] });
      await again.stop();
    }
  });

  it('stops, founded before, when most of the other seeds are of another cluster, and only then', async () => {
    const ports = await freePorts(3);
    const seeds = seedsOf(ports);
    const clusters = [0, 1].map(() => ports.map(() => new MemoryDisk()));
    for (const disks of clusters) {
      const nodes = await Promise.all(disks.map((disk, i) => start(disk, seeds, ports[i])));
      await Promise.all(nodes.map(({ founder }) => founder.founded));
      await Promise.all(nodes.map((node) => node.stop()));
    }
    const [ours, theirs] = clusters;
    const kept = new Map(theirs[1].files);
    const wrong = await start(theirs[1], seeds, ports[1]);
    const right = await start(ours[0], seeds, ports[0]);
    const [{ id }] = await Promise.all([wrong.founder.founded, right.founder.founded]);
    await until(() => right.reports.some((line) => line.includes(`${seeds[1]} belongs to cluster ${id}`)));
    // One against one: nobody can tell whose directory is wrong.
    expect([wrong.refusals, right.refusals]).toEqual([[], []]);
    const third = await start(ours[2], seeds, ports[2]);
    await until(() => wrong.refusals.length > 0);
    expect(wrong.refusals[0].message).toContain(
      `is of cluster ${id}, but ${[seeds[0], seeds[2]].sort().join(' and ')} belong to cluster ${right.file.clusterId}`,
    );
    expect([right.refusals, third.refusals]).toEqual([[], []]);
    expect(theirs[1].files).toEqual(kept);
  });

  it('does not count a stranger that does not know the secret', async () => {
    const ports = await freePorts(2);
    const seeds = seedsOf(ports);
    const one = await start(new MemoryDisk(), seeds, ports[0], 'right');
    const two = await start(new MemoryDisk(), seeds, ports[1], 'wrong');
    const refusal = (node: Node): boolean => node.reports.some((line) => line.includes('shared secret'));
    await until(() => refusal(one) && refusal(two));
    expect([one.file.state.phase, two.file.state.phase]).toEqual(['unfounded', 'unfounded']);
  });
});
