/** CLUSTER, READONLY, READWRITE and ASKING: on the redirect port; the client port is no cluster, and says where one is. */
import { SLOT_COUNT } from '../topology/types.ts';
import { infoText, nodesText, ownersOf, type Owner } from './cluster-text.ts';
import { documented } from './documented.ts';
import { integerArgument } from './local-arguments.ts';
import type { LocalContext } from './local-context.ts';
import { NOT_AN_INTEGER } from './error-texts.ts';
import { ADMIN_CATEGORIES, container, helpCommand, localCommand } from './local-row.ts';
import type { CommandFlag, LocalCommand } from './types.ts';

type Reply = LocalContext['reply'];
type Run = (context: LocalContext) => void;

const NOT_READY = 'CLUSTERDOWN This node leads the slot but may not read it just now; try again';

/** Runs on the redirect port only. */
function inCluster(run: Run): Run {
  return (context) => {
    if (context.session.port === 'redirect') {
      run(context);
      return;
    }
    const { host, redirectPort } = context.node.self();
    context.reply.error(
      `ERR This instance has cluster support disabled; Redis Cluster clients connect to ${host}:${redirectPort}`,
    );
  };
}

/** One entry a run of slots, each with its leader alone. */
function slots({ reply, node }: LocalContext): void {
  const owners = ownersOf(node.cluster());
  const rows = owners.flatMap((owner) => owner.runs.map((run) => ({ owner, run })));
  rows.sort((one, other) => one.run.from - other.run.from);
  reply.arrayHeader(rows.length);
  for (const { owner, run } of rows) {
    reply.arrayHeader(3);
    reply.integer(run.from);
    reply.integer(run.to);
    reply.arrayHeader(4);
    reply.bulkText(owner.node.host);
    reply.integer(owner.node.redirectPort);
    reply.bulkText(owner.node.id);
    reply.mapHeader(0);
  }
}

function shards({ reply, node, session }: LocalContext): void {
  const owners = ownersOf(node.cluster());
  const { offset } = node.figures(session.port).replication;
  reply.arrayHeader(owners.length);
  for (const owner of owners) writeShard(reply, owner, owner.node.id === node.nodeId ? offset : 0);
}

function writeShard(reply: Reply, { node, runs }: Owner, offset: number): void {
  reply.mapHeader(2);
  reply.bulkText('slots');
  reply.arrayHeader(runs.length * 2);
  for (const { from, to } of runs) {
    reply.integer(from);
    reply.integer(to);
  }
  reply.bulkText('nodes');
  reply.arrayHeader(1);
  reply.mapHeader(7);
  const health = node.failed ? 'fail' : node.ready ? 'online' : 'loading';
  const fields: [string, string | number][] = [
    ['id', node.id],
    ['port', node.redirectPort],
    ['ip', node.host],
    ['endpoint', node.host],
    ['role', 'master'],
    ['replication-offset', offset],
    ['health', health],
  ];
  writeFields(reply, fields);
}

/** One connection carries what goes to a node and what comes from it, and is told once. What it has room for is what it needs. */
function links({ reply, node }: LocalContext): void {
  const { nodes } = node.cluster();
  const open = nodes.flatMap(({ id, link }) => (link === null ? [] : [{ id, ...link }]));
  reply.arrayHeader(open.length);
  for (const { id, sinceWallMs, unsentBytes } of open) {
    reply.mapHeader(6);
    const fields: [string, string | number][] = [
      ['direction', 'to'],
      ['node', id],
      ['create-time', Math.round(sinceWallMs)],
      ['events', unsentBytes > 0 ? 'rw' : 'r'],
      ['send-buffer-allocated', unsentBytes],
      ['send-buffer-used', unsentBytes],
    ];
    writeFields(reply, fields);
  }
}

function writeFields(reply: Reply, fields: readonly [string, string | number][]): void {
  for (const [name, value] of fields) {
    reply.bulkText(name);
    if (typeof value === 'number') reply.integer(value);
    else reply.bulkText(value);
  }
}

function keySlot({ args, reply, node }: LocalContext): void {
  reply.integer(node.slotOf(args.bytes, args.start[2], args.end[2]));
}

function countKeysInSlot({ args, reply, node }: LocalContext): void {
  const slot = integerArgument(args, 2);
  if (slot === null) reply.error(NOT_AN_INTEGER);
  else if (slot < 0 || slot >= SLOT_COUNT) reply.error('ERR Invalid slot');
  else {
    const keys = node.slotKeys(slot);
    if (keys === 'not-ready') reply.error(NOT_READY);
    else reply.integer(keys === 'elsewhere' ? 0 : keys.count);
  }
}

function getKeysInSlot({ args, reply, node }: LocalContext): void {
  const slot = integerArgument(args, 2);
  const limit = integerArgument(args, 3);
  if (slot === null || limit === null) {
    reply.error(NOT_AN_INTEGER);
    return;
  }
  if (slot < 0 || slot >= SLOT_COUNT || limit < 0) {
    reply.error('ERR Invalid slot or number of keys');
    return;
  }
  const keys = node.slotKeys(slot);
  if (keys === 'not-ready') reply.error(NOT_READY);
  else if (keys === 'elsewhere') reply.arrayHeader(0);
  else {
    const found: string[] = [];
    keys.each(limit, (bytes, start, end) => found.push(bytes.toString('latin1', start, end)));
    reply.arrayHeader(found.length);
    for (const key of found) reply.bulkLatin1(key);
  }
}

/** Runs when the node named is known; no node has replicas, and nodes do not report each other. */
function aboutNode(answer: (reply: Reply) => void): Run {
  return ({ args, reply, node }) => {
    const id = args.text(2);
    if (node.cluster().nodes.some((known) => known.id === id)) answer(reply);
    else reply.error(`ERR Unknown node ${id}`);
  };
}

function readMode(on: boolean): Run {
  return inCluster(({ reply, session }) => {
    session.readonlyMode = on;
    reply.ok();
  });
}

const asking = inCluster(({ reply, session }) => {
  session.asking = true;
  reply.ok();
});

const HELP = [
  'COUNT-FAILURE-REPORTS <node-id>',
  '    Return 0: nodes do not report each other.',
  'COUNTKEYSINSLOT <slot>',
  '    Return how many keys a slot has that this node leads.',
  'GETKEYSINSLOT <slot> <count>',
  '    Return keys of a slot that this node leads.',
  'INFO',
  '    Return the state of the cluster.',
  'KEYSLOT <key>',
  '    Return the slot of a key.',
  'LINKS',
  '    Return the links to the other nodes.',
  'MYID',
  '    Return the id of this node.',
  'MYSHARDID',
  '    Return the id that groups a node with its replicas: its own.',
  'NODES',
  '    Return the nodes, a line each:',
  '    <id> <host:port@peer-port> <flags> - 0 <heard> <epoch> <link> <slots> ...',
  'REPLICAS <node-id>',
  '    Return no nodes: leaders alone serve.',
  'SHARDS',
  '    Return the nodes with their slots.',
  'SLOTS',
  '    Return the runs of slots with the node that leads each.',
];

const STALE: readonly CommandFlag[] = ['stale'];
const ADMIN_STALE: readonly CommandFlag[] = ['admin', 'stale'];
const FAST: readonly CommandFlag[] = ['loading', 'stale', 'fast'];

function open(name: string, arity: number, run: Run): LocalCommand {
  return localCommand(`cluster|${name}`, arity, STALE, ['slow'], inCluster(run));
}

function admin(name: string, arity: number, run: Run): LocalCommand {
  return localCommand(`cluster|${name}`, arity, ADMIN_STALE, ADMIN_CATEGORIES, inCluster(run));
}

const myId: Run = ({ reply, node }) => reply.bulkText(node.nodeId);
const help = helpCommand('cluster', HELP);

const DOCS = {
  cluster: `
asking 3.0.0 O(1) Lets the next command in while its slot moves here.
cluster 3.0.0 - Tells which node leads which slots.
cluster|count-failure-reports 3.0.0 O(N) Returns 0: nodes do not report each other.
cluster|countkeysinslot 3.0.0 O(1) Counts the keys of a slot that the node leads.
cluster|getkeysinslot 3.0.0 O(N) Returns keys of a slot that the node leads.
cluster|help 5.0.0 O(1) Lists the subcommands.
cluster|info 3.0.0 O(1) Returns the state of the cluster.
cluster|keyslot 3.0.0 O(N) Returns the slot of a key.
cluster|links 7.0.0 O(N) Returns the links to the other nodes.
cluster|myid 3.0.0 O(1) Returns the id of the node.
cluster|myshardid 7.2.0 O(1) Returns the id that groups a node with its replicas: its own.
cluster|nodes 3.0.0 O(N) Returns the nodes with their slots, a line each.
cluster|replicas 5.0.0 O(1) Returns no replicas: leaders alone serve.
cluster|shards 7.0.0 O(N) Returns the nodes with their slots.
cluster|slaves 3.0.0 O(1) Returns no replicas; REPLICAS by its old name.
cluster|slots 3.0.0 O(N) Returns which node leads which slots.
readonly 3.0.0 O(1) Allows reads from replicas; leaders alone serve.
readwrite 3.0.0 O(1) Takes READONLY back.`,
};

export const clusterCommands: readonly LocalCommand[] = documented(DOCS, [
  container('cluster'),
  admin(
    'count-failure-reports',
    3,
    aboutNode((reply) => reply.integer(0)),
  ),
  open('countkeysinslot', 3, countKeysInSlot),
  open('getkeysinslot', 4, getKeysInSlot),
  { ...help, run: inCluster((context) => help.run(context)) },
  open('info', 2, ({ reply, node }) => reply.verbatim('txt', infoText(node.cluster()))),
  open('keyslot', 3, keySlot),
  open('links', 2, links),
  open('myid', 2, myId),
  open('myshardid', 2, myId),
  open('nodes', 2, ({ reply, node }) => reply.verbatim('txt', nodesText(node.cluster()))),
  admin(
    'replicas',
    3,
    aboutNode((reply) => reply.arrayHeader(0)),
  ),
  open('shards', 2, shards),
  admin(
    'slaves',
    3,
    aboutNode((reply) => reply.arrayHeader(0)),
  ),
  open('slots', 2, slots),
  localCommand('readonly', 1, FAST, ['fast', 'connection'], readMode(true)),
  localCommand('readwrite', 1, FAST, ['fast', 'connection'], readMode(false)),
  localCommand('asking', 1, ['fast'], ['fast', 'connection'], asking),
]);
