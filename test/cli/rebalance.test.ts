/** `torc rebalance …` and `torc node weight`, over a node that is made of answers. */
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';

import type { PlanProposal, PlanReport, RebalanceReport } from '../../src/admin/rebalance.ts';
import { topologyAfter } from '../../src/topology/decision.ts';
import {
  abortRebalance,
  applyPlan,
  pauseRebalance,
  resumeRebalance,
  setNodeWeight,
  showHistory,
  showPlan,
  showRebalance,
} from '../../src/cli/rebalance.ts';
import { humanTime, progressLine } from '../../src/cli/rebalance-table.ts';
import type { ChangeTarget } from '../../src/cli/propose-change.ts';
import { mayChange } from '../../src/topology/change-proof.ts';
import { moveName } from '../../src/topology/move-change.ts';
import { decodeChange, encodeTopology } from '../../src/topology/topology-codec.ts';
import type { Topology } from '../../src/topology/types.ts';
import { sampleStatus } from '../admin/sample-source.ts';
import { after, cluster } from '../topology/clusters.ts';

const HOST = '127.0.0.1';
const SECRET = 'between us';

const PROPOSAL: PlanProposal = {
  clusterId: 'c'.repeat(40),
  generation: 1,
  epoch: 1,
  by: 'slots',
  obstacle: '',
  moves: [
    { source: 1, target: 2, slots: [{ from: 0, to: 255 }], keys: 1000, bytes: 2048 },
    { source: 1, target: 2, slots: [{ from: 256, to: 299 }], keys: 10, bytes: 1024 },
  ],
  slots: 300,
  slotsLater: 12,
  expectedMs: 65_000,
  shards: [
    {
      shard: 1,
      node: 'node-1',
      weight: 1,
      slots: 16_384,
      quota: 8192,
      keys: 5000,
      bytes: 9000,
      operationsPerSecond: 7,
    },
    { shard: 2, node: 'node-2', weight: 1, slots: 0, quota: 8192, keys: 0, bytes: 0, operationsPerSecond: 0 },
  ],
  after: [
    { shard: 1, slots: 16_084 },
    { shard: 2, slots: 300 },
  ],
  unknown: [],
};

const PLAN: PlanReport = {
  id: 77,
  by: 'slots',
  isAutomatic: true,
  aborting: false,
  beganMs: 1_700_000_000_000,
  elapsedMs: 30_000,
  slots: 300,
  moved: 100,
  transfers: [{ source: 1, target: 2, slots: 100 }],
  underWay: [
    { id: 78, source: 1, target: 2, slots: 44, slotsGone: 0, aborting: false, keys: 10, bytes: 1024 },
  ],
  movesLeft: 3,
  keysLeft: 1010,
  bytesLeft: 3072,
};

/** A cluster of two nodes, of which one answers. */
class FakeNode {
  topology: Topology = cluster([1, 1], new Int32Array(16_384).fill(1));
  proposal = PROPOSAL;
  plan: PlanReport | null = null;
  paused = false;
  /** What is answered to some paths instead; null: the connection is cut. */
  readonly instead = new Map<string, { status: number; body: string } | null>();
  /** Another change comes in before so many of those that are asked for. */
  overtaken = 0;
  port = 0;

  async open(): Promise<this> {
    const server = createServer((request, response) => {
      const instead = this.instead.get(`${request.method ?? ''} ${request.url ?? ''}`);
      if (instead === null) request.socket.destroy();
      else if (instead !== undefined) response.writeHead(instead.status).end(instead.body);
      else void this.answer(request).then(({ status, body }) => response.writeHead(status).end(body));
    });
    await new Promise<void>((resolve) => server.listen(0, HOST, resolve));
    onTestFinished(() => void server.close());
    this.port = (server.address() as AddressInfo).port;
    const nodes = this.topology.nodes.map((node) => ({ ...node, host: HOST, adminPort: this.port }));
    this.topology = { ...this.topology, nodes };
    return this;
  }

  get target(): ChangeTarget & { json: boolean } {
    return { address: { host: HOST, port: this.port }, timeoutMs: 2000, peerSecret: SECRET, json: false };
  }

  private async answer(request: IncomingMessage): Promise<{ status: number; body: string | Buffer }> {
    const { url = '', method } = request;
    if (url.startsWith('/api/rebalance/plan')) {
      if (url.endsWith('by=ops')) return { status: 503, body: 'The cluster is not founded yet.\n' };
      return { status: 200, body: JSON.stringify(this.proposal) };
    }
    if (url === '/api/rebalance') return { status: 200, body: JSON.stringify(this.report()) };
    if (url === '/api/status') return { status: 200, body: JSON.stringify(this.status()) };
    return method === 'POST' ? this.change(request) : { status: 200, body: encodeTopology(this.topology) };
  }

  private status(): object {
    const sample = sampleStatus();
    return { ...sample, node: { ...sample.node, name: 'one', id: this.topology.nodes[0].id }, peers: [] };
  }

  private report(): RebalanceReport {
    const { clusterId, generation, epoch, shards } = PROPOSAL;
    const history = this.topology.rebalance?.history ?? [];
    const base = { clusterId, generation, epoch, isAutomatic: true, by: 'slots' as const, shards, history };
    return { ...base, paused: this.paused, obstacle: '', plan: this.plan, unknown: [2] };
  }

  private async change(request: IncomingMessage): Promise<{ status: number; body: string | Buffer }> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks).toString();
    const proof = (request.headers.authorization ?? '').replace('torc ', '');
    if (!mayChange(SECRET, body, proof, HOST)) return { status: 403, body: 'By who knows the secret.\n' };
    const proposed = decodeChange(Buffer.from(body));
    if (proposed === null) return { status: 400, body: 'That is no change.\n' };
    if (this.overtaken > 0) {
      this.overtaken -= 1;
      this.topology = { ...this.topology, epoch: this.topology.epoch + 1 };
    }
    const changed = topologyAfter(this.topology, proposed);
    if (typeof changed === 'string') return { status: 409, body: JSON.stringify({ reason: changed }) };
    this.topology = changed;
    return { status: 200, body: encodeTopology(this.topology) };
  }
}

let printed = '';
function listen(): void {
  printed = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    printed += String(text);
    return true;
  });
}

afterEach(() => {
  vi.restoreAllMocks();
});

describe('torc rebalance', () => {
  it('plan shows what moves where, what is in it, and about how long it takes', async () => {
    const node = await new FakeNode().open();
    listen();
    await showPlan(node.target, null);
    expect(printed).toMatch(/shard 1 +shard 2 +300 +2 +1010 +3\.0 KiB/);
    expect(printed).toMatch(/ 2 +node-2 +1 +0 +8192 +0 +0 B +0 +300\n/);
    expect(printed).toContain('300 slots in 2 moves: 1010 keys, 3.0 KiB, in about 1 min 5 s.');
    expect(printed).toContain('12 more slots by the plans after this one.');
    await expect(showPlan(node.target, 'ops')).rejects.toThrow(
      /^127\.0\.0\.1:\d+ tells nothing of rebalancing: The cluster is not founded yet\.$/,
    );
  });

  it('apply begins what it shows, also when another change comes in between', async () => {
    const node = await new FakeNode().open();
    node.overtaken = 2;
    listen();
    await applyPlan(node.target, null);
    const { plan } = node.topology.rebalance ?? {};
    expect(plan).toMatchObject({ by: 'slots', isAutomatic: false, slots: 300 });
    expect(plan?.steps).toEqual(
      PROPOSAL.moves.map(({ source, target, slots }) => ({ source, target, slots })),
    );
    expect(printed).toContain(`Plan ${moveName(plan?.id ?? 0)} is begun`);
  });

  it('apply says why it does not', async () => {
    const node = await new FakeNode().open();
    listen();
    node.proposal = { ...PROPOSAL, obstacle: 'shard 2 lacks its majority' };
    await expect(applyPlan(node.target, null)).rejects.toThrow(
      'nothing is changed: shard 2 lacks its majority',
    );
    node.proposal = { ...PROPOSAL, slots: 0, moves: [] };
    await expect(applyPlan(node.target, 'bytes')).rejects.toThrow('nothing is to move');
    await expect(pauseRebalance({ ...node.target, peerSecret: 'guessed' })).rejects.toThrow(
      'TORC_PEER_SECRET is not the one that the nodes are started with',
    );
    await expect(pauseRebalance({ ...node.target, peerSecret: '' })).rejects.toThrow('is not given');
    expect(node.topology.epoch).toBe(1);
  });

  it('status shows how far the plan is, and what is not known', async () => {
    const node = await new FakeNode().open();
    listen();
    await showRebalance(node.target);
    expect(printed).toContain('No plan is under way (automatic, by slots).');
    expect(printed).toContain('What the slots of shard 2 hold is not known: its leader did not answer.');
    node.plan = PLAN;
    await showRebalance(node.target);
    expect(printed).toContain('Plan 0.77 is under way (automatic, by slots): 1 move running, 3 to begin.');
    expect(printed).toContain(progressLine(PLAN));
    expect(printed).toMatch(/0\.78 +shard 1 +shard 2 +44 +10 +1\.0 KiB/);
    printed = '';
    await showRebalance({ ...node.target, json: true });
    expect(JSON.parse(printed)).toMatchObject({ plan: { id: 77 } });
  });

  it('pause, resume and abort change the register', async () => {
    const node = await new FakeNode().open();
    listen();
    await pauseRebalance(node.target);
    expect(node.topology.rebalance?.paused).toBe(true);
    await expect(pauseRebalance(node.target)).rejects.toThrow('rebalancing is paused already');
    await resumeRebalance(node.target);
    await expect(abortRebalance(node.target)).rejects.toThrow('no plan is under way');
    await applyPlan(node.target, null);
    await abortRebalance(node.target);
    expect(node.topology.rebalance).toMatchObject({ paused: true, plan: { aborting: true } });
    expect(printed).toContain('is being aborted');
  });

  it('says in a line that what answers is no node, or none any more', async () => {
    const node = await new FakeNode().open();
    const page = { status: 200, body: '<html></html>' };
    for (const path of ['', '/plan']) node.instead.set(`GET /api/rebalance${path}`, page);
    for (const show of [showRebalance, showHistory])
      await expect(show(node.target)).rejects.toMatchObject({ code: 'TORC_NO_ANSWER' });
    await expect(showPlan(node.target, null)).rejects.toThrow('what answers is no node of Torc');
    node.instead.set('POST /api/topology', { status: 504, body: '<html>Gateway Time-out</html>' });
    await expect(pauseRebalance(node.target)).rejects.toMatchObject({ code: 'TORC_CHANGE_UNKNOWN' });
    node.instead.set('GET /api/status', null);
    await expect(pauseRebalance(node.target)).rejects.toMatchObject({ code: 'TORC_NO_ANSWER' });
  });

  it('history shows what moved, when and how long', async () => {
    const node = await new FakeNode().open();
    listen();
    await showHistory(node.target);
    expect(printed).toBe('No plan has ended yet.\n');
    const steps = [{ source: 1, target: 2, slots: [{ from: 0, to: 9 }] }];
    const begun = after(node.topology, {
      kind: 'begin-plan',
      by: 'bytes',
      isAutomatic: true,
      atMs: 0,
      steps,
    });
    const plan = begun.rebalance?.plan?.id ?? 0;
    const moving = after(begun, { kind: 'begin-planned-move', plan, left: 1 });
    const moved = after(moving, { kind: 'end-move', move: moving.moves[0].id, moved: [{ from: 0, to: 9 }] });
    node.topology = after(moved, { kind: 'end-plan', plan, atMs: 4200 });
    await showHistory(node.target);
    expect(printed).toMatch(/1970-01-01 00:00:00 +4\.2 s +done +bytes +no +10 +10 +1 -> 2 \(10\)/);
  });
});

describe('torc node weight', () => {
  it('finds the node by name, number, address or id', async () => {
    const node = await new FakeNode().open();
    listen();
    const weights = (): number[] => node.topology.nodes.map(({ weight }) => weight);
    await setNodeWeight(node.target, 'one', 2);
    expect(weights()).toEqual([2, 1]);
    await setNodeWeight(node.target, '2', 3);
    await setNodeWeight(node.target, node.topology.nodes[0].id.slice(0, 12), 4);
    expect(weights()).toEqual([4, 3]);
    await expect(setNodeWeight(node.target, 'nobody', 4)).rejects.toThrow('no node is called nobody');
    await expect(setNodeWeight(node.target, `${HOST}:6379`, 4)).rejects.toThrow('is more than one node');
    expect(printed).toContain('The weight of one is 2 now; it was 1.');
  });
});

describe('progress', () => {
  it('is a bar, a share and the time that is left', () => {
    expect(progressLine(PLAN)).toBe(
      '[##########--------------------] 33 %  100 of 300 slots, 1010 keys and 3.0 KiB left, ETA 1 min 0 s',
    );
    expect(progressLine({ ...PLAN, moved: 0 })).toMatch(/^\[-{30}\] 0 % .*ETA unknown$/);
    expect(progressLine(PLAN, true)).toMatch(/ETA none: paused$/);
    expect(progressLine({ ...PLAN, aborting: true }, true)).toMatch(/ETA none: being aborted$/);
    expect(progressLine({ ...PLAN, moved: 300 })).toMatch(/^\[#{30}\] 100 %/);
  });

  it.each([
    [4200, '4.2 s'],
    [42_000, '42 s'],
    [200_000, '3 min 20 s'],
    [3_720_000, '1 h 2 min'],
  ])('%i ms is %s', (timeMs, text) => {
    expect(humanTime(timeMs)).toBe(text);
  });
});
