/** Who asks to be taken in, and who asks whether it still is of the cluster: nodes that go, stand still, or have other names. */
import { describe, expect, it } from 'vitest';

import type { Address, Clock, MessageSocket, MessageSocketHandler, Timer } from '../../src/env/contracts.ts';
import { decodeJoinRequest, encodeJoinAnswer } from '../../src/topology/join-codec.ts';
import { JoinCounter, type Inquirer } from '../../src/topology/join-counter.ts';
import type { JoinDesk } from '../../src/topology/join-desk.ts';
import { Joiner } from '../../src/topology/joiner.ts';
import type { Topology } from '../../src/topology/types.ts';
import type { DialFailed, PeerPort, PeerRoute } from '../../src/transport/peer-port.ts';
import { localPeer } from '../transport/support.ts';
import { manyNodes, nodeId } from './many-nodes.ts';

const NEVER: JoinDesk = {} as JoinDesk;

interface Dial {
  address: Address;
  failed: DialFailed;
  cancelled: boolean;
}

/** Time, dials and sessions by hand. */
class Rig {
  nowMs = 0;
  readonly dials: Dial[] = [];
  private route: PeerRoute | null = null;
  private readonly due: { atMs: number; run: () => void; cancelled: boolean }[] = [];
  readonly timers = {
    after: (delayMs: number, run: () => void): Timer => {
      const timer = { atMs: this.nowMs + delayMs, run, cancelled: false };
      this.due.push(timer);
      return { cancel: () => (timer.cancelled = true) };
    },
    endOfTurn: (run: () => void): void => run(),
  };
  readonly env = { clock: { monotonicMs: () => this.nowMs } as unknown as Clock, timers: this.timers };
  readonly port = {
    local: localPeer(9),
    route: (_: string, route: PeerRoute) => (this.route = route),
    dial: (address: Address, _channel: string, _expected: null, failed: DialFailed): Timer => {
      const dial: Dial = { address, failed, cancelled: false };
      this.dials.push(dial);
      return { cancel: () => (dial.cancelled = true) };
    },
  } as unknown as PeerPort;

  pass(durationMs: number): void {
    const untilMs = this.nowMs + durationMs;
    for (;;) {
      const next = this.due
        .filter(({ cancelled, atMs }) => !cancelled && atMs <= untilMs)
        .toSorted((a, b) => a.atMs - b.atMs)[0];
      if (next === undefined) break;
      this.due.splice(this.due.indexOf(next), 1);
      this.nowMs = next.atMs;
      next.run();
    }
    this.nowMs = untilMs;
  }

  /** Whoever answers there announces another name. */
  open(address: Address): {
    handler: MessageSocketHandler;
    sent: Uint8Array[];
    close: () => void;
    isCut: () => boolean;
  } {
    const sent: Uint8Array[] = [];
    let isOpen = true;
    const close = (): void => {
      if (!isOpen) return;
      isOpen = false;
      handler.onClose(1000, '');
    };
    const socket = { send: (bytes: Uint8Array) => sent.push(bytes), close, terminate: close };
    const session = {
      channel: 'joining',
      remote: localPeer(1),
      dialed: address,
      socket: socket as unknown as MessageSocket,
    };
    const handler = this.route!.opened(session as unknown as Parameters<PeerRoute['opened']>[0]);
    return { handler, sent, close, isCut: () => !isOpen };
  }
}

function tell(handler: MessageSocketHandler, topology: Topology): void {
  const bytes = encodeJoinAnswer({ kind: 'told', topology });
  handler.onMessage(bytes, 0, bytes.length);
}

describe('a node that is to be taken in', () => {
  it('dials each seed again that it has lost, whatever that calls itself', () => {
    const rig = new Rig();
    const [a, b] = ['torc-a', 'torc-b'].map((host) => ({ host, port: 16_379 }));
    const seeds = ['torc-a:16379', 'torc-b:16379'];
    const joiner = new Joiner(rig.env, {
      port: rig.port,
      node: nodeId(9),
      seeds,
      replaces: null,
      onWaiting: () => {},
      onUnreachable: () => {},
    });
    expect(rig.dials.map(({ address }) => address)).toEqual([a, b]);
    // The second answers, the first is never there.
    const session = rig.open(b);
    expect(decodeJoinRequest(session.sent[0])).toEqual({ replaces: null });
    rig.dials[0].failed(new Error('nobody'), null);
    session.close();
    rig.pass(1000);
    expect(rig.dials.slice(2).map(({ address }) => address)).toEqual([a, b]);
    joiner.close();
  });
});

describe('a node that no seed will ever have', () => {
  const WRONG = 'it does not know the shared secret';
  const seeds = ['torc-a:1', 'torc-b:1'];

  const unreachable: string[] = [];

  function joinerOf(rig: Rig, of = seeds): { joiner: Joiner; why: () => string | null } {
    const onUnreachable = (seed: string, reason: string): unknown => unreachable.push(`${seed}: ${reason}`);
    const options = { port: rig.port, node: nodeId(9), replaces: null, onWaiting: () => {}, onUnreachable };
    const joiner = new Joiner(rig.env, { ...options, seeds: of });
    let why: string | null = null;
    joiner.taken.catch((error: Error) => (why = error.message));
    return { joiner, why: () => why };
  }

  it('is refused in one line, once each has said so', async () => {
    const rig = new Rig();
    const { why } = joinerOf(rig);
    rig.dials[0].failed(null, WRONG);
    rig.dials[1].failed(new Error('nobody'), null);
    rig.pass(1000);
    await Promise.resolve();
    expect(why()).toBeNull();
    rig.dials.at(-1)?.failed(null, WRONG);
    await Promise.resolve();
    expect(why()).toBe(`all seeds (torc-a:1, torc-b:1) refuse this node: ${WRONG}`);
    const dials = rig.dials.length;
    rig.pass(5000);
    expect(rig.dials).toHaveLength(dials);
  });

  it('is not, while one may yet: it is not there, starts, or has talked to it since', async () => {
    const rig = new Rig();
    const { joiner, why } = joinerOf(rig);
    rig.dials[0].failed(null, WRONG);
    rig.dials[1].failed(null, null);
    rig.pass(1000);
    const [again] = rig.dials.slice(-2);
    again.failed(null, null);
    rig.pass(1000);
    rig.dials.at(-1)?.failed(null, WRONG);
    await Promise.resolve();
    expect(why()).toBeNull();
    joiner.close();
  });

  it('says of a seed that is not there for a while why, once', () => {
    const rig = new Rig();
    const { joiner } = joinerOf(rig);
    for (let tries = 1; tries <= 20; tries++) {
      for (const { address, failed } of rig.dials.splice(0))
        if (address.host === 'torc-a') failed(new Error('no such host'), null);
      expect(unreachable).toEqual(tries < 10 ? [] : ['torc-a:1: no such host']);
      rig.pass(500);
    }
    joiner.close();
  });

  it('is told by the only one it knows', async () => {
    const rig = new Rig();
    const { why } = joinerOf(rig, ['torc-a:1']);
    rig.dials[0].failed(null, WRONG);
    await Promise.resolve();
    expect(why()).toBe(`the seed torc-a:1 refuses this node: ${WRONG}`);
  });
});

describe('a node that asks whether it still is of the cluster', () => {
  const address = { host: 'torc-a', port: 1 };

  const idle: Inquirer = { met: () => {}, told: () => {} };

  it('is told, and may ask again', () => {
    const rig = new Rig();
    const counter = new JoinCounter(rig, rig.port);
    counter.open(NEVER);
    const told: number[] = [];
    const met: string[] = [];
    counter.inquire(address, {
      met: (node, { host, port }) => met.push(`${node} at ${host}:${port}`),
      told: ({ epoch }) => told.push(epoch),
    });
    counter.inquire(address, idle);
    expect(rig.dials).toHaveLength(1);
    const { handler, isCut } = rig.open(address);
    const topology = manyNodes(3);
    tell(handler, topology);
    expect(told).toEqual([topology.epoch]);
    // Where it says that it is, not where it was asked.
    expect(met).toEqual([`${localPeer(1).node} at 127.0.0.1:16379`]);
    expect(isCut()).toBe(true);
    counter.inquire(address, idle);
    expect(rig.dials).toHaveLength(2);
  });

  it.each(['while it dials', 'while it waits for the answer'])(
    'asks another when that one stands still %s',
    (when) => {
      const rig = new Rig();
      const counter = new JoinCounter(rig, rig.port);
      counter.open(NEVER);
      counter.inquire(address, idle);
      const session = when === 'while it dials' ? null : rig.open(address);
      rig.pass(5000);
      expect(session === null ? rig.dials[0].cancelled : session.isCut()).toBe(true);
      counter.inquire({ host: 'torc-b', port: 1 }, idle);
      expect(rig.dials.at(-1)?.address.host).toBe('torc-b');
    },
  );
});
