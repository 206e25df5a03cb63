/** A side of the comparison that is a server. */
import type { Side } from './compare.ts';
import type { RespClient } from './resp-client.ts';

export function overSocket(client: RespClient): Side {
  return { run: (commands, bytes) => client.exchange(bytes, commands.length) };
}
