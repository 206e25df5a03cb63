/**
 * Who may change the topology over the admin port: who knows the peer secret. The secret itself does not travel: the request carries an HMAC of
 * its body with it. The body names the cluster and the epoch that it changes, so what was overheard does nothing once that epoch is over; a request
 * that was refused can be sent again until then. A cluster
 * without a secret takes changes from its own machine alone. (A web page open there cannot send one: what says that it comes from a page is refused.)
 */
import { createHmac, timingSafeEqual } from 'node:crypto';

const PURPOSE = 'torc topology change\n';

/** In hex, for the header `authorization: torc …`. */
export function proofOf(secret: string, body: string): string {
  return createHmac('sha256', secret).update(PURPOSE).update(body).digest('hex');
}

export function mayChange(secret: string, body: string, proof: string, from: string): boolean {
  if (secret === '' && !isLoopback(from)) return false;
  const wanted = Buffer.from(proofOf(secret, body));
  const given = Buffer.from(proof);
  return given.length === wanted.length && timingSafeEqual(given, wanted);
}

function isLoopback(address: string): boolean {
  return address === '::1' || /^(::ffff:)?127(\.\d{1,3}){3}$/.test(address);
}
