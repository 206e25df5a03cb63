/** Where a node that is not connected to most of its cluster looks for it. Pure. */
import type { Address } from '../env/contracts.ts';
import type { NodeEntry } from './types.ts';

type Peer = Pick<NodeEntry, 'host' | 'peerPort'>;

/** Each place once: where the others were, but for those it is connected to, and where the seeds are, itself left out. */
export function placesToAsk(
  others: readonly Peer[],
  connected: readonly Peer[],
  self: Peer,
  seeds: readonly Address[],
): Address[] {
  const known = new Set([self, ...connected].map(({ host, peerPort }) => `${host}:${peerPort}`));
  const places: Address[] = [];
  for (const { host, port } of [...others.map(addressOf), ...seeds]) {
    const name = `${host}:${port}`;
    if (known.has(name)) continue;
    known.add(name);
    places.push({ host, port });
  }
  return places;
}

function addressOf({ host, peerPort }: Peer): Address {
  return { host, port: peerPort };
}
