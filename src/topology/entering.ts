/** How a node comes to its cluster: it is of one already, is founded with its seeds, or is taken in by a cluster that is there. */
import type { Env } from '../env/contracts.ts';
import type { StartupError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { PeerPort } from '../transport/peer-port.ts';
import type { AcceptorFile } from './acceptor-file.ts';
import type { ClusterFile } from './cluster-file.ts';
import { Founder } from './founding-driver.ts';
import { seedAddress, type ClusterRecord, type SeedAddress } from './founding.ts';
import { Joiner } from './joiner.ts';
import type { TopologyRegister } from './register.ts';
import type { Announcement, Topology } from './types.ts';

/** The ordinal of a node that has founded alone. */
const FIRST_ALONE = 1;

export interface EnteringOptions {
  port: PeerPort;
  file: ClusterFile;
  register: TopologyRegister;
  acceptor: AcceptorFile;
  seeds: readonly SeedAddress[];
  /** The dead node whose place this one is to take; null: a place of its own. */
  replaces: string | null;
  announced: Announcement;
  /** The first topology of a cluster that was founded with this node. */
  firstTopology: (cluster: ClusterRecord) => Topology;
  log: Log;
  /** For whom or what it waits, in words. */
  onWaiting: (why: string) => void;
  onRefused: (error: StartupError) => void;
}

export class Entering {
  /** Resolves once this node is of its cluster and has the topology of it; rejects when it can never be. */
  readonly entered: Promise<void>;
  private readonly options: EnteringOptions;
  private readonly founder: Founder | null;
  private readonly joiner: Joiner | null;
  /** What a cluster says goes before what the seeds wait for. */
  private joinsBecause = '';

  constructor(env: Pick<Env, 'clock' | 'timers' | 'random'>, options: EnteringOptions) {
    this.options = options;
    const { file, port, register, replaces, announced, log } = options;
    const self = seedAddress(announced);
    const isNew = file.state.phase === 'unfounded';
    // It was taken in, and its process ended before it had noted so.
    const isNamed = register.current?.nodes.some(({ id }) => id === file.node) === true;
    const mayFound = options.seeds.includes(self) && replaces === null;
    const seeds = options.seeds.filter((seed) => seed !== self);
    this.joiner =
      isNew && !isNamed && seeds.length > 0
        ? new Joiner(env, {
            port,
            node: file.node,
            seeds,
            replaces,
            onWaiting: (why) => this.waits(why),
            onUnreachable: (address, reason) => log.warn('peer-unreachable', { address, reason }),
          })
        : null;
    this.founder =
      !isNew || (mayFound && !isNamed)
        ? new Founder(env, {
            ...options,
            hadOthers: (register.current?.nextOrdinal ?? 0) > FIRST_ALONE + 1,
            onWaiting: (why) => this.founderWaits(why),
          })
        : null;
    if (this.founder === null && this.joiner !== null) {
      const why = `waiting for ${seeds.join(' or ')} to take this node in`;
      log.info('founding-waits', { why });
      options.onWaiting(why);
    }
    this.entered = this.enter(isNew && isNamed ? register.current : null);
  }

  close(): void {
    this.founder?.close();
    this.joiner?.close();
  }

  private async enter(found: Topology | null): Promise<void> {
    const { register, file, acceptor } = this.options;
    if (found !== null) return this.keep(found);
    const ways: Promise<Topology | ClusterRecord>[] = [];
    if (this.founder !== null) ways.push(this.founder.founded);
    if (this.joiner !== null) ways.push(this.joinedWhenFree(this.joiner));
    const way = await Promise.race(ways);
    this.joiner?.close();
    if ('epoch' in way) return this.keep(way);
    if (register.current === null && way.first !== undefined) await register.offer(way.first);
    if (acceptor.isMissing) await acceptor.save(file.node, null);
    await file.topologyStored();
  }

  /** Never settles when this node has promised to be of another cluster: that one is founded. */
  private async joinedWhenFree(joiner: Joiner): Promise<Topology> {
    const topology = await joiner.taken;
    if (this.founder === null || this.founder.withdraw()) return topology;
    return new Promise(() => {});
  }

  /** The topology first: without it no node may be of a cluster. */
  private async keep(topology: Topology): Promise<void> {
    const { register, file, acceptor, log } = this.options;
    const { clusterId: id, nodes } = topology;
    await register.offer(topology);
    if (acceptor.isMissing) await acceptor.save(file.node, null);
    await file.save({ phase: 'founded', node: file.node, cluster: { id, nodes }, hasTopology: true });
    log.info('cluster-joined', { cluster: id, nodes: nodes.map(seedAddress) });
  }

  private waits(why: string): void {
    if (why === this.joinsBecause) return;
    this.joinsBecause = why;
    this.options.log.info('founding-waits', { why });
    this.options.onWaiting(why);
  }

  private founderWaits(why: string): void {
    if (this.joinsBecause === '') this.options.onWaiting(why);
  }
}
