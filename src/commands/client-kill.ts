/** CLIENT KILL, in its old form (an address) and its new one (filters that must all hold). */
import { clientType, hasType } from './client-list.ts';
import { integerArgument, keyword } from './local-arguments.ts';
import type { ClientSession, LocalContext } from './local-context.ts';
import { SYNTAX } from './error-texts.ts';

const KNOWN_USER = 'default';

interface KillFilter {
  id: number | null;
  address: string | null;
  localAddress: string | null;
  type: ReturnType<typeof clientType>;
  user: string | null;
  skipMe: boolean;
}

export function clientKill(context: LocalContext): void {
  const { args, reply } = context;
  if (args.count === 3) {
    const killed = killMatching(context, { ...everybody(), address: args.text(2), skipMe: false });
    if (killed > 0) reply.ok();
    else reply.error('ERR No such client');
    return;
  }
  const filter = readFilter(args);
  if (typeof filter === 'string') reply.error(filter);
  else reply.integer(killMatching(context, filter));
}

function everybody(): KillFilter {
  return { id: null, address: null, localAddress: null, type: undefined, user: null, skipMe: true };
}

function readFilter(args: LocalContext['args']): KillFilter | string {
  const filter = everybody();
  for (let at = 2; at < args.count; at += 2) {
    if (at + 1 >= args.count) return SYNTAX;
    const refusal = readOption(args, at, filter);
    if (refusal !== null) return refusal;
  }
  return filter;
}

function readOption(args: LocalContext['args'], at: number, filter: KillFilter): string | null {
  const value = args.text(at + 1);
  switch (keyword(args, at)) {
    case 'id':
      filter.id = integerArgument(args, at + 1);
      return filter.id !== null && filter.id > 0 ? null : 'ERR client-id should be greater than 0';
    case 'type':
      filter.type = clientType(value.toLowerCase());
      return filter.type === undefined ? `ERR Unknown client type '${value}'` : null;
    case 'addr':
      filter.address = value;
      return null;
    case 'laddr':
      filter.localAddress = value;
      return null;
    case 'user':
      filter.user = value;
      return value === KNOWN_USER ? null : `ERR No such user '${value}'`;
    case 'skipme': {
      const choice = value.toLowerCase();
      filter.skipMe = choice === 'yes';
      return choice === 'yes' || choice === 'no' ? null : SYNTAX;
    }
    default:
      return SYNTAX;
  }
}

/** The caller's own connection still gets its answer. */
function killMatching({ node, session }: LocalContext, filter: KillFilter): number {
  const chosen = [...node.sessions()].filter(
    (other) => matches(other, filter) && !(filter.skipMe && other === session),
  );
  for (const other of chosen) {
    if (other === session) session.closeAfterReply = true;
    else other.kill();
  }
  return chosen.length;
}

function matches(session: ClientSession, filter: KillFilter): boolean {
  return (
    (filter.id === null || session.id === filter.id) &&
    (filter.address === null || session.address === filter.address) &&
    (filter.localAddress === null || session.localAddress === filter.localAddress) &&
    (filter.type === undefined || hasType(session, filter.type)) &&
    (filter.user === null || session.user === filter.user)
  );
}
