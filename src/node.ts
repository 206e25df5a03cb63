/** Composes one node out of its parts, and takes it through its life: recover, found or find the cluster, serve, stop. */
import { createAdminHandler } from './admin/handler.ts';
import type { BuildInfo, StatusReport } from './admin/status.ts';
import { PubSubRegistry } from './commands/pubsub-registry.ts';
import type { RulesTable } from './commands/rules.ts';
import { RULES } from './commands/table.ts';
import type { Env, Listener } from './env/contracts.ts';
import { StartupError } from './errors.ts';
import type { Log } from './log.ts';
import { latencyHistogram, sizeHistogram } from './metrics/histogram.ts';
import { CatchingUp } from './observe/catching-up.ts';
import { readFigures, resetFigures } from './observe/figures.ts';
import { Rates, type NodeParts } from './observe/parts.ts';
import { rebalanceSource } from './observe/rebalance-report.ts';
import { isReady, readMetrics, readStartingStatus, readStatus, readyChecks } from './observe/status.ts';
import { Verification } from './observe/verification.ts';
import { watchNode, type Watch } from './observe/watch.ts';
import { downMs } from './server/absence.ts';
import { ClientPorts } from './server/client-ports.ts';
import { compiledRules } from './server/compiled-command.ts';
import { PeerForwarding, type ForwardingCounters } from './server/forwarding.ts';
import { liveSettings } from './server/live-settings.ts';
import { fitMaxclients } from './server/open-files.ts';
import { joinGossip } from './node-gossip.ts';
import { NodeReplicas } from './node-replicas.ts';
import type { NodeSurroundings } from './node-surroundings.ts';
import { finishUnderWay, handOver } from './node-stop.ts';
import { NodeTopology, type FollowingParts } from './node-topology.ts';
import type { NodeMoves } from './server/moves/node-moves.ts';
import { makeMoves } from './node-moves.ts';
import { ComposedNodeView } from './server/node-view.ts';
import { Holders } from './server/holders.ts';
import { MeshTraffic } from './server/mesh-traffic.ts';
import { News } from './server/news.ts';
import { Peers } from './server/peers.ts';
import { RaftWire } from './server/raft-wire.ts';
import { roomOf } from './server/room.ts';
import { Router, type RouterHost } from './server/router.ts';
import { ClientServer } from './server/server.ts';
import { SlowLogRing } from './server/slow-log.ts';
import { announcementOf } from './settings/derived.ts';
import { rowOf, type Settings } from './settings/rows.ts';
import { clusterScoped } from './settings/views.ts';
import { sessionId } from './shard/batch.ts';
import { Engine } from './shard/engine.ts';
import { Snapshotter } from './shard/snapshotter.ts';
import type { Waiter } from './shard/waiter.ts';
import { createSlabPool, type SlabPool } from './store/slab-pool.ts';
import { mayChange } from './topology/change-proof.ts';
import { ClusterVersion, FIRST_VERSION } from './topology/cluster-version.ts';
import type { Decision } from './topology/decision.ts';
import { openMembership, type Membership } from './topology/membership.ts';
import type { NodeId, ShardId, Topology } from './topology/types.ts';
import type { Mesh, PeerLink } from './transport/types.ts';
import { VERSION } from './version.ts';
import { logDirectory } from './wal/directory.ts';
import { openWal, type OpenedWal } from './wal/open.ts';

const FLOORS_INTERVAL_MS = 2000;
const HOUSEKEEPING_INTERVAL_MS = 1000;
/** Values and structures freed bit by bit, each tenth of a second. */
const RECLAIM_ITEMS = 2000;

type Measure =
  | 'loopDelay'
  | 'syncDuration'
  | 'batchSize'
  | 'commitDuration'
  | 'startedWallMs'
  | 'startedMonotonicMs'
  | 'rates';

type NodeWhole = 'downMs' | 'newestVersion' | 'isStopping' | 'refuse' | 'fatal';

const STARTING: Decision = { kind: 'refused', reason: 'the node starts' };

export interface RunningNode {
  readonly ready: boolean;
  /** Hands leadership over, finishes what is under way, syncs, lets go of everything. */
  stop(): Promise<void>;
  /** `run` is called, once, when the node cannot go on: it has stopped serving, and its process must end. */
  onFatal(run: (error: Error) => void): void;
}

/** Resolves once the node listens, before its cluster is founded. Rejects with StartupErrors for what a person can act on. */
export async function startNode(
  env: Env,
  settings: Settings,
  log: Log,
  surroundings: NodeSurroundings,
): Promise<RunningNode> {
  const node = new Node(env, settings, log, surroundings);
  await node.start();
  return node;
}

class Node implements RunningNode {
  private readonly env: Env;
  private readonly settings: Settings;
  private readonly log: Log;
  private readonly surroundings: NodeSurroundings;
  private readonly build: BuildInfo;
  private readonly rules: RulesTable;
  private readonly version: ClusterVersion;
  private readonly ports = new ClientPorts();
  private readonly syncDuration = latencyHistogram();
  private readonly batchSize = sizeHistogram();
  private readonly commitDuration = latencyHistogram();
  private readonly forwardingCounters: ForwardingCounters = { sent: 0, served: 0, malformed: 0 };
  private traffic: MeshTraffic | null = null;
  private admin: Listener | null = null;
  private opened: OpenedWal | null = null;
  private topology: NodeTopology | null = null;
  private membership: Membership | null = null;
  private replicas: NodeReplicas | null = null;
  private parts: NodeParts | null = null;
  private server: ClientServer | null = null;
  private engine: Engine | null = null;
  private wire: RaftWire | null = null;
  private news: News | null = null;
  private watch: Watch | null = null;
  private moves: NodeMoves | null = null;
  /** For how long no node had run in this directory. */
  private downMs = 0;
  private nextFloorsMs = 0;
  private nextHousekeepingMs = 0;
  private isStopping = false;
  private fatalError: Error | null = null;
  private fatalHandler: ((error: Error) => void) | null = null;
  private readonly startedWallMs: number;
  private readonly startedMonotonicMs: number;

  constructor(env: Env, settings: Settings, log: Log, surroundings: NodeSurroundings) {
    this.env = env;
    this.settings = settings;
    this.log = log;
    this.surroundings = surroundings;
    const { nodeVersion, rules = RULES } = surroundings;
    this.rules = rules;
    this.version = new ClusterVersion(rules, () => this.topology?.register.current?.version ?? FIRST_VERSION);
    this.build = { version: VERSION, nodeVersion, newestVersion: rules.newest };
    this.startedWallMs = env.clock.wallMs();
    this.startedMonotonicMs = env.clock.monotonicMs();
  }

  get ready(): boolean {
    return this.parts !== null && isReady(this.parts);
  }

  onFatal(run: (error: Error) => void): void {
    this.fatalHandler = run;
    if (this.fatalError !== null) run(this.fatalError);
  }

  // --- start

  async start(): Promise<void> {
    const { env, settings, log } = this;
    const host = settings.bind;
    try {
      // The ports first: one that is taken is told before anything on disk changes.
      await this.ports.listen(env.network, {
        host,
        clientPort: settings.clientPort,
        redirectPort: settings.redirectPort,
      });
      const handler = createAdminHandler(
        {
          readStatus: () => this.readStatus(),
          readyChecks: () =>
            this.parts === null
              ? [{ name: 'founded', ok: false, reason: this.waitingFor() }]
              : readyChecks(this.parts),
          readMetrics: () => readMetrics(this.founded()),
          verification: new Verification(env, {
            replica: (shard) => this.replicas?.of(shard),
            engine: () => this.engine,
            fatal: (error) => this.fatal(error),
          }),
          topology: () => this.topology?.register.current ?? null,
          mayChangeTopology: (body, proof, from) => mayChange(settings.peerSecret, body, proof, from),
          ...rebalanceSource(() => this.parts),
          changeTopology: async (asked) => (await this.topology?.change(asked)) ?? STARTING,
          recoverTopology: async (asked) => (await this.topology?.recover(asked)) ?? STARTING,
          topologyHistory: async () => (await this.topology?.register.kept()) ?? [],
        },
        this.build,
      );
      const adminAddress = { host, port: settings.adminPort, purpose: 'admin port' };
      this.admin = await env.network.listenHttp(adminAddress, (request) => this.administer(handler, request));
      const topology = await NodeTopology.open(env, settings, log, this.surroundings.onTopology);
      this.topology = topology;
      this.version.follow();
      await topology.setReplacedAside();
      this.opened = await this.openLog(topology);
      this.version.checkLog(this.opened.recovery, settings.dataDirectory);
      const { start, tornBytes, logBorn, logEnd } = this.opened.recovery;
      log.info('recovered', { start, tornBytes });
      this.downMs = downMs(this.opened.recovery.timeCeilingMs, env.clock.wallMs());
      this.membership = await openMembership(env, {
        file: await topology.begin(),
        register: topology.register,
        acceptor: topology.acceptor,
        listen: { host, port: settings.peerPort, purpose: 'peer port' },
        seeds: settings.seeds,
        replaces: settings.replace === '' ? null : settings.replace,
        past: { start, life: Math.round(this.startedWallMs), logBorn, logEnd },
        announced: announcementOf(settings),
        settings: clusterScoped(settings),
        secret: settings.peerSecret,
        versions: () => this.version.spoken,
        replicationFactor: settings.replicationFactor,
        vnodes: settings.ringVnodes,
        bulkBufferLimitBytes: settings.bulkBufferLimitBytes,
        log,
        onRefused: (error) => void this.refuse(error),
      });
      this.membership.founded
        .then((topology) => this.serve(topology))
        .catch((error: unknown) => this.refuse(error));
    } catch (error) {
      await this.letGo();
      throw error;
    }
  }

  private openLog(topology: NodeTopology): Promise<OpenedWal> {
    const { env, settings, log } = this;
    return openWal(env, {
      directory: logDirectory(settings.dataDirectory),
      durability: settings.durability,
      mustExist: topology.hasBegun,
      isOurs: (group, member) => topology.isOwnRecord(group, member),
      segmentBytes: settings.walSegmentBytes,
      promiseMs: settings.electionTimeoutMs,
      observe: (batchBytes, syncMs) => {
        this.batchSize.record(batchBytes);
        this.syncDuration.record(syncMs);
      },
      onLocked: () => {
        this.surroundings.onClaimed?.();
        fitMaxclients(settings, env.machine.openFilesMost, log);
      },
      onFailure: (error) => this.fatal(error),
    });
  }

  private administer(
    handler: ReturnType<typeof createAdminHandler>,
    request: Parameters<ReturnType<typeof createAdminHandler>>[0],
  ): ReturnType<ReturnType<typeof createAdminHandler>> {
    if (this.parts === null && request.path === '/metrics') {
      const body = 'The node is starting: there is nothing to measure yet.\n';
      return Promise.resolve({ status: 503, contentType: 'text/plain; charset=utf-8', body });
    }
    return handler(request);
  }

  /** The cluster is founded: from here on the node serves. */
  private async serve(topology: Topology): Promise<void> {
    const { env, settings, opened, membership, topology: nodeTopology } = this;
    if (opened === null || membership === null || nodeTopology === null)
      throw new TypeError('the node was not started');
    const { self } = membership;
    const { start } = opened.recovery;
    const random = (): number => env.random.uint32();

    const { engine, snapshotter } = this.makeEngine(opened, random);
    const slabs = createSlabPool(this.surroundings.slabBytes);
    const replicas = this.makeReplicas(opened, self, slabs, engine, snapshotter);
    await replicas.open(topology);
    await new Promise<void>((resolve) => engine.coverTime(env.clock.wallMs(), resolve));

    const router = this.makeRouter(topology, self, start, replicas, engine);
    const slowLog = new SlowLogRing(() => settings.slowlogMaxLen);
    const server = this.makeServer(self, router, engine, slowLog);
    this.server = server;
    const pubsub = new PubSubRegistry((session) => server.subscriptionsOf(session));
    server.onClosed = (connection) => pubsub.forget(connection);
    const traffic = new MeshTraffic(engine, this.forwardingCounters);
    this.traffic = traffic;
    const { mesh, wire, makeForwarding } = this.joinMesh(topology, engine, traffic, replicas);
    const shared = { env, settings, self, mesh, server, router };
    const moves = makeMoves({ ...shared, log: this.log, engine, replicas, topology: nodeTopology });
    this.moves = moves;
    const parts = {
      ...shared,
      start,
      get topology() {
        return nodeTopology.current;
      },
      rebalancer: () => nodeTopology.rebalancer,
      wal: opened.wal,
      replicas: replicas.list,
      peers: new Peers(env.clock),
      room: roomOf({ env, settings, replicas: replicas.list }),
      catchingUp: new CatchingUp(replicas.list),
      snapshotter,
      slabs,
      pubsub,
      slowLog,
      forwarding: this.forwardingCounters,
      mover: moves.mover,
      ...this.measured(),
      isStopping: () => this.isStopping,
      clusterVersion: () => this.version.current,
      acceptor: nodeTopology.acceptor,
      paxosCounts: () => nodeTopology.counts,
      boundToRecovery: () => nodeTopology.boundToRecovery,
    };
    const gossip = joinGossip(parts, () => engine.wake(), this.log);
    this.parts = Object.assign(parts, { gossip });
    const holders = this.makeHolders(this.parts, engine);
    const view = this.makeView(this.parts, holders, random);
    server.view = view;
    this.news = this.makeNews(this.parts, view);
    this.watch = watchNode(this.parts, this.log);
    const { watch } = this;
    const { peers } = parts;
    const following = { self, start, engine, mesh, membership, traffic, wire, router, replicas, gossip };
    const { spread, loads } = this.follow({ ...following, makeForwarding, watch, peers });
    traffic.open(wire, this.news, holders, spread, loads, moves, gossip);
    this.ports.serve(server);
    this.surroundings.onServing?.(this.parts);
    engine.wake();
    const shards = replicas.list.map((replica) => replica.shard);
    this.log.info('serving', { nodeId: self, cluster: topology.clusterId, shards, start });
  }

  private follow(parts: Omit<FollowingParts, NodeWhole>): ReturnType<NodeTopology['serve']> {
    if (this.topology === null) throw new TypeError('the node was not started');
    return this.topology.serve({
      ...parts,
      downMs: this.downMs,
      newestVersion: this.rules.newest,
      isStopping: () => this.isStopping || this.fatalError !== null,
      refuse: (error) => void this.refuse(error),
      fatal: (error) => this.fatal(error),
    });
  }

  private measured(): Pick<NodeParts, Measure> {
    const { syncDuration, batchSize, commitDuration, startedWallMs, startedMonotonicMs } = this;
    const { loopDelay } = this.surroundings;
    const rates = new Rates();
    return { loopDelay, syncDuration, batchSize, commitDuration, startedWallMs, startedMonotonicMs, rates };
  }

  private makeReplicas(
    opened: OpenedWal,
    self: NodeId,
    slabs: SlabPool,
    engine: Engine,
    snapshotter: Snapshotter,
  ): NodeReplicas {
    this.replicas = new NodeReplicas({
      env: this.env,
      settings: this.settings,
      self,
      opened,
      engine,
      snapshotter,
      slabs,
      rules: compiledRules(this.rules),
      clusterVersion: () => this.version.current,
      log: this.log,
      topology: () => this.newest,
      onCommitted: (latencyMs) => this.commitDuration.record(latencyMs),
      onReplica: (replica, recovered) => this.surroundings.onReplica?.(replica, recovered),
    });
    return this.replicas;
  }

  private get newest(): Topology {
    if (this.topology === null) throw new TypeError('the node was not started');
    return this.topology.current;
  }

  private makeEngine(opened: OpenedWal, random: () => number): { engine: Engine; snapshotter: Snapshotter } {
    const { env, settings } = this;
    const engine = new Engine(env.clock, env.timers, opened.wal, opened.recovery.timeCeilingMs, {
      send: (message) => this.wire?.send(message),
      beforeSeal: () => this.beforeSeal(),
      snapshots: (replica, ready) => snapshotter.handle(replica, ready),
      flush: () => this.flush(),
      flushPeers: () => this.parts?.mesh.flush(),
      maintain: (lateMs) => this.maintain(lateMs),
      fatal: (error) => this.fatal(error),
    });
    this.engine = engine;
    const snapshotter = new Snapshotter(
      opened.snapshots,
      opened.wal,
      env.timers,
      {
        now: engine.now,
        readClock: () => engine.readClock(),
        wake: () => engine.wake(),
        fatal: (error) => this.fatal(error),
      },
      { snapshotAfterBytes: settings.snapshotAfterBytes, logRetention: this.surroundings.logRetention },
      random,
      this.log,
    );
    return { engine, snapshotter };
  }

  private makeNews(parts: NodeParts, view: ComposedNodeView): News {
    return new News({
      room: parts.room,
      wal: parts.wal,
      self: parts.self,
      get topology() {
        return parts.topology;
      },
      replicas: parts.replicas,
      router: parts.router,
      peers: parts.peers,
      links: parts.mesh.links,
      view,
      pubsub: parts.pubsub,
      settings: this.settings,
      log: this.log,
      isReady: () => isReady(parts),
    });
  }

  private makeRouter(
    topology: Topology,
    self: NodeId,
    start: number,
    replicas: NodeReplicas,
    engine: Engine,
  ): Router {
    const { env, settings } = this;
    const host: RouterHost = {
      self,
      session: sessionId(self, start),
      now: engine.now,
      replica: (shard) => replicas.of(shard),
      forwarding: (node) => this.traffic?.to(node),
      wake: () => engine.wake(),
      wakeAfter: (delayMs) => {
        env.timers.after(delayMs, () => engine.wake());
      },
      countIndeterminate: () => {
        if (this.server !== null) this.server.statistics.indeterminate += 1;
      },
      redirectAddress: (node) => this.topology?.redirectAddress(node) ?? '',
    };
    return new Router(host, topology, {
      get parkTimeoutMs() {
        return settings.parkTimeoutMs;
      },
      get outcomeTimeoutMs() {
        return settings.outcomeTimeoutMs;
      },
      get parkLimitBytes() {
        return settings.parkBufferLimitBytes;
      },
    });
  }

  private makeServer(self: NodeId, router: Router, engine: Engine, slowLog: SlowLogRing): ClientServer {
    const { env, settings } = this;
    return new ClientServer({
      rules: this.rules,
      version: this.version.current,
      engine,
      router,
      clock: env.clock,
      log: this.log,
      random: () => env.random.uint32(),
      settings,
      slowLog,
      self,
      redirectAddress: (node) => this.topology?.redirectAddress(node) ?? '',
    });
  }

  private joinMesh(
    topology: Topology,
    engine: Engine,
    traffic: MeshTraffic,
    replicas: NodeReplicas,
  ): { mesh: Mesh; wire: RaftWire; makeForwarding: (link: PeerLink) => PeerForwarding } {
    const { membership } = this;
    if (membership === null) throw new TypeError('the node was not started');
    const mesh: Mesh = membership.joinMesh(topology, traffic);
    const wire = new RaftWire(topology, () => mesh.links);
    this.wire = wire;
    for (const replica of replicas.list) wire.add(replica);
    const host = {
      replica: (shard: ShardId) => replicas.of(shard),
      disown: (of: (waiter: Waiter) => boolean) => {
        for (const replica of replicas.list) replica.disown(of);
      },
      wake: () => engine.wake(),
      after: (delayMs: number, run: () => void) => {
        this.env.timers.after(delayMs, () => {
          run();
          engine.wake();
        });
      },
    };
    const makeForwarding = (link: PeerLink): PeerForwarding =>
      new PeerForwarding(link, host, this.forwardingCounters);
    traffic.follow(mesh.links, makeForwarding);
    for (const link of mesh.links.values()) if (link.connected) traffic.onConnected(link);
    engine.wake();
    return { mesh, wire, makeForwarding };
  }

  private makeHolders(parts: NodeParts, engine: Engine): Holders {
    return new Holders({
      nowMs: () => engine.now.monotonicMs,
      replica: (shard) => parts.replicas.find((replica) => replica.shard === shard),
      link: (node) => parts.mesh.links.get(node),
      wake: () => engine.wake(),
    });
  }

  private makeView(parts: NodeParts, holders: Holders, random: () => number): ComposedNodeView {
    const { env, settings } = this;
    const runId = Array.from({ length: 5 }, () => random().toString(16).padStart(8, '0')).join('');
    return new ComposedNodeView({
      self: parts.self,
      runId,
      start: parts.start,
      version: VERSION,
      clock: env.clock,
      timers: env.timers,
      holders,
      get topology() {
        return parts.topology;
      },
      server: parts.server,
      router: parts.router,
      peers: parts.peers,
      links: parts.mesh.links,
      replicas: parts.replicas,
      slowLog: parts.slowLog,
      pubsub: parts.pubsub,
      settings: liveSettings(settings, env.machine, (keys) => {
        parts.server.settingsChanged();
        this.log.info('settings-changed', { settings: keys.map((key) => rowOf(key).name) });
      }),
      isPassword: (given) => this.surroundings.sameSecret(given, settings.requirepass),
      isReady: () => isReady(parts),
      figures: (port) => readFigures(parts, port),
      resetStatistics: () => resetFigures(parts),
    });
  }

  // --- the turn

  private beforeSeal(): void {
    const { parts } = this;
    if (parts === null) return;
    parts.router.follow();
    this.moves?.turn();
    parts.server.resumeHeld();
    this.traffic?.serveDelayed();
    for (const replica of parts.replicas) {
      if (replica.machine.reclaim(RECLAIM_ITEMS)) this.engine?.wake();
    }
    if (this.engine !== null) this.news?.tell(this.engine.now);
    if (this.engine !== null && this.replicas?.tend(this.engine.now.monotonicMs) === true) this.engine.wake();
    this.watch?.lookAtLeaders();
  }

  private flush(): void {
    this.traffic?.pump();
    this.parts?.mesh.flush();
    this.parts?.server.flush();
  }

  private maintain(lateMs: number): void {
    const { parts, engine } = this;
    if (parts === null || engine === null) return;
    const nowMs = engine.now.monotonicMs;
    this.followVersion(parts);
    parts.router.expire();
    this.topology?.maintain();
    this.watch?.look();
    parts.gossip.look(lateMs);
    this.moves?.cameLate(lateMs);
    if (nowMs >= this.nextFloorsMs) {
      this.nextFloorsMs = nowMs + FLOORS_INTERVAL_MS;
      parts.router.tellFloors();
    }
    if (nowMs < this.nextHousekeepingMs) return;
    this.nextHousekeepingMs = nowMs + HOUSEKEEPING_INTERVAL_MS;
    parts.snapshotter.maintain();
    void this.topology?.tendSetAside();
    parts.server.closeIdle();
    this.news?.setPolicies();
    this.news?.watchReadiness();
    parts.gossip.announce();
    const { statistics } = parts.server;
    parts.rates.sample(nowMs, statistics.commandsProcessed, statistics.inputBytes, statistics.outputBytes);
  }

  private followVersion({ server }: NodeParts): void {
    try {
      if (!this.version.follow()) return;
      server.offer(this.version.current);
      this.log.info('cluster-version-raised', { version: this.version.current });
    } catch (error) {
      void this.refuse(error);
    }
  }

  // --- told before it is founded

  private founded(): NodeParts {
    if (this.parts === null) throw new StartupError('TORC_NOT_FOUNDED', 'the node does not serve yet');
    return this.parts;
  }

  private waitingFor(): string {
    return this.membership?.waitingFor() ?? 'the log is being read';
  }

  private readStatus(): StatusReport {
    const { build, parts, startedMonotonicMs } = this;
    if (parts !== null) return readStatus(parts, build);
    return readStartingStatus({
      env: this.env,
      settings: this.settings,
      build,
      node: this.membership?.self ?? null,
      reason: this.waitingFor(),
      start: this.opened?.recovery.start ?? 0,
      startedMonotonicMs,
    });
  }

  // --- stop

  async stop(): Promise<void> {
    if (this.isStopping) return;
    this.isStopping = true;
    const { parts, engine } = this;
    if (parts !== null && engine !== null) {
      this.news?.soon();
      parts.gossip.leave();
      await handOver(parts, engine);
      await this.ports.close();
      await finishUnderWay(parts, engine);
      await parts.snapshotter.stop();
    }
    await this.letGo();
  }

  private async letGo(): Promise<void> {
    const { parts, engine, opened } = this;
    const timeMs = Math.max(
      opened?.recovery.timeCeilingMs ?? 0,
      ...(parts?.replicas ?? []).map((replica) => replica.time.highestMs()),
    );
    engine?.stop();
    parts?.server.closeAll();
    await parts?.mesh.close();
    await this.ports.close();
    await this.membership?.close();
    await this.admin?.close();
    this.surroundings.loopDelay.stop();
    if (this.fatalError === null)
      await opened?.wal.close(parts === null ? opened.recovery.timeCeilingMs : timeMs);
  }

  /** A node that its cluster will not have, or that cannot serve, leaves its directory as after a stop in good order. */
  private async refuse(cause: unknown): Promise<void> {
    if (cause instanceof StartupError && !this.isStopping) {
      this.isStopping = true;
      try {
        await this.parts?.snapshotter.stop();
        await this.letGo();
      } catch (error) {
        // The disk has failed meanwhile: the directory is not in order, and that is what has to be seen to first.
        this.fatal(error);
      }
    }
    this.fatal(cause);
  }

  private fatal(cause: unknown): void {
    if (this.fatalError !== null) return;
    const error = cause instanceof Error ? cause : new Error(String(cause));
    this.fatalError = error;
    this.traffic?.close();
    this.engine?.stop();
    this.parts?.server.closeAll();
    this.fatalHandler?.(error);
  }
}
