/** Three fake nodes behind real sockets, so that real client libraries may read what the local commands answer. */
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';

import type { PortKind } from '../../../src/commands/local-context.ts';
import { FakeNode, NODE_IDS, type FakeSession } from './fake-node.ts';

export interface FakeCluster {
  nodes: FakeNode[];
  close(): void;
}

export async function startFakeCluster(): Promise<FakeCluster> {
  const sockets = new Set<Socket>();
  const listeners: Server[] = [];
  const nodes = NODE_IDS.map(() => new FakeNode());
  const listen = async (node: FakeNode, port: PortKind): Promise<number> => {
    const server = createServer((socket) => {
      sockets.add(socket);
      serve(node, port, socket);
    });
    listeners.push(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  };
  const shared = nodes[0].nodes;
  for (const [index, node] of nodes.entries()) {
    shared[index].clientPort = await listen(node, 'client');
    shared[index].redirectPort = await listen(node, 'redirect');
    node.nodes = shared;
    node.shards = nodes[0].shards;
    node.selfIndex = index;
  }
  return {
    nodes,
    close: () => {
      for (const socket of sockets) socket.destroy();
      for (const listener of listeners) listener.close();
    },
  };
}

/** GET answers with the node that it came to, DBSIZE with 0; all else is local. */
function serve(node: FakeNode, port: PortKind, socket: Socket): void {
  const session = node.connect(port);
  let pending = '';
  socket.on('error', () => socket.destroy());
  socket.on('data', (bytes) => {
    pending += bytes.toString('latin1');
    for (let command = takeCommand(pending); command !== null; command = takeCommand(pending)) {
      pending = pending.slice(command.size);
      socket.write(Buffer.from(answer(node, session, command.words), 'latin1'));
      if (session.closeAfterReply) socket.end();
    }
  });
  session.onPush = (text) => socket.write(Buffer.from(text, 'latin1'));
}

function answer(node: FakeNode, session: FakeSession, words: string[]): string {
  if (words[0].toLowerCase() === 'get') return `$1\r\n${node.selfIndex}\r\n`;
  if (words[0].toLowerCase() === 'dbsize') return ':0\r\n';
  return node.send(session, ...words);
}

/** The first whole command of the text, which is an array of bulk strings. */
function takeCommand(text: string): { words: string[]; size: number } | null {
  const head = /^\*(\d+)\r\n/.exec(text);
  if (head === null) return null;
  let at = head[0].length;
  const words: string[] = [];
  for (let left = Number(head[1]); left > 0; left--) {
    const size = /^\$(\d+)\r\n/.exec(text.slice(at, at + 16));
    if (size === null) return null;
    const start = at + size[0].length;
    at = start + Number(size[1]) + 2;
    if (at > text.length) return null;
    words.push(text.slice(start, at - 2));
  }
  return { words, size: at };
}
