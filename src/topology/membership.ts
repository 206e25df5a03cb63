/**
 * This node's place among the others: its identity, the peer port, the founding, and then the mesh. Gossip will stand behind this, too.
 */
import {
  emptyTable,
  loadTokenHash,
  placeReplicas,
  planSlots,
  runsOf,
  slotPreferences,
  type SlotTable,
  type TokenHash,
} from '../../ring/index.ts';
import type { Address, Env, ListenAddress } from '../env/contracts.ts';
import { StartupError } from '../errors.ts';
import type { Log } from '../log.ts';
import { startMesh } from '../transport/mesh.ts';
import type { Past } from '../transport/past.ts';
import { PeerPort } from '../transport/peer-port.ts';
import type { Mesh, MeshHandler, MeshPeer } from '../transport/types.ts';
import type { AcceptorFile } from './acceptor-file.ts';
import type { ClusterFile } from './cluster-file.ts';
import { firstTopology, type Placement } from './first-topology.ts';
import type { TopologyRegister } from './register.ts';
import { Entering } from './entering.ts';
import type { SeedAddress } from './founding.ts';
import { JoinCounter, type Inquirer } from './join-counter.ts';
import type { JoinDesk } from './join-desk.ts';
import type { Announcement, ClusterId, NodeId, ShardId, Topology } from './types.ts';

export interface MembershipOptions {
  /** Who this node is. */
  file: ClusterFile;
  register: TopologyRegister;
  acceptor: AcceptorFile;
  listen: ListenAddress;
  seeds: readonly Address[];
  /** The dead node whose place a new one is to take; null: a place of its own. */
  replaces: string | null;
  /** What the data directory has been through. */
  past: Past;
  announced: Announcement;
  /** Values of the cluster's settings, which all nodes must share. */
  settings: Readonly<Record<string, string>>;
  secret: string;
  /** The versions that this node speaks with others: asked at each handshake. */
  versions: () => { versionMin: number; versionMax: number };
  replicationFactor: number;
  vnodes: number;
  bulkBufferLimitBytes: number;
  log: Log;
  /** Called when it turns out, after `founded`, that this data directory belongs to another cluster. */
  onRefused: (error: StartupError) => void;
}

export interface Membership {
  readonly self: NodeId;
  /** Resolves once the cluster is known; rejects when this node can never be part of it as it is. */
  readonly founded: Promise<Topology>;
  /** For people: what keeps the cluster from being founded. */
  waitingFor(): string;
  /** The shard that each slot prefers, of those given. */
  preferences(shards: readonly ShardId[]): SlotTable;
  joinMesh(topology: Topology, handler: MeshHandler): Mesh;
  /** From here on nodes that are of no cluster are answered, and those that are not of this one any more. */
  takeIn(desk: JoinDesk): void;
  /** Asks who is there, and for its topology: it may not take this node for a member any more. */
  inquire(address: Address, by: Inquirer): void;
  close(): Promise<void>;
}

/** Resolves once the peer port listens. */
export async function openMembership(env: Env, options: MembershipOptions): Promise<Membership> {
  const hash = await loadTokenHash();
  const { file, register, acceptor } = options;
  const port = await PeerPort.open(env, {
    listen: options.listen,
    local: () => ({
      node: file.node,
      past: options.past,
      clusterId: file.clusterId,
      announced: options.announced,
      settings: options.settings,
      secret: options.secret,
      ...options.versions(),
    }),
    log: options.log,
    onDisowned: (reason) => options.onRefused(disownedError(file.node, reason)),
  });
  let waiting = '';
  const counter = new JoinCounter(env, port);
  const placement = ringPlacement(hash, options.vnodes);
  const entering = new Entering(env, {
    port,
    file,
    register,
    acceptor,
    seeds: options.seeds.map(seedAddressOf),
    replaces: options.replaces,
    announced: options.announced,
    firstTopology: (cluster) => firstTopology(cluster, options.replicationFactor, placement),
    log: options.log,
    onWaiting: (why) => {
      waiting = why;
    },
    onRefused: options.onRefused,
  });
  return {
    self: file.node,
    founded: entering.entered.then(() => topologyOf(register, file.clusterId)),
    waitingFor: () => (waiting === '' ? 'the cluster is not founded yet' : waiting),
    preferences: (shards) => slotPreferences(shards, hash, options.vnodes),
    joinMesh: (topology, handler) =>
      startMesh(env, port, {
        peers: meshPeers(topology),
        handler,
        log: options.log,
        epoch: () => register.current ?? topology,
        limits: { bulkBufferLimitBytes: options.bulkBufferLimitBytes },
      }),
    takeIn: (desk) => counter.open(desk),
    inquire: (address, by) => counter.inquire(address, by),
    close: async () => {
      entering.close();
      await port.close();
    },
  };
}

/** Votes and acknowledgements that this process has forgotten count still: it may take no part as that node. */
function disownedError(node: NodeId, reason: string): StartupError {
  return new StartupError(
    'TORC_OLD_COPY',
    `another node says that this is not node ${node}, whose directory it has: ${reason}. If that node runs elsewhere, this one is not needed; if its ` +
      'directory is lost, bring its last state back, or have it begin anew with torc repair --discard-replica',
  );
}

export function meshPeers(topology: Topology): MeshPeer[] {
  return topology.nodes.map(({ id, host, peerPort }) => ({ node: id, address: { host, port: peerPort } }));
}

function topologyOf({ current }: TopologyRegister, cluster: ClusterId | null): Topology {
  if (current?.clusterId === cluster) return current;
  throw new StartupError(
    'TORC_TOPOLOGY_FILE',
    `the data directory is of cluster ${cluster ?? 'none'}, but its topology of cluster ${current?.clusterId ?? 'none'}: bring its own back`,
  );
}

function seedAddressOf({ host, port }: Address): SeedAddress {
  return `${host}:${port}`;
}

/** The ring's answers to what the first topology asks. */
function ringPlacement(hash: TokenHash, vnodes: number): Placement {
  return {
    slots: (shards) => {
      const weighed = shards.map(({ shard, weight }) => ({ id: shard, weight }));
      const ids = shards.map(({ shard }) => shard);
      return runsOf(planSlots(emptyTable(), weighed, slotPreferences(ids, hash, vnodes)).table);
    },
    replicas: (shards, replicationFactor) => {
      const homes = shards.map(({ shard, zone, machine }) => ({ shard, zone, host: machine }));
      const sets = placeReplicas(homes, replicationFactor, hash);
      return new Map<ShardId, ShardId[]>(
        sets.map((set) => [set.shard, set.members.slice(0, set.voterCount).map((home) => home.shard)]),
      );
    },
  };
}
