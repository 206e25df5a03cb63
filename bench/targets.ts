/** What is measured: Torc and its peers, each started fresh, on loopback, in a directory of its own. */
import type { ChildProcess } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';

import type { Entrance, Scenario } from './load.ts';
import {
  askInline,
  askResp,
  freeBasePort,
  freePort,
  startServer,
  stopServer,
  waitUntil,
} from './processes.ts';

/** A process or several that serve, and how to load them. */
export interface Running {
  /** Names of ways in; `''` is the usual one. */
  entrances: readonly { suffix: string; entrance: Entrance }[];
  stop(): Promise<void>;
}

export interface Target {
  name: string;
  /** Programs that must be there, and how to get them. */
  needs: readonly string[];
  install: string;
  serves(scenario: Scenario): boolean;
  start(directory: string): Promise<Running>;
}

const START_MS = 60_000;
const NATIVE_ONLY = (scenario: Scenario): boolean => scenario.generator === 'native';
const INSTALL_REDIS = 'on Debian: apt-get install redis-server';

function resp(port: number, options: Partial<Entrance> = {}): Entrance {
  return { addresses: `127.0.0.1:${port}`, protocol: 'resp', slots: false, wait: 0, ...options };
}

function stopAll(children: readonly ChildProcess[]): () => Promise<void> {
  return async () => {
    await Promise.all(children.map(stopServer));
  };
}

async function startRedis(
  directory: string,
  name: string,
  lines: readonly string[],
): Promise<[number, ChildProcess]> {
  const port = await freePort();
  const data = join(directory, name);
  await mkdir(data, { recursive: true });
  const words = [
    '--bind',
    '127.0.0.1',
    '--port',
    String(port),
    '--dir',
    data,
    '--save',
    '',
    '--repl-diskless-sync-delay',
    '0',
    ...lines,
  ];
  const child = startServer('redis-server', words, join(directory, `${name}.log`));
  await waitUntil('redis-server answers', START_MS, [child], async () =>
    (await askInline(port, 'PING')).startsWith('+PONG'),
  );
  return [port, child];
}

/** One process that loses what it acknowledged when it dies: the fastest that there is. */
const redisAlone: Target = {
  name: 'redis',
  needs: ['redis-server'],
  install: INSTALL_REDIS,
  serves: () => true,
  start: async (directory) => {
    const [port, child] = await startRedis(directory, 'alone', []);
    return { entrances: [{ suffix: '', entrance: resp(port) }], stop: stopAll([child]) };
  },
};

/** A master and two replicas; a write waits for one of them. Reads are those of the master alone. */
function redisReplicated(name: string, lines: readonly string[]): Target {
  return {
    name,
    needs: ['redis-server'],
    install: INSTALL_REDIS,
    serves: (scenario) => NATIVE_ONLY(scenario) && scenario.workload !== 'get',
    start: async (directory) => {
      const [port, master] = await startRedis(directory, 'master', lines);
      const children = [master];
      for (const replica of ['replica-1', 'replica-2']) {
        const words = [...lines, '--replicaof', '127.0.0.1', String(port)];
        children.push((await startRedis(directory, replica, words))[1]);
      }
      const bothOnline = async (): Promise<boolean> =>
        (await askInline(port, 'WAIT 2 1000')).startsWith(':2');
      await waitUntil('two replicas follow', START_MS, children, bothOnline);
      return { entrances: [{ suffix: '', entrance: resp(port, { wait: 1 }) }], stop: stopAll(children) };
    },
  };
}

/** Three members; all load goes to the leader, which is the best case for etcd. */
const etcd: Target = {
  name: 'etcd',
  needs: ['etcd'],
  install: 'on Debian: apt-get install etcd-server',
  serves: (scenario) => NATIVE_ONLY(scenario) && scenario.pipeline === 1,
  start: async (directory) => {
    const members = await Promise.all(
      [1, 2, 3].map(async (index) => ({
        name: `m${index}`,
        client: await freePort(),
        peer: await freePort(),
      })),
    );
    const cluster = members.map(({ name, peer }) => `${name}=http://127.0.0.1:${peer}`).join(',');
    const children = members.map(({ name, client, peer }) => {
      const urls = { client: `http://127.0.0.1:${client}`, peer: `http://127.0.0.1:${peer}` };
      const words = ['--name', name, '--data-dir', join(directory, name), '--initial-cluster', cluster];
      words.push('--listen-client-urls', urls.client, '--advertise-client-urls', urls.client);
      words.push('--listen-peer-urls', urls.peer, '--initial-advertise-peer-urls', urls.peer);
      return startServer('etcd', words, join(directory, `${name}.log`));
    });
    let leader: number | undefined;
    await waitUntil('etcd has a leader', START_MS, children, async () => {
      leader = await etcdLeader(members.map(({ client }) => client));
      return leader !== undefined;
    });
    const entrance: Entrance = { addresses: `127.0.0.1:${leader}`, protocol: 'etcd', slots: false, wait: 0 };
    return { entrances: [{ suffix: '', entrance }], stop: stopAll(children) };
  },
};

interface EtcdStatus {
  header: { member_id: string };
  leader?: string;
}

async function etcdLeader(ports: readonly number[]): Promise<number | undefined> {
  for (const port of ports) {
    const response = await fetch(`http://127.0.0.1:${port}/v3/maintenance/status`, {
      method: 'POST',
      body: '{}',
    });
    const status = (await response.json()) as EtcdStatus;
    if (status.leader !== undefined && status.leader === status.header.member_id) return port;
  }
  return undefined;
}

/** Ports of three nodes of `torc dev`: client, redirect, admin, peer. */
const TORC_OFFSETS = [0, 1000, 2000, 10_000].flatMap((offset) => [offset, offset + 1, offset + 2]);
const REDIRECT_OFFSET = 1000;

/**
 * Three nodes as three processes. `command` is a command line with `{port}`, `{data}` and `{durability}` in it. Ways in: each command to
 * its leader over the redirect port, and all commands through one client port.
 */
export function torc(durability: 'buffered' | 'fsync', command: string): Target {
  return {
    name: `torc ${durability}`,
    needs: [],
    install: 'npm run build',
    serves: () => true,
    start: async (directory) => {
      const port = await freeBasePort(TORC_OFFSETS);
      const facts: Readonly<Record<string, string>> = {
        port: String(port),
        data: join(directory, 'data'),
        durability,
      };
      const [program, ...words] = command
        .split(' ')
        .map((word) => word.replaceAll(/\{(\w+)\}/g, (_, name: string) => facts[name]));
      const child = startServer(program, words, join(directory, 'torc.log'));
      await waitUntil('each node serves its third', START_MS, [child], () =>
        isSpread(port + REDIRECT_OFFSET),
      );
      const entrances = [
        { suffix: '', entrance: resp(port + REDIRECT_OFFSET, { slots: true }) },
        { suffix: ', one port', entrance: resp(port) },
      ];
      return { entrances, stop: stopAll([child]) };
    },
  };
}

/** Every node sees three leaders. Shards first go to their homes: a client that has learnt the slots before is redirected. */
async function isSpread(port: number): Promise<boolean> {
  const seen = await Promise.all([0, 1, 2].map((at) => askInline(port + at, 'CLUSTER INFO')));
  return seen.every((info) => info.includes('cluster_state:ok') && info.includes('cluster_size:3'));
}

const BARE_PORTS = [0, 1, 2, 3, 4, 5];

/** Three Node.js processes that replicate writes and do nothing else: what the platform leaves. Its figures are no peer's. */
function bare(durability: 'buffered' | 'fsync'): Target {
  return {
    name: `bare ${durability}`,
    needs: [],
    install: '',
    serves: (scenario) => NATIVE_ONLY(scenario) && scenario.workload === 'set' && scenario.pipeline === 1,
    start: async (directory) => {
      const port = await freeBasePort(BARE_PORTS);
      await mkdir(directory, { recursive: true });
      const children = [0, 1, 2].map((id) => {
        const script = join(import.meta.dirname, 'bare-node.ts');
        const words = [script, String(id), String(port), durability, join(directory, `log-${id}`)];
        const log = join(directory, `bare-${id}.log`);
        return startServer(process.execPath, [...process.execArgv, ...words], log);
      });
      for (const id of [0, 1, 2])
        await waitUntil('the bare nodes take a write', START_MS, children, async () =>
          (await askResp(port + id, ['SET', 'key', 'value'])).startsWith('+OK'),
        );
      return { entrances: [{ suffix: '', entrance: resp(port, { slots: true }) }], stop: stopAll(children) };
    },
  };
}

export const PEERS: readonly Target[] = [
  redisAlone,
  redisReplicated('redis + WAIT 1', ['--appendonly', 'no']),
  redisReplicated('redis always + WAIT 1', ['--appendonly', 'yes', '--appendfsync', 'always']),
  etcd,
  bare('buffered'),
  bare('fsync'),
];
