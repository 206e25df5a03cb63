/** Whether ports are free, before anything is touched. */
import { createServer } from 'node:net';
import { StartupError } from '../errors.ts';
import type { Settings } from '../settings/rows.ts';

/** Throws StartupError for the first port of these nodes that another process listens on. */
export async function checkPortsFree(nodes: readonly Settings[]): Promise<void> {
  for (const node of nodes) {
    const ports = [
      ['client', node.clientPort],
      ['redirect', node.redirectPort],
      ['peer', node.peerPort],
      ['admin', node.adminPort],
    ] as const;
    for (const [use, port] of ports) {
      if (await isFree(node.bind, port)) continue;
      throw new StartupError(
        'TORC_PORT_TAKEN',
        `port ${port}, the ${use} port of ${node.id}, is taken: another process listens there. Choose others with --port.`,
      );
    }
  }
}

/** Other problems of listening are left to the node, which says what they are. */
function isFree(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code !== 'EADDRINUSE'));
    server.listen({ host, port }, () => server.close(() => resolve(true)));
  });
}
