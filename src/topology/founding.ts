import { assert } from '../assert.ts';
import type { Announcement, ClusterId, NodeEntry, NodeId, Topology } from './types.ts';

/** `host:peerPort` as announced: how a seed list names a node. */
export type SeedAddress = string;

/** What was agreed, or is proposed: who the cluster consists of. */
export interface ClusterRecord {
  id: ClusterId;
  nodes: readonly NodeEntry[];
  /** Epoch 1: what all have promised and accepted. Absent where a repair has made the record of what came later. */
  first?: Topology | undefined;
}

/** What a node has on disk about its founding. Each phase is synced before anybody is told of it. */
export type FoundingState =
  | { phase: 'unfounded'; node: NodeId }
  /** It will be this cluster or none. */
  | { phase: 'prepared'; node: NodeId; cluster: ClusterRecord }
  /**
   * Returning: it has taken the place of a node that lost its disk, and has not begun a log yet. Has a topology: one was synced beside this; a
   * directory without it has lost it. Replaced: its members were, while it was away; what it holds of them is to be set aside before it starts.
   */
  | {
      phase: 'founded';
      node: NodeId;
      cluster: ClusterRecord;
      isReturning?: boolean | undefined;
      hasTopology?: boolean | undefined;
      wasReplaced?: boolean | undefined;
    };

/** The one message of the founding: the sender's synced state, as often as wanted. */
export interface FoundingMessage {
  seeds: readonly SeedAddress[];
  state: FoundingState;
}

/** Who sent a message, as the handshake proved. */
export interface FoundingSender {
  announced: Announcement;
}

export type FoundingEffect =
  /** Sync this, then call `written`. Nothing else is asked to be written meanwhile. */
  | { kind: 'write'; state: FoundingState }
  | { kind: 'send'; to: SeedAddress; message: FoundingMessage }
  | { kind: 'founded'; cluster: ClusterRecord }
  /** This node can never serve here as it is: it stops, and says so. */
  | { kind: 'refused'; reason: string }
  /** The other one cannot be agreed with as it is; this node waits on. */
  | { kind: 'disagree'; reason: string };

export interface FoundingConfig {
  /** As the operator gave them; the order does not matter. */
  seeds: readonly SeedAddress[];
  announced: Announcement;
  /** Draws a cluster id; called when this node proposes. */
  drawClusterId: () => ClusterId;
  /** Epoch 1 of such a cluster. */
  firstTopology: (cluster: ClusterRecord) => Topology;
}

type Heard = { announced: Announcement; state: FoundingState };

/**
 * Founds the cluster once (histories.md 1): the first seed in sorted order proposes, as soon as all seeds are there and unfounded, a
 * random cluster id with the ids of all nodes, each seed prepares it, and when all have, the first one founds and tells them. Since an
 * id is drawn once per disk, a node that lost its disk is another one, and a founding that counted on the old one never completes
 * with the new one. Pure: what goes in are synced states of others, what comes out are effects.
 */
export class Founding {
  readonly self: SeedAddress;
  private readonly config: FoundingConfig;
  private readonly seeds: readonly SeedAddress[];
  private readonly heard = new Map<SeedAddress, Heard>();
  private current: FoundingState;
  private writing: FoundingState | null = null;
  /** One of its own cluster was met since this start, or none is to be expected: the data directory is the right one. */
  private isAmongItsOwn: boolean;
  private effects: FoundingEffect[] = [];

  constructor(config: FoundingConfig, restored: FoundingState) {
    this.config = config;
    this.seeds = [...new Set(config.seeds)].sort();
    this.self = seedAddress(config.announced);
    this.current = restored;
    this.isAmongItsOwn = restored.phase !== 'founded' || this.seeds.length < 2;
    if (restored.phase === 'founded') this.effects.push({ kind: 'founded', cluster: restored.cluster });
  }

  /** Nothing is left to be asked of the others. */
  get settled(): boolean {
    return this.current.phase === 'founded' && this.isAmongItsOwn;
  }

  /** Nothing was promised to anybody yet: this node may as well be of another cluster. */
  get isFree(): boolean {
    return this.current.phase === 'unfounded' && this.writing === null;
  }

  /** What is on disk. */
  get state(): FoundingState {
    return this.current;
  }

  takeEffects(): FoundingEffect[] {
    const taken = this.effects;
    this.effects = [];
    return taken;
  }

  /** Called now and then: says again what may have been lost, until this node is founded. */
  tick(): void {
    this.advance();
    if (this.current.phase !== 'founded') this.tellAll();
  }

  /** The state of the last `write` effect is durable. */
  written(): void {
    assert(this.writing !== null, 'a founding write was under way');
    this.current = this.writing;
    this.writing = null;
    if (this.current.phase === 'founded')
      this.effects.push({ kind: 'founded', cluster: this.current.cluster });
    this.tellAll();
    this.advance();
  }

  receive(sender: FoundingSender, message: FoundingMessage): void {
    const from = seedAddress(sender.announced);
    this.judge(from, message);
    this.remember(from, { announced: sender.announced, state: message.state }, message.seeds);
    if (this.current.phase === 'founded') {
      if (message.state.phase !== 'founded') this.tell(from);
      this.judgeOwnPlace(this.current.cluster.id);
      return;
    }
    this.advance();
  }

  /** For whom or what this node waits, in words; empty once it is founded. */
  waiting(): string {
    if (this.current.phase === 'founded') return '';
    const others = this.seeds.filter((seed) => seed !== this.self);
    const absent = others.filter((seed) => !this.heard.has(seed));
    if (absent.length > 0) return `waiting for ${absent.join(', ')} to found the cluster`;
    if (this.self !== this.seeds[0]) return `waiting for ${this.seeds[0]} to found the cluster`;
    if (others.length === 0) return 'waiting for the disk to found the cluster';
    const behind = others.filter((seed) => this.heard.get(seed)?.state.phase === 'unfounded');
    return this.current.phase === 'prepared' && behind.length > 0
      ? `waiting for ${behind.join(', ')} to prepare the founding`
      : `waiting for ${others.join(', ')} to agree on the founding`;
  }

  /** The one step that may be taken now, if any. */
  private advance(): void {
    if (this.writing !== null || this.current.phase === 'founded') return;
    const next = this.foundedElsewhere() ?? (this.self === this.seeds[0] ? this.lead() : this.follow());
    if (next === null) return;
    this.writing = next;
    this.effects.push({ kind: 'write', state: next });
  }

  /** Somebody has founded, and counts on this very node. */
  private foundedElsewhere(): FoundingState | null {
    for (const { state } of this.heard.values()) {
      if (state.phase === 'founded' && this.mayJoin(state.cluster)) {
        return { phase: 'founded', node: this.current.node, cluster: state.cluster };
      }
    }
    return null;
  }

  private lead(): FoundingState | null {
    const { current } = this;
    if (current.phase === 'unfounded') {
      const nodes = this.unfoundedNodes();
      if (nodes === null) return null;
      const cluster = { id: this.config.drawClusterId(), nodes };
      return {
        phase: 'prepared',
        node: current.node,
        cluster: { ...cluster, first: this.config.firstTopology(cluster) },
      };
    }
    if (current.phase !== 'prepared') return null;
    const { cluster } = current;
    const allPrepared = cluster.nodes.every((entry) => this.hasPrepared(entry, cluster.id));
    return allPrepared ? { phase: 'founded', node: current.node, cluster } : null;
  }

  private follow(): FoundingState | null {
    if (this.current.phase !== 'unfounded') return null;
    const first = this.heard.get(this.seeds[0])?.state;
    if (first?.phase !== 'prepared' || !this.mayJoin(first.cluster)) return null;
    return { phase: 'prepared', node: this.current.node, cluster: first.cluster };
  }

  /** The rows of all seeds, when all are there, unfounded, and different nodes. */
  private unfoundedNodes(): NodeEntry[] | null {
    const nodes: NodeEntry[] = [];
    for (const seed of this.seeds) {
      const own = { announced: this.config.announced, state: this.current };
      const found = seed === this.self ? own : this.heard.get(seed);
      if (found?.state.phase !== 'unfounded') return null;
      nodes.push({ id: found.state.node, ordinal: nodes.length + 1, ...found.announced });
    }
    return new Set(nodes.map(({ id }) => id)).size === nodes.length ? nodes : null;
  }

  private hasPrepared(entry: NodeEntry, cluster: ClusterId): boolean {
    if (entry.id === this.current.node) return true;
    const state = this.heard.get(seedAddress(entry))?.state;
    return state !== undefined && state.node === entry.id && clusterOf(state)?.id === cluster;
  }

  /** Its id is in the list, and it has prepared no other cluster. */
  private mayJoin(cluster: ClusterRecord): boolean {
    const own = clusterOf(this.current);
    return (
      (own === null || own.id === cluster.id) && cluster.nodes.some(({ id }) => id === this.current.node)
    );
  }

  /**
   * States of one node only go forward; an older one that was delayed is dropped. Seeds with another list are not agreed with, but one
   * that has been founded is believed whatever its list says now.
   */
  private remember(from: SeedAddress, heard: Heard, seeds: readonly SeedAddress[]): void {
    if (heard.state.phase === 'unfounded' && !sameSeeds(this.seeds, seeds)) return;
    const known = this.heard.get(from)?.state;
    const older = known?.node === heard.state.node && rankOf(heard.state) < rankOf(known);
    if (!older) this.heard.set(from, heard);
  }

  /** Tells what cannot come to an agreement, and what to do about it. */
  private judge(from: SeedAddress, message: FoundingMessage): void {
    const theirs = clusterOf(message.state);
    const ours = clusterOf(this.current);
    if (theirs !== null && ours === null) this.judgeCluster(from, theirs, message.state.phase);
    else if (theirs === null && ours !== null) this.judgeStranger(from, message.state.node, ours);
    else if (theirs !== null && ours !== null && theirs.id !== ours.id) {
      this.judgeOtherCluster(from, theirs.id, ours.id, message.state.phase);
    } else if (ours === null && !sameSeeds(this.seeds, message.seeds)) {
      const lists = `${this.seeds.join(',')} here, ${[...message.seeds].sort().join(',')} at ${from}`;
      this.disagree(`the seeds must be the same on all nodes: ${lists}`);
    }
  }

  /** This node is unfounded; the other is not. */
  private judgeCluster(from: SeedAddress, cluster: ClusterRecord, phase: FoundingState['phase']): void {
    if (cluster.nodes.some(({ id }) => id === this.current.node)) return;
    const place = cluster.nodes.find((entry) => seedAddress(entry) === this.self);
    // It asks to be taken in once they have founded (joiner.ts). Then the place may be free: those who know the topology say whose it is.
    if (place === undefined || phase === 'founded') return;
    this.refuse(
      `the data directory is empty, but ${from} is founding cluster ${cluster.id} with node ${place.id} at ` +
        `${this.self}: bring its data directory back, or, unless one of the seeds was ever founded, empty those of all seeds`,
    );
  }

  /** The other is unfounded; this node is not. */
  private judgeStranger(from: SeedAddress, node: NodeId, cluster: ClusterRecord): void {
    if (this.current.phase === 'founded' || cluster.nodes.some(({ id }) => id === node)) return;
    const place = cluster.nodes.find((entry) => seedAddress(entry) === from);
    if (place === undefined) return;
    const why = `its place was node ${place.id}'s, and it is never taken for its old self: rebuild it with torc repair --discard-replica`;
    this.disagree(`node ${node} at ${from} has an empty data directory and is refused: ${why}`);
  }

  private judgeOtherCluster(
    from: SeedAddress,
    theirs: ClusterId,
    ours: ClusterId,
    phase: FoundingState['phase'],
  ): void {
    const reason = `the data directory is of cluster ${ours}, but ${from} belongs to cluster ${theirs}`;
    if (this.current.phase === 'prepared' && phase === 'founded') this.refuse(reason);
    else this.disagree(reason);
  }

  /**
   * Founded before this start, and met none of its own since: when most of the others are founded in another cluster, it is this node's
   * data directory that does not belong here. (With fewer nobody can tell whose is wrong, and it waits for its own.)
   */
  private judgeOwnPlace(ours: ClusterId): void {
    if (this.isAmongItsOwn) return;
    const others = this.seeds.filter((seed) => seed !== this.self);
    const foundedIn = (seed: SeedAddress): ClusterId | null => {
      const state = this.heard.get(seed)?.state;
      return state?.phase === 'founded' ? state.cluster.id : null;
    };
    this.isAmongItsOwn = others.some((seed) => foundedIn(seed) === ours);
    for (const theirs of new Set(others.map(foundedIn))) {
      const there = others.filter((seed) => foundedIn(seed) === theirs);
      if (this.isAmongItsOwn || theirs === null || there.length * 2 <= others.length) continue;
      this.refuse(
        `the data directory is of cluster ${ours}, but ${there.join(' and ')} belong to cluster ${theirs}: ` +
          'give this node the data directory of its place there; this one is unharmed',
      );
      return;
    }
  }

  private refuse(reason: string): void {
    this.effects.push({ kind: 'refused', reason });
  }

  private disagree(reason: string): void {
    this.effects.push({ kind: 'disagree', reason });
  }

  private tellAll(): void {
    for (const seed of this.seeds) if (seed !== this.self) this.tell(seed);
  }

  private tell(to: SeedAddress): void {
    this.effects.push({ kind: 'send', to, message: { seeds: this.seeds, state: this.current } });
  }
}

export function seedAddress(announced: Pick<Announcement, 'host' | 'peerPort'>): SeedAddress {
  return `${announced.host}:${announced.peerPort}`;
}

export function clusterOf(state: FoundingState): ClusterRecord | null {
  return state.phase === 'unfounded' ? null : state.cluster;
}

function rankOf(state: FoundingState): number {
  return ['unfounded', 'prepared', 'founded'].indexOf(state.phase);
}

/** `ours` is sorted and without repetition. */
function sameSeeds(ours: readonly SeedAddress[], theirs: readonly SeedAddress[]): boolean {
  const sorted = [...new Set(theirs)].sort();
  return ours.length === sorted.length && ours.every((seed, i) => seed === sorted[i]);
}
