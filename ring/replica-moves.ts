import { RingError } from './errors.ts';
import type { Home } from './replicas.ts';
import { MAX_REPLICATION_FACTOR, spareVoters } from './replicas.ts';
import { shardsClockwise } from './ring.ts';
import type { ShardId } from './table.ts';
import type { TokenHash } from './token-hash.ts';

/** Where a shard's replicas are: the homes of these shards. A home that is no candidate (any more) has to be left. */
export interface PlacedReplicas {
  shard: ShardId;
  members: readonly ShardId[];
}

/** A home whose node may hold replicas. */
export interface Candidate extends Home {
  /** It keeps what it has, and gets nothing more. */
  isFull?: boolean;
}

export interface AdjustedReplicas extends PlacedReplicas {
  /** False: the loss of some one host may cost the shard its quorum, and no placement on these nodes avoids that. To be reported. */
  survivesHostLoss: boolean;
}

interface Placing {
  readonly homes: ReadonlyMap<ShardId, Home>;
  /** Clockwise. */
  readonly candidates: readonly Home[];
  /** Those that may get more. */
  readonly takers: readonly Home[];
  readonly size: number;
  /** No set of these candidates shares fewer zones and hosts. */
  readonly leastShared: readonly [zones: number, hosts: number];
  readonly sets: ReadonlyMap<ShardId, Home[]>;
  readonly held: Map<ShardId, number>;
}

/** What is bad in a placement, the worst first: compared in this order, less is better. */
type Cost = readonly [spare: number, zones: number, hosts: number];

/**
 * The placement that comes from this one by the fewest moves: as many replicas as the factor asks for and the candidates allow, a shard's own home
 * among them where it is a candidate; spread over hosts and zones as placeReplicas does it; and no candidate holds two replicas more than
 * another when one of them may as well be there. A pure function of its arguments; the order of neither list matters.
 */
export function adjustReplicas(
  candidates: readonly Candidate[],
  current: readonly PlacedReplicas[],
  replicationFactor: number,
  hash: TokenHash,
): AdjustedReplicas[] {
  if (replicationFactor % 2 !== 1 || replicationFactor < 1 || replicationFactor > MAX_REPLICATION_FACTOR)
    throw new RingError(
      `replication factor ${replicationFactor}: must be odd, from 1 to ${MAX_REPLICATION_FACTOR}`,
    );
  const placing = placingOf(candidates, current, replicationFactor, hash);
  const shards = [...placing.sets.keys()];
  for (const shard of shards) fill(placing, shard);
  for (const shard of shards) spread(placing, shard);
  balance(placing);
  return shards
    .toSorted((a, b) => a - b)
    .map((shard) => {
      const members = setOf(placing, shard);
      return {
        shard,
        members: members.map((home) => home.shard),
        survivesHostLoss: costOf(placing, members)[0] === 0,
      };
    });
}

function placingOf(
  candidates: readonly Candidate[],
  current: readonly PlacedReplicas[],
  replicationFactor: number,
  hash: TokenHash,
): Placing {
  const homes = new Map<ShardId, Candidate>(candidates.map((home) => [home.shard, home]));
  if (homes.size !== candidates.length) throw new RingError('a shard is given two homes');
  const placed = new Map(current.map((set) => [set.shard, set.members]));
  if (placed.size !== current.length) throw new RingError('a shard is given twice');
  const clockwise = shardsClockwise([...new Set([...homes.keys(), ...placed.keys()])], hash);
  const sets = new Map<ShardId, Home[]>();
  const held = new Map(candidates.map(({ shard }) => [shard, 0]));
  for (const shard of clockwise) {
    const members = placed.get(shard);
    if (members === undefined) continue;
    const staying = members.flatMap((member) => homes.get(member) ?? []);
    sets.set(shard, staying);
    for (const home of staying) held.set(home.shard, (held.get(home.shard) ?? 0) + 1);
  }
  const size = Math.min(replicationFactor, homes.size);
  const shared = (label: 'zone' | 'host'): number =>
    Math.max(0, size - new Set(candidates.map((home) => home[label])).size);
  const ordered = clockwise.flatMap((shard) => homes.get(shard) ?? []);
  return {
    homes,
    candidates: ordered,
    takers: ordered.filter(({ isFull }) => isFull !== true),
    size,
    leastShared: [shared('zone'), shared('host')],
    sets,
    held,
  };
}

/** As many replicas as there should be and somebody may get, and one at home. */
function fill(placing: Placing, shard: ShardId): void {
  const { homes, size } = placing;
  const own = homes.get(shard);
  const members = setOf(placing, shard);
  if (own !== undefined && others(placing, shard).includes(own)) add(placing, shard, own);
  while (members.length < size) {
    const best: Home | undefined = others(placing, shard).toSorted(
      (a, b) =>
        compare(costWith(placing, members, a), costWith(placing, members, b)) || byHeld(placing, a, b),
    )[0];
    if (best === undefined) break;
    add(placing, shard, best);
  }
  while (members.length > size) {
    const costWithout = (home: Home): Cost =>
      costOf(
        placing,
        members.filter((member) => member !== home),
      );
    const [worst] = members
      .filter((home) => home !== own)
      .toSorted((a, b) => compare(costWithout(a), costWithout(b)) || byHeld(placing, b, a));
    remove(placing, shard, worst);
  }
}

/** Each replacement of one replica makes the placement better; the home stays. */
function spread(placing: Placing, shard: ShardId): void {
  const members = setOf(placing, shard);
  for (;;) {
    const now = costOf(placing, members);
    const [zones, hosts] = placing.leastShared;
    if (now[0] === 0 && now[1] === zones && now[2] === hosts) return;
    let best: { from: Home; to: Home; cost: Cost } | null = null;
    for (const from of members) {
      if (from.shard === shard) continue;
      const rest = members.filter((member) => member !== from);
      for (const to of others(placing, shard)) {
        const cost = costWith(placing, rest, to);
        if (compare(cost, now) >= 0) continue;
        if (best === null || (compare(cost, best.cost) || byHeld(placing, to, best.to)) < 0)
          best = { from, to, cost };
      }
    }
    if (best === null) return;
    replace(placing, shard, best.from, best.to);
  }
}

/** From those that hold most to those that hold least, as long as that makes them more even and no placement worse. */
function balance(placing: Placing): void {
  while (evenOut(placing));
}

function evenOut(placing: Placing): boolean {
  const { held, candidates, takers, sets } = placing;
  const heldBy = ({ shard }: Home): number => held.get(shard) ?? 0;
  const byFewest = (a: Home, b: Home): number => heldBy(a) - heldBy(b);
  const fewest = takers.toSorted(byFewest);
  for (const from of candidates.toSorted(byFewest).toReversed()) {
    const shards = [...sets.keys()].filter(
      (shard) => shard !== from.shard && setOf(placing, shard).includes(from),
    );
    for (const to of fewest) {
      if (heldBy(from) - heldBy(to) < 2) break;
      const shard = shards.find((one) => mayReplace(placing, one, from, to));
      if (shard === undefined) continue;
      replace(placing, shard, from, to);
      return true;
    }
  }
  return false;
}

function mayReplace(placing: Placing, shard: ShardId, from: Home, to: Home): boolean {
  const members = setOf(placing, shard);
  if (members.includes(to)) return false;
  const rest = members.filter((member) => member !== from);
  return compare(costWith(placing, rest, to), costOf(placing, members)) <= 0;
}

function others(placing: Placing, shard: ShardId): Home[] {
  const members = setOf(placing, shard);
  return placing.takers.filter((home) => !members.includes(home));
}

function costWith(placing: Placing, members: readonly Home[], added: Home): Cost {
  return costOf(placing, [...members, added]);
}

/** Replicas on hosts beyond what a quorum can spare, then those that share a zone, then those that share a host. */
function costOf({ size }: Placing, members: readonly Home[]): Cost {
  const spare = spareVoters(size % 2 === 1 ? size : size - 1);
  const onHost = new Map<string, number>();
  for (const { host } of members) onHost.set(host, (onHost.get(host) ?? 0) + 1);
  let beyond = 0;
  for (const count of onHost.values()) beyond += Math.max(0, count - spare);
  const zones = new Set(members.map(({ zone }) => zone)).size;
  return [beyond, members.length - zones, members.length - onHost.size];
}

function compare(a: Cost, b: Cost): number {
  return a[0] - b[0] || a[1] - b[1] || a[2] - b[2];
}

/** Equal ones stay in the order of the ring. */
function byHeld({ held }: Placing, a: Home, b: Home): number {
  return (held.get(a.shard) ?? 0) - (held.get(b.shard) ?? 0);
}

function setOf({ sets }: Placing, shard: ShardId): Home[] {
  const members = sets.get(shard);
  if (members === undefined) throw new RingError(`there is no shard ${shard}`);
  return members;
}

function add(placing: Placing, shard: ShardId, home: Home): void {
  setOf(placing, shard).push(home);
  placing.held.set(home.shard, (placing.held.get(home.shard) ?? 0) + 1);
}

function remove(placing: Placing, shard: ShardId, home: Home): void {
  const members = setOf(placing, shard);
  members.splice(members.indexOf(home), 1);
  placing.held.set(home.shard, (placing.held.get(home.shard) ?? 0) - 1);
}

function replace(placing: Placing, shard: ShardId, from: Home, to: Home): void {
  remove(placing, shard, from);
  add(placing, shard, to);
}
