import { expect, it } from 'vitest';

import { SimulatedTimers } from '../../src/env/sim/clock.ts';
import { attachDisk } from '../../src/env/sim/disk-process.ts';
import { SimulatedDisk } from '../../src/env/sim/disk.ts';
import { Scheduler } from '../../src/env/sim/scheduler.ts';
import { silentLog } from '../../src/log.ts';
import { TopologySpread } from '../../src/server/topology-spread.ts';
import { AcceptorFile } from '../../src/topology/acceptor-file.ts';
import { isNewer, type TopologyRegister } from '../../src/topology/register.ts';
import { canonicalTopology } from '../../src/topology/topology-codec.ts';
import type { Epoch, NodeId, Topology } from '../../src/topology/types.ts';
import type { PeerLink } from '../../src/transport/types.ts';
import { cluster, nodeId, preferences } from '../topology/clusters.ts';

const TICK_MS = 100;
const TURN_MS = 5000;

/** Nodes and the lines between them: what one sends another gets at once. */
class Mesh {
  nowMs = 0;
  readonly names: NodeId[];
  readonly up: Set<NodeId>;
  /** Pairs of nodes that do not reach each other, though others reach both. */
  readonly cut = new Set<string>();
  readonly epochs: Map<NodeId, Epoch>;
  readonly spreads = new Map<NodeId, TopologySpread>();
  private readonly first: Topology;

  constructor(nodes: number) {
    const shards = Array.from({ length: nodes }, (_, at) => at + 1);
    this.first = canonicalTopology(
      cluster(
        shards.map(() => 1),
        preferences(shards),
      ),
    ) as Topology;
    this.names = shards.map(nodeId);
    this.up = new Set(this.names);
    this.epochs = new Map(this.names.map((name) => [name, this.first]));
  }

  currentOf(name: NodeId): Topology {
    return this.epochs.get(name) as Topology;
  }

  async open(): Promise<void> {
    const { names } = this;
    for (const self of names) {
      const disk = attachDisk(new SimulatedDisk({ seed: 1 }), new SimulatedTimers(new Scheduler()));
      const acceptor = await AcceptorFile.open(disk, '/data', self);
      const spread = new TopologySpread({
        self,
        start: 1,
        register: this.register(self),
        acceptor,
        links: () => new Map(names.filter((name) => name !== self).map((to) => [to, this.link(self, to)])),
        goneMs: (node) => (this.up.has(node) ? 0 : 60_000),
        knowsNewer: () => false,
        isLed: () => true,
        newestVersion: 1,
        uint32: () => 7,
        nowMs: () => this.nowMs,
        wake: () => {},
        fatal: (error) => {
          throw error;
        },
        log: silentLog,
      });
      this.spreads.set(self, spread);
    }
  }

  async pass(durationMs: number): Promise<void> {
    for (const untilMs = this.nowMs + durationMs; this.nowMs < untilMs; this.nowMs += TICK_MS) {
      for (const [name, spread] of this.spreads) if (this.up.has(name)) spread.look();
      for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
    }
  }

  private register(self: NodeId): TopologyRegister {
    const listeners: ((topology: Topology) => void)[] = [];
    let current = this.first;
    return {
      get current() {
        return current;
      },
      offer: (topology) => {
        if (!isNewer(topology, current)) return Promise.resolve();
        current = topology;
        this.epochs.set(self, topology);
        return Promise.resolve().then(() => {
          for (const listener of listeners) listener(topology);
        });
      },
      onNewer: (run) => listeners.push(run),
    };
  }

  private link(from: NodeId, to: NodeId): PeerLink {
    const parts: number[] = [];
    const writer = {
      u8: (value: number) => parts.push(value),
      u32: (value: number) => parts.push(...[0, 8, 16, 24].map((shift) => (value >>> shift) & 255)),
      bytes: (bytes: Buffer, start: number, end: number) => {
        parts.push(...bytes.subarray(start, end));
        const section = Buffer.from(parts.splice(0));
        setImmediate(() => {
          if (!this.up.has(to)) return;
          const spread = this.spreads.get(to);
          expect(spread?.onSection(this.link(to, from), section, 0, section.length)).toBe(true);
        });
      },
    };
    return {
      node: to,
      connected: this.up.has(to) && !this.cut.has(from + to) && !this.cut.has(to + from),
      peerEpoch: this.epochs.get(to) ?? this.first,
      section: () => writer,
    } as unknown as PeerLink;
  }
}

it('finds out what was decided when all that have learned it are gone', async () => {
  const mesh = new Mesh(3);
  await mesh.open();
  await mesh.pass(1000);
  // The third had an epoch decided, and died before it could say so.
  const [one, two, third] = mesh.names;
  mesh.epochs.set(third, { generation: 1, epoch: 2 });
  mesh.up.delete(third);
  expect(mesh.spreads.get(one)?.isBehind).toBe(true);
  await mesh.pass(2 * TURN_MS);
  expect(mesh.spreads.get(one)?.isBehind).toBe(false);
  for (const name of [one, two]) expect(mesh.currentOf(name).epoch).toBeGreaterThanOrEqual(2);
});

it('has voters added by the next node, when the first does not reach those that vote', async () => {
  const mesh = new Mesh(5);
  await mesh.open();
  const [one, two, three] = mesh.names;
  expect(mesh.currentOf(one).voters).toEqual([one, two, three]);
  mesh.cut.add(one + two).add(one + three);
  await mesh.pass(TURN_MS);
  expect(mesh.currentOf(two).epoch).toBe(1);
  await mesh.pass(TURN_MS);
  for (const name of mesh.names) expect(mesh.currentOf(name).voters).toHaveLength(5);
});

it('does not keep a recovery waiting behind what waits for voters that are lost', async () => {
  const mesh = new Mesh(3);
  await mesh.open();
  const [one, two, three] = mesh.names;
  mesh.up.delete(two);
  mesh.up.delete(three);
  const spread = mesh.spreads.get(one) as TopologySpread;
  const { clusterId, generation, epoch } = mesh.currentOf(one);
  const on = { generation, epoch };
  const change = { kind: 'set-weight', node: one, weight: 2 } as const;
  const waiting = spread.decide({ clusterId, on, change });
  const next = spread.decide({ clusterId, on, change: { ...change, weight: 3 } });
  await mesh.pass(1000);
  const recovery = spread.recover(on, [one], []);
  await mesh.pass(1000);
  expect(await recovery).toMatchObject({
    kind: 'decided',
    topology: { generation: 2, nodes: [{ id: one }] },
  });
  expect(await waiting).toMatchObject({
    kind: 'unknown',
    reason: expect.stringContaining('recovery') as string,
  });
  expect(await next).toMatchObject({
    kind: 'refused',
    reason: expect.stringContaining('moved on to 2.2') as string,
  });
  expect(await spread.recover(on, [one], [])).toMatchObject({ kind: 'refused' });
});
