/**
 * SENTINEL: how clients that know sentinels move to another node by themselves. Every node is a master of every name, and a sentinel:
 * a ready node names itself, any other names a ready one.
 */
import type { ClusterNode, ClusterView } from './cluster-view.ts';
import { documented } from './documented.ts';
import type { LocalContext, NodeView } from './local-context.ts';
import { ADMIN_CATEGORIES, container, helpCommand, localCommand } from './local-row.ts';
import type { PubSubRegistry } from './pubsub-registry.ts';
import type { CommandFlag, LocalCommand } from './types.ts';

type Reply = LocalContext['reply'];

/** Told by MASTERS to a client that has not named a master yet. */
const DEFAULT_NAME = 'torc';
/** How many names are remembered for `+switch-master`: a client may make up any number of them. */
const MAX_NAMES = 64;
const MAX_NAME_LENGTH = 128;

const NOBODY_READY = 'CLUSTERDOWN No node is ready; try again';
/** What a sentinel tells of the times that Torc keeps elsewhere: fixed figures of Redis's defaults. */
const DOWN_AFTER_MS = 30_000;
const FAILOVER_TIMEOUT_MS = 180_000;

/** This node if it is ready, else the first other one that is; null when none is, and never this one then. */
function masterOf(view: ClusterView): ClusterNode | null {
  const self = view.nodes.find((node) => node.id === view.self);
  if (self?.ready === true) return self;
  return view.nodes.find((node) => node.ready && node.id !== view.self) ?? null;
}

function otherReady(view: ClusterView): ClusterNode[] {
  return view.nodes.filter((node) => node.ready && node.id !== view.self);
}

function remember(node: NodeView, name: string): void {
  if (node.masterNames.size < MAX_NAMES && name.length <= MAX_NAME_LENGTH) node.masterNames.add(name);
}

function getMasterAddress({ args, reply, node }: LocalContext): void {
  remember(node, args.text(2));
  const master = masterOf(node.cluster());
  if (master === null) {
    reply.nullArray();
    return;
  }
  reply.arrayHeader(2);
  reply.bulkText(master.host);
  reply.bulkText(String(master.clientPort));
}

function master({ args, reply, node }: LocalContext): void {
  const name = args.text(2);
  remember(node, name);
  const view = node.cluster();
  const found = masterOf(view);
  if (found === null) reply.error(NOBODY_READY);
  else writeFields(reply, masterFields(name, found, view, node));
}

function masters({ reply, node }: LocalContext): void {
  const view = node.cluster();
  const found = masterOf(view);
  const names = node.masterNames.size === 0 ? [DEFAULT_NAME] : [...node.masterNames];
  if (found === null) {
    reply.error(NOBODY_READY);
    return;
  }
  reply.arrayHeader(names.length);
  for (const name of names) writeFields(reply, masterFields(name, found, view, node));
}

function sentinels({ args, reply, node }: LocalContext): void {
  remember(node, args.text(2));
  const others = otherReady(node.cluster());
  reply.arrayHeader(others.length);
  for (const other of others) writeFields(reply, sentinelFields(other, node));
}

/** Replicas serve no client. */
function replicas({ args, reply, node }: LocalContext): void {
  remember(node, args.text(2));
  reply.arrayHeader(0);
}

function checkQuorum({ args, reply, node }: LocalContext): void {
  remember(node, args.text(2));
  const { nodes } = node.cluster();
  const ready = nodes.filter((one) => one.ready).length;
  const quorum = quorumOf(nodes.length);
  if (ready >= quorum) {
    reply.simple(`OK ${ready} usable Sentinels. Quorum and failover authorization can be reached`);
  } else {
    reply.error(
      `NOQUORUM ${ready} usable Sentinels. Not enough available Sentinels to reach the specified quorum for this master. Not enough available Sentinels to reach the majority and authorize a failover`,
    );
  }
}

function quorumOf(count: number): number {
  return Math.floor(count / 2) + 1;
}

type Field = readonly [name: string, value: string | number];

function masterFields(name: string, found: ClusterNode, view: ClusterView, node: NodeView): Field[] {
  const heardAgo = heardAgoMs(found, node);
  const runId = found.id === view.self ? node.runId : found.id;
  return [
    ...instanceFields(name, found, runId, 'master', heardAgo),
    ['info-refresh', heardAgo],
    ['role-reported', 'master'],
    ['role-reported-time', heardAgo],
    ['config-epoch', view.epoch],
    ['num-slaves', 0],
    ['num-other-sentinels', otherReady(view).length],
    ['quorum', quorumOf(view.nodes.length)],
    ['failover-timeout', FAILOVER_TIMEOUT_MS],
    ['parallel-syncs', 1],
  ];
}

function sentinelFields(other: ClusterNode, node: NodeView): Field[] {
  const heardAgo = heardAgoMs(other, node);
  return [
    ...instanceFields(other.id, other, other.id, 'sentinel', heardAgo),
    ['last-hello-message', heardAgo],
    ['voted-leader', '?'],
    ['voted-leader-epoch', 0],
  ];
}

function instanceFields(
  name: string,
  of: ClusterNode,
  runId: string,
  role: string,
  heardAgo: number,
): Field[] {
  return [
    ['name', name],
    ['ip', of.host],
    ['port', of.clientPort],
    ['runid', runId],
    ['flags', of.connected ? role : `${role},disconnected`],
    ['link-pending-commands', 0],
    ['link-refcount', 1],
    ['last-ping-sent', 0],
    ['last-ok-ping-reply', heardAgo],
    ['last-ping-reply', heardAgo],
    ['down-after-milliseconds', DOWN_AFTER_MS],
  ];
}

function heardAgoMs(of: ClusterNode, node: NodeView): number {
  if (of.heardWallMs === 0) return 0;
  return Math.max(0, Math.floor(node.clock.wallMs() - of.heardWallMs));
}

/** All values are texts, as in Redis. */
function writeFields(reply: Reply, fields: readonly Field[]): void {
  reply.mapHeader(fields.length);
  for (const [name, value] of fields) {
    reply.bulkText(name);
    if (name === 'name') reply.bulkLatin1(String(value));
    else reply.bulkText(String(value));
  }
}

/**
 * Tells those who listen that a node has stopped being ready, so that they ask again. `+switch-master` is what ioredis listens to, and
 * `+sdown` what node-redis does.
 */
export function announceNotReady(pubsub: PubSubRegistry, node: NodeView, gone: ClusterNode): void {
  const next = masterOf(node.cluster());
  const names = node.masterNames.size === 0 ? [DEFAULT_NAME] : [...node.masterNames];
  for (const name of names) {
    const address = `${gone.host} ${gone.clientPort}`;
    pubsub.publish('+sdown', `master ${name} ${address}`);
    if (next !== null) {
      pubsub.publish('+switch-master', `${name} ${address} ${next.host} ${next.clientPort}`);
    }
  }
}

const HELP = [
  'CKQUORUM <name>',
  '    Tell whether a majority of the nodes is ready.',
  'GET-MASTER-ADDR-BY-NAME <name>',
  '    Return the address of a ready node, whatever the name.',
  'MASTER <name>',
  '    Describe that node.',
  'MASTERS',
  '    Describe it under each name asked for so far.',
  'MYID',
  '    Return the id of this node.',
  'REPLICAS <name>',
  '    Return no nodes: replicas serve no client.',
  'SENTINELS <name>',
  '    Describe the other ready nodes.',
];

const ADMIN: readonly CommandFlag[] = ['admin'];

function row(name: string, arity: number, run: (context: LocalContext) => void): LocalCommand {
  return localCommand(`sentinel|${name}`, arity, ADMIN, ADMIN_CATEGORIES, run);
}

const DOCS = {
  server: `
sentinel 2.8.4 - Tells clients which node to connect to.
sentinel|ckquorum 2.8.4 O(N) Tells whether enough nodes are ready.
sentinel|get-master-addr-by-name 2.8.4 O(N) Returns the address of a ready node.
sentinel|help 6.2.0 O(1) Lists the subcommands.
sentinel|master 2.8.4 O(N) Describes a ready node as a master.
sentinel|masters 2.8.4 O(N) Describes a ready node as the only master.
sentinel|myid 6.2.0 O(1) Returns the id of the node.
sentinel|replicas 5.0.0 O(1) Returns no replicas.
sentinel|sentinels 2.8.4 O(N) Describes the other ready nodes as sentinels.
sentinel|slaves 2.8.0 O(1) Returns no replicas; REPLICAS by its old name.`,
};

export const sentinelCommands: readonly LocalCommand[] = documented(DOCS, [
  container('sentinel', ADMIN, ADMIN_CATEGORIES),
  row('ckquorum', 3, checkQuorum),
  row('get-master-addr-by-name', 3, getMasterAddress),
  helpCommand('sentinel', HELP),
  row('master', 3, master),
  row('masters', 2, masters),
  row('myid', 2, ({ reply, node }) => reply.bulkText(node.nodeId)),
  row('replicas', 3, replicas),
  row('sentinels', 3, sentinels),
  row('slaves', 3, replicas),
]);
