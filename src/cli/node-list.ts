/** `torc node list`: the nodes of a cluster as one of them sees them by the gossip. */
import type { MemberStatus } from '../admin/status.ts';
import type { Address } from '../env/contracts.ts';
import { StartupError } from '../errors.ts';
import { incarnationParts } from '../gossip/member.ts';
import { formatAddress } from '../settings/kinds.ts';
import { askAll } from './ask-node.ts';
import { ExitCode } from './exit-code.ts';
import { leavingNotes } from './leaving.ts';
import { toleranceNote } from './status-table.ts';
import { humanDuration, renderTable } from './table.ts';

export interface NodeListOptions {
  /** The admin port of the node that is asked. */
  readonly address: Address;
  readonly json: boolean;
  readonly timeoutMs: number;
}

export const NODE_LIST_HEAD = [
  'node',
  'state',
  'for',
  'incarnation',
  'client',
  'peer',
  'zone',
  'host',
  'weight',
  'version',
  'id',
];
/** As many digits of an id tell nodes apart. */
const ID_DIGITS = 12;

/** Resolves with the exit code. Throws StartupError when the node does not answer. */
export async function runNodeList({ address, json, timeoutMs }: NodeListOptions): Promise<number> {
  // The others for what their shards stand.
  const { asked, answers } = await askAll(address, timeoutMs);
  const { cluster, node, members } = asked;
  if (cluster === null)
    throw new StartupError('TORC_NOT_FOUNDED', `the cluster is not founded yet: ${node.reason}`);
  const table = renderTable(NODE_LIST_HEAD, members.map(nodeListRow), process.stdout.isTTY);
  const tolerance = toleranceNote(answers);
  const leaving = members.some(({ isLeaving }) => isLeaving)
    ? await leavingNotes({ address, timeoutMs })
    : [];
  const notes = [...leaving, ...(tolerance === null ? [] : [tolerance])];
  process.stdout.write(
    json
      ? `${JSON.stringify({ node: node.id, members }, null, 2)}\n`
      : `${members.length} nodes, as ${node.name} sees them\n\n${table}\n${notes.map((note) => `\n${note}\n`).join('')}`,
  );
  return ExitCode.OK;
}

export function nodeListRow(member: MemberStatus): (string | number)[] {
  const { host, clientPort, peerPort } = member;
  return [
    member.name,
    stateText(member),
    humanDuration(member.stateForMs),
    incarnationText(member.incarnation),
    formatAddress({ host, port: clientPort }),
    formatAddress({ host, port: peerPort }),
    member.zone || '-',
    member.machine || '-',
    member.weight,
    member.version || '-',
    member.id.slice(0, ID_DIGITS),
  ];
}

/** One that has left is no member any more; a dead one may have been taken out. */
function stateText({ state, isInTopology, isLeaving }: MemberStatus): string {
  if (isLeaving) return `${state}, leaving`;
  return isInTopology || state === 'left' ? state : `${state}, no member`;
}

/** `3.1`: of the third start, the first. */
function incarnationText(incarnation: number): string {
  if (incarnation === 0) return 'never heard';
  const { start, count } = incarnationParts(incarnation);
  return `${start}.${count}`;
}
