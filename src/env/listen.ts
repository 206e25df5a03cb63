import type { Server } from 'node:net';

import { StartupError } from '../errors.ts';
import type { Address, ListenAddress, Listener } from './contracts.ts';

/** Starts a server of any kind, and turns what the system says against it into one clear line. */
export function listenOn(server: Server, address: ListenAddress, closeIdle: () => void): Promise<Listener> {
  return new Promise((resolve, reject) => {
    const fail = (error: NodeJS.ErrnoException): void => reject(listenError(address, error));
    server.once('error', fail);
    server.listen({ host: address.host, port: address.port }, () => {
      server.off('error', fail);
      // Accepting may fail for a moment (out of file descriptors): the server goes on, and the caller's limits tell of it.
      server.on('error', () => {});
      resolve(listenerOf(server, closeIdle));
    });
  });
}

function listenerOf(server: Server, closeIdle: () => void): Listener {
  const bound = server.address();
  const address: Address =
    bound !== null && typeof bound === 'object'
      ? { host: bound.address, port: bound.port }
      : { host: '', port: 0 };
  return { address, close: () => stopListening(server, closeIdle) };
}

/** Node calls back only once every connection has ended; the port itself is free a moment after `close`. */
function stopListening(server: Server, closeIdle: () => void): Promise<void> {
  return new Promise((resolve) => {
    if (server.listening) server.close();
    closeIdle();
    setImmediate(resolve);
  });
}

function listenError(address: ListenAddress, error: NodeJS.ErrnoException): StartupError {
  const purpose = address.purpose === undefined ? '' : ` (${address.purpose})`;
  const where = `port ${address.port} on ${address.host}`;
  switch (error.code ?? '') {
    case 'EADDRINUSE':
      return startupError('TORC_PORT_TAKEN', `${where} is taken by another process${purpose}`, error);
    case 'EADDRNOTAVAIL':
      return startupError(
        'TORC_ADDRESS_UNAVAILABLE',
        `cannot listen on ${address.host}${purpose}: this machine has no such address`,
        error,
      );
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return startupError(
        'TORC_ADDRESS_UNAVAILABLE',
        `cannot listen on ${address.host}${purpose}: the name is not known`,
        error,
      );
    case 'EACCES':
    case 'EPERM':
      return startupError('TORC_PORT_FORBIDDEN', `${where} may not be used by this user${purpose}`, error);
    default:
      return startupError('TORC_LISTEN', `cannot listen on ${where}${purpose}: ${error.message}`, error);
  }
}

function startupError(code: string, message: string, cause: Error): StartupError {
  return new StartupError(code, message, { cause });
}
