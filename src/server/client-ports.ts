/** The two ports for clients. They listen from the start, so that a port that is taken is told at once; until the node serves they say so. */
import type { PortKind } from '../commands/local-context.ts';
import type { ByteStream, ByteStreamHandler, Listener, Network } from '../env/contracts.ts';
import type { ClientServer } from './server.ts';

const NOT_FOUNDED = Buffer.from(
  '-LOADING Torc is starting: the cluster is not founded yet, or the log is being replayed\r\n',
);

export interface PortAddresses {
  host: string;
  clientPort: number;
  redirectPort: number;
}

export class ClientPorts {
  private server: ClientServer | null = null;
  private readonly listeners: Listener[] = [];
  private readonly early = new Set<ByteStream>();

  async listen(network: Network, addresses: PortAddresses): Promise<void> {
    const { host, clientPort, redirectPort } = addresses;
    for (const [port, kind] of [
      [clientPort, 'client'],
      [redirectPort, 'redirect'],
    ] as const) {
      const address = { host, port, purpose: `${kind} port` };
      this.listeners.push(await network.listenStream(address, (stream) => this.accept(stream, kind)));
    }
  }

  serve(server: ClientServer): void {
    this.server = server;
    for (const stream of this.early) stream.end();
    this.early.clear();
  }

  /** Takes no new connections; those there are live on. */
  async close(): Promise<void> {
    for (const listener of this.listeners) await listener.close();
    for (const stream of this.early) stream.destroy();
  }

  private accept(stream: ByteStream, kind: PortKind): ByteStreamHandler {
    if (this.server !== null) return this.server.accept(stream, kind);
    this.early.add(stream);
    return {
      onData: () => {
        stream.write(NOT_FOUNDED);
        stream.end();
      },
      onDrain: () => {},
      onEnd: () => {
        stream.end();
      },
      onClose: () => {
        this.early.delete(stream);
      },
    };
  }
}
