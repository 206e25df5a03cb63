/**
 * The mesh's proxy, a process of its own so that what the clients do delays no heartbeat. Nodes announce its ports as their peer ports.
 *
 *     tsx main.ts '[{"place":0,"port":23100,"targetPort":23050},…]'
 *
 * Each line of its input is an Order, and is answered by a line once it holds. It ends with its input.
 */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';

import type { LineFault } from '../network.ts';
import { Flow, type LineState } from './flow.ts';
import { HelloReader } from './hello.ts';

/** Where nodes dial one of them. */
export interface Door {
  place: number;
  port: number;
  targetPort: number;
}

export interface Order {
  /** Places by node id: who dials tells its id. */
  places: Readonly<Record<string, number>>;
  faults: readonly LineFault[];
}

const HOST = '127.0.0.1';
const HEALTHY: LineState = {};

let order: Order = { places: {}, faults: [] };
const flows = new Set<Flow>();

function stateOf(from: number | null, to: number | null): LineState {
  return order.faults.find((fault) => fault.from === from && fault.to === to) ?? HEALTHY;
}

function cross(dialer: Socket, door: Door): void {
  const target = connect({ host: HOST, port: door.targetPort, noDelay: true });
  const hello = new HelloReader();
  let node: string | null = null;
  const placeOfDialer = (): number | null => (node === null ? null : (order.places[node] ?? null));
  // Before the flow, so that it is known who sends the first bytes that say so.
  dialer.on('data', (bytes: Buffer) => {
    node = hello.take(bytes) ?? node;
  });
  const there = new Flow(dialer, target, () => stateOf(placeOfDialer(), door.place));
  const back = new Flow(target, dialer, () => stateOf(door.place, placeOfDialer()));
  for (const flow of [there, back]) flows.add(flow);
  let open = 2;
  for (const socket of [dialer, target]) {
    // What it was is told by the close that follows.
    socket.on('error', () => undefined);
    socket.on('close', () => {
      open -= 1;
      if (open > 0) return;
      flows.delete(there);
      flows.delete(back);
    });
  }
}

const doors = JSON.parse(process.argv[2]) as Door[];
for (const door of doors) {
  const server = createServer({ noDelay: true, allowHalfOpen: true }, (dialer) => cross(dialer, door));
  server.listen(door.port, HOST);
  await once(server, 'listening');
}
process.stdout.write('listening\n');
for await (const line of createInterface({ input: process.stdin })) {
  order = JSON.parse(line) as Order;
  for (const flow of flows) flow.review();
  process.stdout.write('done\n');
}
process.exit();
