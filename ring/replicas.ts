import { RingError } from './errors.ts';
import { shardsClockwise } from './ring.ts';
import type { ShardId } from './table.ts';
import type { TokenHash } from './token-hash.ts';

/** A node, named by the shard whose home it is: each node brings one. */
export interface Home {
  shard: ShardId;
  zone: string;
  /** The machine: what its nodes share is lost at once. */
  host: string;
}

/** The homes whose nodes hold one shard. */
export interface ReplicaSet {
  shard: ShardId;
  /** The shard's own home first; the first `voterCount` vote, the others learn. */
  members: Home[];
  voterCount: number;
  /** False: the loss of some one host costs the shard its quorum, and no placement on these nodes avoids that. To be reported. */
  survivesHostLoss: boolean;
}

/** A placement under way: what the next choice depends on. */
interface Choice {
  home: Home;
  /** It would be a voter, and its host holds as many already as a quorum can spare. */
  endangersQuorum: boolean;
  zoneMembers: number;
  hostMembers: number;
  /** Holds as many replicas as an even share already. */
  isFull: boolean;
}

export const MAX_REPLICATION_FACTOR = 7;

/**
 * Places `replicationFactor` replicas of each shard: the first on its home, the next clockwise on the ring in zones not used yet,
 * then on hosts not used yet, then wherever there is room. A host never gets so many voters that its loss costs the quorum while
 * another will do. Among candidates as good, a node that holds its even share already is passed over. By rising shard id.
 */
export function placeReplicas(
  homes: readonly Home[],
  replicationFactor: number,
  hash: TokenHash,
): ReplicaSet[] {
  if (replicationFactor % 2 !== 1 || replicationFactor < 1 || replicationFactor > MAX_REPLICATION_FACTOR) {
    throw new RingError(
      `replication factor ${replicationFactor}: must be odd, from 1 to ${MAX_REPLICATION_FACTOR}`,
    );
  }
  const clockwise = homesClockwise(homes, hash);
  const replicasHeld = new Map(homes.map((home) => [home.shard, 1]));
  const sets = clockwise.map((home, position) => {
    const others = [...clockwise.slice(position + 1), ...clockwise.slice(0, position)];
    const set = placeShard(home, others, replicationFactor, replicasHeld);
    for (const { shard } of set.members.slice(1)) replicasHeld.set(shard, (replicasHeld.get(shard) ?? 0) + 1);
    return set;
  });
  return sets.sort((a, b) => a.shard - b.shard);
}

/** How many of `voterCount` voters may be lost with a majority left. */
export function spareVoters(voterCount: number): number {
  return Math.floor((voterCount - 1) / 2);
}

function homesClockwise(homes: readonly Home[], hash: TokenHash): Home[] {
  const byShard = new Map(homes.map((home) => [home.shard, home]));
  if (byShard.size !== homes.length) throw new RingError('a shard is given two homes');
  return shardsClockwise([...byShard.keys()], hash).flatMap((shard) => byShard.get(shard) ?? []);
}

/** `others` are the candidates in the order of the ring. */
function placeShard(
  home: Home,
  others: readonly Home[],
  replicationFactor: number,
  replicasHeld: ReadonlyMap<ShardId, number>,
): ReplicaSet {
  const size = Math.min(replicationFactor, others.length + 1);
  const voterCount = size % 2 === 1 ? size : size - 1;
  const members = [home];
  while (members.length < size) {
    const choices = others
      .filter((other) => !members.includes(other))
      .map((other) =>
        judge(other, members, voterCount, (replicasHeld.get(other.shard) ?? 0) >= replicationFactor),
      );
    members.push(choices.reduce((best, choice) => (compareChoices(choice, best) < 0 ? choice : best)).home);
  }
  const voters = members.slice(0, voterCount);
  const survivesHostLoss = voters.every((voter) => membersOnHost(voters, voter) <= spareVoters(voterCount));
  return { shard: home.shard, members, voterCount, survivesHostLoss };
}

function judge(home: Home, members: readonly Home[], voterCount: number, isFull: boolean): Choice {
  const hostMembers = membersOnHost(members, home);
  return {
    home,
    endangersQuorum: members.length < voterCount && hostMembers >= spareVoters(voterCount),
    zoneMembers: members.filter((member) => member.zone === home.zone).length,
    hostMembers,
    isFull,
  };
}

/** Below 0 when `a` is the better choice; equal ones stay in the order of the ring. */
function compareChoices(a: Choice, b: Choice): number {
  return (
    Number(a.endangersQuorum) - Number(b.endangersQuorum) ||
    a.zoneMembers - b.zoneMembers ||
    a.hostMembers - b.hostMembers ||
    Number(a.isFull) - Number(b.isFull)
  );
}

function membersOnHost(members: readonly Home[], home: Home): number {
  return members.filter((member) => member.host === home.host).length;
}
