/**
 * A replica on its way that does not arrive: its node died before it had caught up. The group waits for it, and nothing else may be changed of the
 * row meanwhile, so another takes its place: at best the member that was to go, which the log names still and which has all data. Pure.
 */
import type { MemberId, Membership } from '../raft/types.ts';
import { oddAtMost } from './configuration-walk.ts';
import { stayingNodes } from './replica-planner.ts';
import type { NodeId, ReplicaEntry, ShardEntry, Topology } from './types.ts';

export type NewcomerChange =
  | { kind: 'keep-member'; shard: number; member: MemberId; instead: MemberId }
  | { kind: 'place-shard'; shard: number; nodes: readonly NodeId[] };

export interface NewcomerView {
  shard: ShardEntry;
  /** The one in force. */
  membership: Membership;
  /** Not heard for so long that nothing waits for it. */
  isGone: (node: NodeId) => boolean;
  /** Where the shard's replicas should be without that node. */
  targetWithout: (node: NodeId) => readonly NodeId[];
}

/** Null while nobody is missed, or nobody can take its place. */
export function withoutNewcomer(topology: Topology, view: NewcomerView): NewcomerChange | null {
  const { shard, membership, isGone } = view;
  const { voters, votersOld } = membership;
  if (votersOld.length > 0) return null;
  const isVoter = ({ member }: ReplicaEntry): boolean => voters.includes(member);
  const lost = shard.replicas.find((row) => row.leaving !== true && !isVoter(row) && isGone(row.node));
  if (lost === undefined) return null;
  const mayStay = ({ node }: ReplicaEntry): boolean => !isGone(node) && !isLeaving(topology, node);
  const back = shard.replicas.find((row) => row.leaving === true && isVoter(row) && mayStay(row));
  if (back !== undefined)
    return { kind: 'keep-member', shard: shard.id, member: back.member, instead: lost.member };
  const nodes = stayingNodes(shard).filter((node) => node !== lost.node);
  const isFree = (node: NodeId): boolean => !shard.replicas.some((row) => row.node === node) && !isGone(node);
  const other = view.targetWithout(lost.node).find(isFree);
  if (other !== undefined) return { kind: 'place-shard', shard: shard.id, nodes: [...nodes, other] };
  // Without it the row must not ask for fewer voters than there are.
  return nodes.length > 0 && oddAtMost(nodes.length) >= voters.length
    ? { kind: 'place-shard', shard: shard.id, nodes }
    : null;
}

/** The member that was to go stays, and the one that was to take its place goes. Only one that the row still names: nobody else has been told it is rid of. */
export function keepMember(
  topology: Topology,
  shard: ShardEntry,
  member: MemberId,
  instead: MemberId,
): ShardEntry | string {
  if (shard.givenUp !== undefined) return `shard ${shard.id} is given up`;
  const [kept, going] = [member, instead].map((id) => shard.replicas.find((row) => row.member === id));
  if (kept?.leaving !== true) return `member ${member} of shard ${shard.id} is not leaving`;
  if (going === undefined || going.leaving === true)
    return `member ${instead} of shard ${shard.id} is not to stay`;
  if (isLeaving(topology, kept.node))
    return `node ${kept.node} is leaving the cluster: its members go with it`;
  if (shard.replicas.some((row) => row !== kept && row.node === kept.node))
    return `node ${kept.node} has a newer member of shard ${shard.id}`;
  const replicas = shard.replicas.map((row) => {
    if (row === kept) return { member: row.member, node: row.node };
    return row === going ? { ...row, leaving: true } : row;
  });
  return { ...shard, replicas };
}

/** Also of one that is no node of the cluster any more. */
function isLeaving({ nodes }: Topology, id: NodeId): boolean {
  const entry = nodes.find((node) => node.id === id);
  return entry === undefined || entry.leaving === true;
}
