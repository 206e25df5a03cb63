/**
 * SUBSCRIBE and its like. Any channel may be subscribed to, but only those of the sentinel ever carry a message: PUBLISH comes later,
 * and is refused until then (refused.ts).
 */
import type { ReplyWriter } from '../resp/reply-writer.ts';
import { documented } from './documented.ts';
import { subscriptionCount } from './gate.ts';
import { restOf } from './local-arguments.ts';
import type { LocalContext } from './local-context.ts';
import { container, helpCommand, localCommand } from './local-row.ts';
import { matchesPattern } from './text-pattern.ts';
import type { CommandFlag, LocalCommand } from './types.ts';

function confirm(reply: ReplyWriter, kind: string, name: string | null, count: number): void {
  reply.pushHeader(3);
  reply.bulkText(kind);
  if (name === null) reply.null();
  else reply.bulkLatin1(name);
  reply.integer(count);
}

function subscribe({ args, reply, session, node }: LocalContext): void {
  for (const channel of restOf(args, 1)) {
    node.pubsub.subscribe(session, channel);
    confirm(reply, 'subscribe', channel, subscriptionCount(session));
  }
}

function psubscribe({ args, reply, session, node }: LocalContext): void {
  for (const pattern of restOf(args, 1)) {
    node.pubsub.subscribePattern(session, pattern);
    confirm(reply, 'psubscribe', pattern, subscriptionCount(session));
  }
}

/** Without names: all of them; and when there are none, one confirmation without a name. */
function unsubscribe({ args, reply, session, node }: LocalContext): void {
  const names = args.count > 1 ? restOf(args, 1) : [...session.channels];
  if (names.length === 0) confirm(reply, 'unsubscribe', null, subscriptionCount(session));
  for (const channel of names) {
    node.pubsub.unsubscribe(session, channel);
    confirm(reply, 'unsubscribe', channel, subscriptionCount(session));
  }
}

function punsubscribe({ args, reply, session, node }: LocalContext): void {
  const names = args.count > 1 ? restOf(args, 1) : [...session.patterns];
  if (names.length === 0) confirm(reply, 'punsubscribe', null, subscriptionCount(session));
  for (const pattern of names) {
    node.pubsub.unsubscribePattern(session, pattern);
    confirm(reply, 'punsubscribe', pattern, subscriptionCount(session));
  }
}

function channels({ args, reply, node }: LocalContext): void {
  const pattern = args.count === 3 ? args.text(2) : '*';
  if (args.count > 3) {
    wrongSubcommandArguments(reply, args.text(1));
    return;
  }
  const names = [...node.pubsub.channelNames()].filter((name) => matchesPattern(pattern, name));
  reply.arrayHeader(names.length);
  for (const name of names) reply.bulkLatin1(name);
}

function numSub({ args, reply, node }: LocalContext): void {
  const names = restOf(args, 2);
  reply.arrayHeader(names.length * 2);
  for (const name of names) {
    reply.bulkLatin1(name);
    reply.integer(node.pubsub.subscriberCount(name));
  }
}

function wrongSubcommandArguments(reply: ReplyWriter, subcommand: string): void {
  reply.error(`ERR unknown subcommand or wrong number of arguments for '${subcommand}'. Try PUBSUB HELP.`);
}

const HELP = [
  'CHANNELS [<pattern>]',
  '    Return the channels with subscribers on this node, all or those that match.',
  'NUMPAT',
  '    Return how many patterns are subscribed to on this node.',
  'NUMSUB [<channel> ...]',
  '    Return the number of subscribers of each channel on this node, those by pattern not counted.',
];

const FLAGS: readonly CommandFlag[] = ['pubsub', 'noscript', 'loading', 'stale'];
const QUERY_FLAGS: readonly CommandFlag[] = ['pubsub', 'loading', 'stale'];
const CATEGORIES = ['pubsub', 'slow'];

const DOCS = {
  pubsub: `
psubscribe 2.0.0 O(N) Listens to the channels that match patterns.
pubsub 2.8.0 - Looks at channels and their subscribers.
pubsub|channels 2.8.0 O(N) Returns the channels with subscribers.
pubsub|help 6.2.0 O(1) Lists the subcommands.
pubsub|numpat 2.8.0 O(1) Returns how many patterns are subscribed to.
pubsub|numsub 2.8.0 O(N) Returns how many subscribers channels have.
punsubscribe 2.0.0 O(N+M) Stops listening to patterns.
subscribe 2.0.0 O(N) Listens to channels.
unsubscribe 2.0.0 O(N) Stops listening to channels.`,
};

export const pubsubCommands: readonly LocalCommand[] = documented(DOCS, [
  localCommand('subscribe', -2, FLAGS, CATEGORIES, subscribe, true),
  localCommand('unsubscribe', -1, FLAGS, CATEGORIES, unsubscribe, true),
  localCommand('psubscribe', -2, FLAGS, CATEGORIES, psubscribe, true),
  localCommand('punsubscribe', -1, FLAGS, CATEGORIES, punsubscribe, true),
  container('pubsub'),
  localCommand('pubsub|channels', -2, QUERY_FLAGS, CATEGORIES, channels),
  helpCommand('pubsub', HELP),
  localCommand('pubsub|numpat', 2, QUERY_FLAGS, CATEGORIES, ({ reply, node }) =>
    reply.integer(node.pubsub.patternCount),
  ),
  localCommand('pubsub|numsub', -2, QUERY_FLAGS, CATEGORIES, numSub),
]);
