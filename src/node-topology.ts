/** What a node makes of the topology: who it is by its disk, and that its mesh, routes and replicas follow each newer one. */
import type { Env } from './env/contracts.ts';
import { HOW_TO_REBUILD, REPLACED, StartupError } from './errors.ts';
import type { Log } from './log.ts';
import type { NodeReplicas, ReplicaListener } from './node-replicas.ts';
import { isOwnRecord } from './node-replicas.ts';
import { loadTokenHash, type TokenHash } from '../ring/index.ts';
import { Absence, isReplaced } from './server/absence.ts';
import { ConfigurationWalker } from './server/configuration-walker.ts';
import { LogCorrector } from './server/log-corrector.ts';
import type { PeerForwarding } from './server/forwarding.ts';
import type { Watch } from './observe/watch.ts';
import type { MeshTraffic } from './server/mesh-traffic.ts';
import type { Peers } from './server/peers.ts';
import type { NodeGossip } from './server/node-gossip.ts';
import type { RaftWire } from './server/raft-wire.ts';
import { Rebalancer } from './server/rebalancer.ts';
import type { Router } from './server/router.ts';
import { ReplicaKeeper } from './server/replica-keeper.ts';
import { Succession } from './server/succession.ts';
import { SlotLoadsDesk } from './server/slot-loads.ts';
import { TopologySpread } from './server/topology-spread.ts';
import { announcementOf } from './settings/derived.ts';
import type { Settings } from './settings/rows.ts';
import type { Engine } from './shard/engine.ts';
import { CLUSTER_FILE_NAME, ClusterFile } from './topology/cluster-file.ts';
import type { PaxosCounts } from './paxos/types.ts';
import { AcceptorFile, acceptorPath } from './topology/acceptor-file.ts';
import type { ChangeRequest, RecoveryRequest, RequestId } from './topology/change.ts';
import { textOf, type Decision } from './topology/decision.ts';
import { JoinDesk } from './topology/join-desk.ts';
import { meshPeers, type Membership } from './topology/membership.ts';
import { placesToAsk } from './topology/places-to-ask.ts';
import { StoredRegister, topologyPath } from './topology/register.ts';
import { hasSetAside, setAsidePath, setReplacedAside } from './topology/set-aside.ts';
import type { NodeId, ShardId, Topology } from './topology/types.ts';
import type { Mesh, PeerLink } from './transport/types.ts';
import { DamagedError } from './wal/errors.ts';

/** What follows the topology. */
export interface FollowingParts {
  self: NodeId;
  /** Of the data directory. */
  start: number;
  /** For how long no node had run there, as far as that can be told. */
  downMs: number;
  /** The newest cluster version that this node runs. */
  newestVersion: number;
  engine: Engine;
  mesh: Mesh;
  membership: Pick<Membership, 'takeIn' | 'inquire' | 'preferences'>;
  traffic: MeshTraffic;
  gossip: NodeGossip;
  wire: RaftWire;
  router: Router;
  replicas: NodeReplicas;
  watch: Watch;
  peers: Peers;
  makeForwarding(link: PeerLink): PeerForwarding;
  isStopping(): boolean;
  /** The node can serve no more, for a reason that a person can act on. */
  refuse(error: StartupError): void;
  fatal(error: unknown): void;
}

/** How often a node that is connected to nobody asks one of the others whether it still is of the cluster. */
const INQUIRY_INTERVAL_MS = 1000;
/** Requests that were taken are remembered, the last of them: each is taken once. The epoch that they name does the rest. */
const REQUESTS_REMEMBERED = 1024;
const NOT_SERVING: Decision = { kind: 'refused', reason: 'the node does not serve yet' };
const NO_COUNTS: Readonly<PaxosCounts> = { rounds: 0, conflicts: 0 };

export class NodeTopology {
  readonly register: StoredRegister;
  readonly acceptor: AcceptorFile;
  private readonly env: Env;
  private readonly settings: Settings;
  private readonly log: Log;
  /** Null when no node has begun in this directory before. */
  private readonly known: ClusterFile | null;
  private file: ClusterFile | null = null;
  private parts: FollowingParts | null = null;
  private spread: TopologySpread | null = null;
  private walker: ConfigurationWalker | null = null;
  private keeper: ReplicaKeeper | null = null;
  private corrector: LogCorrector | null = null;
  private succession: Succession | null = null;
  private readonly hash: TokenHash;
  /** Null until the node serves. */
  rebalancer: Rebalancer | null = null;
  /** The last that was acted on. */
  private acted: Topology | null = null;
  private absence: Absence | null = null;
  /** Topologies are acted on one after the other. */
  private following: Promise<void> = Promise.resolve();
  private hasSetAside = false;
  private nextInquiryMs = 0;
  private inquiries = 0;
  private readonly requests = new Set<string>();

  private constructor(
    env: Env,
    settings: Settings,
    log: Log,
    known: ClusterFile | null,
    register: StoredRegister,
    acceptor: AcceptorFile,
    hash: TokenHash,
  ) {
    this.hash = hash;
    this.env = env;
    this.settings = settings;
    this.log = log;
    this.known = known;
    this.register = register;
    this.acceptor = acceptor;
  }

  /** Reads what the directory says, and changes nothing. Throws StartupErrors. `onSynced` is told before all others. */
  static async open(
    env: Env,
    settings: Settings,
    log: Log,
    onSynced?: (topology: Topology) => void,
  ): Promise<NodeTopology> {
    const { dataDirectory } = settings;
    const known = (await ClusterFile.exists(env.disk, dataDirectory))
      ? await ClusterFile.open(env.disk, env.random, dataDirectory)
      : null;
    const register = await StoredRegister.open(env.disk, dataDirectory);
    const acceptor = await AcceptorFile.open(env.disk, dataDirectory, known?.node ?? null);
    if (known?.hasTopology === true && acceptor.isMissing)
      throw new DamagedError(acceptorPath(dataDirectory), 0, 'the file is missing');
    const problem = problemOf(dataDirectory, known, register.current);
    if (problem !== null) throw problem;
    if (onSynced !== undefined) register.watch(onSynced);
    return new NodeTopology(env, settings, log, known, register, acceptor, await loadTokenHash());
  }

  /** This node has had a log here. */
  get hasBegun(): boolean {
    return this.known !== null && !this.known.isReturning;
  }

  /** What it holds of members that others have taken the place of is no use to it, and not removed before it has caught up. */
  async setReplacedAside(): Promise<void> {
    const { known, log, settings } = this;
    if (known?.wasReplaced !== true) return;
    const directory = await setReplacedAside(this.env.disk, settings.dataDirectory);
    await known.setAside();
    log.warn('replaced-set-aside', { directory });
  }

  /** Whether recovery may count a group's records. */
  isOwnRecord(group: number, member: number): boolean {
    const { current } = this.register;
    return this.known === null || current === null || isOwnRecord(current, this.known.node, group, member);
  }

  /** The log has begun: from here on the directory is this node's. */
  async begin(): Promise<ClusterFile> {
    const { env, known, settings } = this;
    const file = known ?? (await ClusterFile.open(env.disk, env.random, settings.dataDirectory));
    this.file = file;
    await file.returned();
    this.hasSetAside = await hasSetAside(env.disk, settings.dataDirectory);
    return file;
  }

  /** The newest that is synced. Not before the founding. */
  get current(): Topology {
    const { current } = this.register;
    if (current === null) throw new TypeError('the node is not founded');
    return current;
  }

  /** Not before `serve`. */
  get spreading(): TopologySpread {
    if (this.spread === null) throw new TypeError('the node does not serve');
    return this.spread;
  }

  /** Where the node announces its redirect port. */
  redirectAddress(node: NodeId): string {
    const entry = this.current.nodes.find((row) => row.id === node);
    return `${entry?.host ?? ''}:${entry?.redirectPort ?? 0}`;
  }

  /** From here on newer ones are fetched, decided and followed. */
  serve(parts: FollowingParts): { spread: TopologySpread; loads: SlotLoadsDesk } {
    const { engine, replicas } = parts;
    const { log, register } = this;
    this.parts = parts;
    this.acted = this.current;
    this.absence = new Absence(engine.now.monotonicMs, parts.downMs);
    const spread = new TopologySpread({
      self: parts.self,
      start: parts.start,
      register,
      acceptor: this.acceptor,
      uint32: () => this.env.random.uint32(),
      links: () => parts.mesh.links,
      goneMs: (node) => parts.gossip.goneMs(node),
      knowsNewer: (epoch) => parts.gossip.knowsNewer(epoch),
      isLed: (shard) => isLed(parts, shard),
      newestVersion: parts.newestVersion,
      nowMs: () => engine.now.monotonicMs,
      wake: () => engine.wake(),
      fatal: (error) => parts.fatal(error),
      log,
    });
    this.spread = spread;
    const { electionTimeoutMs } = this.settings;
    const walkerHost = {
      replicas: replicas.list,
      electionTimeoutMs,
      topology: () => this.current,
      wake: () => engine.wake(),
      log,
    };
    this.walker = new ConfigurationWalker(walkerHost, spread);
    const placing = {
      self: parts.self,
      announced: announcementOf(this.settings),
      replicationFactor: this.settings.replicationFactor,
      placesReplicas: this.settings.placeReplicas,
      hash: this.hash,
      replicas: replicas.list,
      topology: () => this.current,
      isFailed: (node: NodeId) => parts.gossip.goneMs(node) > 0,
      silentMs: (node: NodeId) => parts.gossip.goneMs(node),
      isLed: (shard: ShardId) => isLed(parts, shard),
      roomBytes: (node: NodeId) => parts.peers.get(node)?.roomBytes ?? 0,
      replaceAfterMs: this.settings.replaceAfterSeconds * 1000,
      log,
    };
    this.keeper = new ReplicaKeeper(placing, spread);
    this.succession = new Succession({ ...placing, kept: replicas.kept.logs }, spread);
    this.corrector = new LogCorrector({ replicas: replicas.list, topology: () => this.current, log }, spread);
    const desk = new JoinDesk({
      ...placing,
      nowMs: () => engine.now.monotonicMs,
      nameOf: (node) =>
        parts.gossip.gossip.member(node)?.metadata?.label ?? parts.peers.get(node)?.name ?? null,
      isConnected: (node) => node === parts.self || parts.mesh.links.get(node)?.connected === true,
      isKept: (topology) => spread.isKept(topology),
      propose: ({ clusterId, generation, epoch }, change) =>
        spread.propose({ clusterId, on: { generation, epoch }, change }),
    });
    parts.membership.takeIn(desk);
    const loads = this.makeLoads(parts);
    this.rebalancer = this.makeRebalancer(parts, spread, loads);
    replicas.listen(listenerOf(parts));
    register.onNewer((newer) => {
      replicas.seal(newer);
      this.follow(parts, newer);
      // A plan goes on from change to change.
      this.rebalancer?.look();
    });
    return { spread, loads };
  }

  /** Ten times a second. */
  maintain(): void {
    const { parts } = this;
    if (parts === null) return;
    const connected = [...parts.mesh.links.values()].filter((link) => link.connected).length;
    this.absence?.look(parts.engine.now.monotonicMs, connected, this.current.nodes.length);
    this.spread?.look();
    this.walker?.look(parts.engine.now);
    this.keeper?.look(parts.engine.now);
    this.corrector?.look(parts.engine.now);
    this.succession?.look(parts.engine.now);
    this.rebalancer?.look();
    const { monotonicMs } = parts.engine.now;
    for (const { isLeader, machine } of parts.replicas.list) machine.operations.tend(isLeader, monotonicMs);
    this.inquire(parts);
  }

  /**
   * Who is not connected to most of its cluster may have been removed meanwhile, and then nobody connects to it; or the others are at other places
   * than it knows: seeds are where a node looks for its cluster ever after (§2).
   */
  private inquire({ self, mesh, membership, engine }: FollowingParts): void {
    const { monotonicMs } = engine.now;
    if (monotonicMs < this.nextInquiryMs) return;
    this.nextInquiryMs = monotonicMs + INQUIRY_INTERVAL_MS;
    const others = this.current.nodes.filter(({ id }) => id !== self);
    const connected = others.filter(({ id }) => mesh.links.get(id)?.connected === true);
    if (others.length === 0 || (connected.length + 1) * 2 > others.length + 1) return;
    const places = placesToAsk(others, connected, announcementOf(this.settings), this.settings.seeds);
    if (places.length === 0) return;
    membership.inquire(places[this.inquiries++ % places.length], {
      met: (node, address) => mesh.met({ node, address }),
      told: (topology) => {
        if (topology.clusterId === this.current.clusterId)
          this.register.offer(topology).catch((error: unknown) => this.parts?.fatal(error));
      },
    });
  }

  private makeLoads({ self, engine, mesh, router, replicas }: FollowingParts): SlotLoadsDesk {
    return new SlotLoadsDesk({
      self,
      topology: () => this.current,
      leaderOf: (shard) => router.leaderOf(shard),
      replica: (shard) => replicas.of(shard),
      link: (node) => mesh.links.get(node),
      nowMs: () => engine.now.monotonicMs,
      after: (delayMs, run) => {
        this.env.timers.after(delayMs, run);
      },
      wake: () => engine.wake(),
    });
  }

  private makeRebalancer(parts: FollowingParts, spread: TopologySpread, loads: SlotLoadsDesk): Rebalancer {
    const { settings, log } = this;
    const { self, mesh, router, engine, membership } = parts;
    return new Rebalancer({
      self,
      isAutomatic: settings.rebalanceAuto,
      by: settings.rebalanceBy,
      topology: () => this.current,
      links: () => mesh.links,
      leaderOf: (shard) => router.leaderOf(shard),
      propose: (proposed) => spread.propose(proposed),
      preferences: (shards) => membership.preferences(shards),
      loads,
      nowMs: () => engine.now.monotonicMs,
      wallMs: () => this.env.clock.wallMs(),
      fatal: (error) => parts.fatal(error),
      log,
    });
  }

  /** What was set aside by a repair goes once it is certain not to be needed. */
  async tendSetAside(): Promise<void> {
    const { parts } = this;
    if (parts === null || !this.hasSetAside || !parts.replicas.hasCaughtUp(this.current)) return;
    this.hasSetAside = false;
    const directory = setAsidePath(this.settings.dataDirectory);
    try {
      await this.env.disk.removeTree(directory);
      this.log.info('set-aside-removed', { directory });
    } catch (error) {
      // A leftover does no harm: it stays until somebody removes it, or the next start does.
      this.log.warn('set-aside-not-removed', { directory, reason: String(error) });
    }
  }

  get counts(): Readonly<PaxosCounts> {
    return this.spread?.counts ?? NO_COUNTS;
  }

  get boundToRecovery(): readonly NodeId[] {
    return this.spread?.agreement.bound ?? [];
  }

  async change({ request, ...proposed }: ChangeRequest): Promise<Decision> {
    if (this.spread === null) return NOT_SERVING;
    return this.requestProblem(request) ?? this.spread.decide(proposed);
  }

  async recover({ request, clusterId, on, survivors, bound }: RecoveryRequest): Promise<Decision> {
    if (this.spread === null) return NOT_SERVING;
    if (clusterId !== this.current.clusterId)
      return { kind: 'refused', reason: `it is for cluster ${clusterId}` };
    return this.requestProblem(request) ?? this.spread.recover(on, survivors, bound);
  }

  /** What was overheard does nothing: a request is for this start of this node, and taken once, be it refused. */
  private requestProblem({ id, node, start }: RequestId): Decision | null {
    const { parts, requests } = this;
    if (parts?.self !== node || parts.start !== start)
      return {
        kind: 'refused',
        reason: 'the request is for another node, or for this one before its last start',
      };
    if (requests.has(id)) return { kind: 'refused', reason: 'the request was made before' };
    requests.add(id);
    for (const oldest of requests) {
      if (requests.size <= REQUESTS_REMEMBERED) break;
      requests.delete(oldest);
    }
    return null;
  }

  private follow(parts: FollowingParts, topology: Topology): void {
    this.following = this.following.then(async () => {
      if (parts.isStopping()) return;
      try {
        await this.actOn(parts, topology);
      } catch (error) {
        parts.fatal(error);
      }
    });
  }

  private async actOn(parts: FollowingParts, topology: Topology): Promise<void> {
    const { self, mesh, traffic, gossip, wire, router, engine, replicas } = parts;
    if (!topology.nodes.some(({ id }) => id === self)) {
      parts.refuse(removedError(this.settings.dataDirectory));
      return;
    }
    const before = this.acted ?? topology;
    this.acted = topology;
    if (this.wasReplaced(replicas, before, topology)) {
      await this.file?.replaced();
      parts.refuse(replacedError(self, this.settings.replaceAfterSeconds));
      return;
    }
    gossip.follow(topology);
    mesh.setPeers(meshPeers(topology));
    traffic.follow(mesh.links, (link) => parts.makeForwarding(link));
    wire.setTopology(topology);
    router.setTopology(topology);
    engine.wake();
    await replicas.follow(topology);
    this.log.info('topology-changed', { epoch: textOf(topology) });
  }

  /** It is not told for how long it was missed: half of replace-after is long. */
  private wasReplaced({ list, kept }: NodeReplicas, before: Topology, now: Topology): boolean {
    const { placeReplicas, replaceAfterSeconds } = this.settings;
    const { parts } = this;
    if (parts === null || !placeReplicas || replaceAfterSeconds === 0 || kept.isAwaited(now)) return false;
    const awayMs = this.absence?.durationMs(parts.engine.now.monotonicMs) ?? 0;
    if (awayMs * 2 < replaceAfterSeconds * 1000) return false;
    const held = list.map(({ shard, raft }) => ({ shard, member: raft.self }));
    return isReplaced(parts.self, held, before, now);
  }
}

/** By this node, or one that is connected and says so. */
function isLed({ replicas, mesh, peers }: FollowingParts, shard: ShardId): boolean {
  if (replicas.of(shard)?.isReadable === true) return true;
  return [...mesh.links.values()].some(
    ({ node, connected }) => connected && peers.get(node)?.leads.some(([led]) => led === shard) === true,
  );
}

/** Who has to know of replicas that come and go while the node serves. */
function listenerOf({ wire, router, watch, engine }: FollowingParts): ReplicaListener {
  return {
    added: (replica) => {
      wire.add(replica);
      router.replicaChanged(replica.shard);
      watch.added(replica);
      engine.wake();
    },
    removed: (replica) => {
      wire.remove(replica);
      router.replicaChanged(replica.shard);
      watch.removed(replica);
      engine.wake();
    },
  };
}

/** Why no node can start from what the directory says. */
function problemOf(
  directory: string,
  known: ClusterFile | null,
  topology: Topology | null,
): StartupError | null {
  if (known?.hasTopology === true && topology === null)
    return new DamagedError(topologyPath(directory), 0, 'the file is missing');
  const isNamed = topology?.nodes.some(({ id }) => id === known?.node) ?? false;
  if (known?.isReturning === true && !isNamed)
    return new StartupError(
      'TORC_REPAIR_UNFINISHED',
      `the node of ${directory} was being repaired, and is not in its cluster yet: run torc repair --discard-replica again, with its settings`,
    );
  if (topology === null || isNamed) return null;
  if (known !== null) return removedError(directory);
  return new StartupError(
    'TORC_CLUSTER_FILE',
    `${directory}/${CLUSTER_FILE_NAME} is missing, which says who this node is, and a topology is there: ${HOW_TO_REBUILD}`,
  );
}

function removedError(directory: string): StartupError {
  return new StartupError(
    'TORC_REMOVED',
    `the node of ${directory} was taken out of its cluster and its members were replaced: remove the directory, ` +
      'or have a new node take its place with torc repair --discard-replica',
  );
}

/** Whoever runs the node starts it again: then it enters empty. */
function replacedError(node: NodeId, replaceAfterSeconds: number): StartupError {
  return new StartupError(
    REPLACED,
    `node ${node} was away for longer than replace-after (${replaceAfterSeconds} s), and others have its replicas now: started again, ` +
      'it keeps what it had aside and enters empty',
  );
}
