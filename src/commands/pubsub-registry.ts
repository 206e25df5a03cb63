/** Who listens to what on this node, and the delivery of a message. */
import type { ReplyWriter } from '../resp/reply-writer.ts';
import type { ClientSession, PubSub } from './local-context.ts';
import { matchesPattern } from './text-pattern.ts';

/** A session's own sets: the registry fills what `ClientSession.channels` and `.patterns` show. */
export interface Subscriptions {
  channels: Set<string>;
  patterns: Set<string>;
}

export class PubSubRegistry implements PubSub {
  private readonly channels = new Map<string, Set<ClientSession>>();
  private readonly patterns = new Map<string, Set<ClientSession>>();
  private readonly subscriptionsOf: (session: ClientSession) => Subscriptions;

  constructor(subscriptionsOf: (session: ClientSession) => Subscriptions) {
    this.subscriptionsOf = subscriptionsOf;
  }

  get patternCount(): number {
    return this.patterns.size;
  }

  subscribe(session: ClientSession, channel: string): boolean {
    return join(this.channels, this.subscriptionsOf(session).channels, session, channel);
  }

  unsubscribe(session: ClientSession, channel: string): boolean {
    return leave(this.channels, this.subscriptionsOf(session).channels, session, channel);
  }

  subscribePattern(session: ClientSession, pattern: string): boolean {
    return join(this.patterns, this.subscriptionsOf(session).patterns, session, pattern);
  }

  unsubscribePattern(session: ClientSession, pattern: string): boolean {
    return leave(this.patterns, this.subscriptionsOf(session).patterns, session, pattern);
  }

  channelNames(): Iterable<string> {
    return this.channels.keys();
  }

  subscriberCount(channel: string): number {
    return this.channels.get(channel)?.size ?? 0;
  }

  /** The connection is gone. */
  forget(session: ClientSession): void {
    const own = this.subscriptionsOf(session);
    for (const channel of own.channels) this.unsubscribe(session, channel);
    for (const pattern of own.patterns) this.unsubscribePattern(session, pattern);
  }

  /** Returns how many messages went out: one a subscription that fits. */
  publish(channel: string, message: string): number {
    let sent = 0;
    for (const session of this.channels.get(channel) ?? []) {
      session.push((reply) => writeMessage(reply, ['message', channel, message]));
      sent += 1;
    }
    for (const [pattern, sessions] of this.patterns) {
      if (!matchesPattern(pattern, channel)) continue;
      for (const session of sessions) {
        session.push((reply) => writeMessage(reply, ['pmessage', pattern, channel, message]));
        sent += 1;
      }
    }
    return sent;
  }
}

function writeMessage(reply: ReplyWriter, parts: readonly string[]): void {
  reply.pushHeader(parts.length);
  for (const part of parts) reply.bulkLatin1(part);
}

function join(
  all: Map<string, Set<ClientSession>>,
  own: Set<string>,
  session: ClientSession,
  name: string,
): boolean {
  if (own.has(name)) return false;
  own.add(name);
  const sessions = all.get(name);
  if (sessions === undefined) all.set(name, new Set([session]));
  else sessions.add(session);
  return true;
}

function leave(
  all: Map<string, Set<ClientSession>>,
  own: Set<string>,
  session: ClientSession,
  name: string,
): boolean {
  if (!own.delete(name)) return false;
  const sessions = all.get(name);
  sessions?.delete(session);
  if (sessions?.size === 0) all.delete(name);
  return true;
}
