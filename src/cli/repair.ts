/** `torc repair` and `torc topology recover`: what an operator decides about nodes that are lost. */
import type { Address } from '../env/contracts.ts';
import { SystemDisk } from '../env/disk.ts';
import { SystemRandom } from '../env/random.ts';
import { announcementOf } from '../settings/derived.ts';
import type { Settings } from '../settings/rows.ts';
import type { NodeId } from '../topology/types.ts';
import { textOf } from '../topology/decision.ts';
import { discardReplica } from './discard-replica.ts';
import { ExitCode } from './exit-code.ts';
import { httpGet, httpPost } from './http-get.ts';
import { recoverTopology } from './recover-topology.ts';

const PAUSE_MS = 200;

export interface RepairOptions {
  readonly settings: Settings;
  readonly address: Address | null;
  readonly node: NodeId | null;
  readonly timeoutMs: number;
}

/** Resolves with the exit code. Throws StartupErrors. */
export async function runRepair({
  settings,
  address,
  node: replaced,
  timeoutMs,
}: RepairOptions): Promise<number> {
  const { old, node, setAside } = await discardReplica({
    disk: new SystemDisk(),
    random: new SystemRandom(),
    directory: settings.dataDirectory,
    announced: announcementOf(settings),
    secret: settings.peerSecret,
    address,
    node: replaced,
    // Whoever does not answer is taken for stopped.
    ask: (to, path) => httpGet(to, path, timeoutMs).catch(() => null),
    post: (to, path, body, authorization) =>
      httpPost(to, path, body, authorization, timeoutMs).catch(() => null),
    pause: () => new Promise((resolve) => setTimeout(resolve, PAUSE_MS)),
  });
  const lines = [
    old === '' ? `Node ${node} is in its cluster.` : `Node ${node} takes the place of node ${old}.`,
    'Start it as before: it gets all data from the other nodes, and votes when it has caught up.',
    ...(setAside === null ? [] : [`What was here is in ${setAside}, and is removed then.`]),
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
  return ExitCode.OK;
}

export interface RecoveryOptions {
  readonly from: Address;
  readonly isSure: boolean;
  readonly peerSecret: string;
  readonly timeoutMs: number;
}

/** Resolves with the exit code. Throws StartupErrors. */
export async function runRecovery({ from, isSure, peerSecret, timeoutMs }: RecoveryOptions): Promise<number> {
  const recovered = await recoverTopology({
    random: new SystemRandom(),
    from,
    secret: peerSecret,
    isSure,
    ask: (to, path) => httpGet(to, path, timeoutMs).catch(() => null),
    post: (to, path, body, authorization) =>
      httpPost(to, path, body, authorization, timeoutMs).catch(() => null),
  });
  process.stdout.write(
    `The topology goes on at epoch ${textOf(recovered)}. Nodes: ${recovered.nodes.length}; of these vote: ${recovered.voters.length}.\n` +
      'Nodes that were given up are refused should they come back: torc repair --discard-replica has a new one take a place.\n',
  );
  return ExitCode.OK;
}
