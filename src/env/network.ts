import type { Network } from './contracts.ts';
import { listenHttp } from './http.ts';
import { connectMessages, listenMessages } from './messages.ts';
import { listenStream } from './streams.ts';

/** The real network: TCP to clients, WebSocket between nodes, HTTP for those who watch. */
export const systemNetwork: Network = { listenStream, listenMessages, connectMessages, listenHttp };
