/** What `torc dev` prints once its nodes are ready: where they are, and what to paste. */
import type { Settings } from '../settings/rows.ts';
import { paint } from './colour.ts';
import { renderTable } from './table.ts';

export interface BannerStyle {
  coloured: boolean;
  boxed: boolean;
}

export function devBanner(nodes: readonly Settings[], directory: string, style: BannerStyle): string {
  const bold = (text: string): string => paint('bold', text, style.coloured);
  const [first] = nodes;
  const count = nodes.length === 1 ? '1 node' : `${nodes.length} nodes`;
  const rows = nodes.map((node) => [
    node.id,
    node.announceHost,
    node.announceClientPort,
    node.announceRedirectPort,
    node.announcePeerPort,
    node.announceAdminPort,
  ]);
  const admin = (path: string): string =>
    `http://${urlHost(first.announceHost)}:${first.announceAdminPort}${path}`;
  return [
    '',
    bold(`Torc is ready: ${count}, data in ${directory}`),
    '',
    renderTable(['node', 'host', 'client', 'redirect', 'peer', 'admin'], rows, style.boxed),
    '',
    `${bold('redis-cli')}      ${redisCli(first, first.announceClientPort)}`,
    `${bold('cluster')}        ${redisCli(first, first.announceRedirectPort)} -c`,
    `${bold('metrics')}        ${admin('/metrics')}`,
    `${bold('status')}         ${admin('/api/status')}, or: npx torc status --address ${urlHost(first.announceHost)}:${first.announceAdminPort}`,
    bold('ioredis'),
    ...ioredisLines(nodes).map((line) => (line === '' ? '' : `  ${line}`)),
    '',
    'Ctrl-C stops all nodes in good order; a second one at once.',
    '',
  ].join('\n');
}

function redisCli(node: Settings, port: number): string {
  const host = node.announceHost === '127.0.0.1' ? '' : ` -h ${node.announceHost}`;
  return `redis-cli${host} -p ${port}${node.requirepass === '' ? '' : ' --askpass'}`;
}

/** Every node answers SENTINEL: a client of one that dies goes on with another. */
function ioredisLines(nodes: readonly Settings[]): string[] {
  const secured = nodes[0].requirepass !== '';
  return [
    "import { Redis } from 'ioredis';",
    '',
    'const redis = new Redis({',
    '  sentinels: [',
    ...nodes.map((node) => `    { host: '${node.announceHost}', port: ${node.announceClientPort} },`),
    '  ],',
    "  name: 'torc',",
    ...(secured
      ? ['  password: process.env.TORC_REQUIREPASS,', '  sentinelPassword: process.env.TORC_REQUIREPASS,']
      : []),
    '});',
  ];
}

function urlHost(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}
