/** CONFIG: the settings by their Redis names. */
import { documented } from './documented.ts';
import { keyword, restOf, utf8Argument } from './local-arguments.ts';
import type { LocalContext, NodeView, Setting, SettingRefusal } from './local-context.ts';
import { SYNTAX } from './error-texts.ts';
import { ADMIN_CATEGORIES, ADMIN_FLAGS, container, helpCommand, localCommand } from './local-row.ts';
import { matchesPattern } from './text-pattern.ts';
import type { LocalCommand } from './types.ts';

const HAS_WILDCARD = /[*?[]/;

function get({ args, reply, session, node }: LocalContext): void {
  const known = knownSettings(node);
  // On the redirect port the node is one of a Redis Cluster, as INFO says there.
  if (session.port === 'redirect') known.set('cluster-enabled', 'yes');
  /** By the name in small letters: each once, called as it was asked for first. */
  const chosen = new Map<string, Setting>();
  for (const pattern of restOf(args, 2)) {
    const lower = pattern.toLowerCase();
    if (HAS_WILDCARD.test(lower)) {
      for (const [name, value] of known)
        if (matchesPattern(lower, name) && !chosen.has(name)) chosen.set(name, { name, value });
    } else {
      const value = known.get(lower);
      if (value !== undefined && !chosen.has(lower)) chosen.set(lower, { name: pattern, value });
    }
  }
  reply.mapHeader(chosen.size);
  for (const { name, value } of chosen.values()) {
    reply.bulkText(name);
    reply.bulkText(value);
  }
}

function knownSettings(node: NodeView): Map<string, string> {
  const known = new Map<string, string>();
  for (const { name, value } of node.settings.list()) known.set(name, value);
  return known;
}

function set({ args, reply, node }: LocalContext): void {
  if (args.count % 2 !== 0) {
    reply.error(SYNTAX);
    return;
  }
  const pairs: Setting[] = [];
  for (let at = 2; at < args.count; at += 2) {
    pairs.push({ name: keyword(args, at), value: utf8Argument(args, at + 1) });
  }
  const refusal = duplicateOf(pairs) ?? node.settings.set(pairs);
  if (refusal === null) reply.ok();
  else reply.error(refusalText(refusal));
}

function duplicateOf(pairs: readonly Setting[]): SettingRefusal | null {
  const seen = new Set<string>();
  for (const { name } of pairs) {
    if (seen.has(name)) return { kind: 'invalid', name, reason: 'duplicate parameter' };
    seen.add(name);
  }
  return null;
}

function refusalText(refusal: SettingRefusal): string {
  if (refusal.kind === 'unknown') {
    return `ERR Unknown option or number of arguments for CONFIG SET - '${refusal.name}'`;
  }
  // An error is written as Latin-1; a reason may quote what was given.
  const reason = Buffer.from(refusal.reason).toString('latin1');
  return `ERR CONFIG SET failed (possibly related to argument '${refusal.name}') - ${reason}`;
}

function resetStat({ reply, node }: LocalContext): void {
  node.resetStatistics();
  reply.ok();
}

function rewrite({ reply }: LocalContext): void {
  reply.error(
    'ERR CONFIG REWRITE is not offered: settings come from flags and the environment, and are kept there',
  );
}

const HELP = [
  'GET <pattern> [<pattern> ...]',
  '    Return the settings whose names match any of the patterns, and their values.',
  'SET <setting> <value> [<setting> <value> ...]',
  '    Change settings of this node, all or none. Those of the cluster change at start only.',
  'RESETSTAT',
  '    Start the counters of INFO anew.',
  'REWRITE',
  '    Refused: there is no file to write.',
];

const DOCS = {
  server: `
config 2.0.0 - Looks at settings and changes them.
config|get 2.0.0 O(N) Returns settings by patterns.
config|help 5.0.0 O(1) Lists the subcommands.
config|resetstat 2.0.0 O(1) Starts the counters of INFO anew.
config|rewrite 2.8.0 O(1) Writes the settings to a file; not offered.
config|set 2.0.0 O(N) Changes settings of the node.`,
};

export const configCommands: readonly LocalCommand[] = documented(DOCS, [
  container('config'),
  localCommand('config|get', -3, ADMIN_FLAGS, ADMIN_CATEGORIES, get),
  helpCommand('config', HELP),
  localCommand('config|resetstat', 2, ADMIN_FLAGS, ADMIN_CATEGORIES, resetStat),
  localCommand('config|rewrite', 2, ADMIN_FLAGS, ADMIN_CATEGORIES, rewrite),
  localCommand('config|set', -4, ADMIN_FLAGS, ADMIN_CATEGORIES, set),
]);
