/** One life of a cluster: founded, put through faults under load, healed, and judged. */
import { createWriteStream } from 'node:fs';
import { cp, mkdir, rm } from 'node:fs/promises';
import { availableParallelism, loadavg } from 'node:os';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';

import { checkLinearizable, describeViolation } from '../linearizability/checker.ts';
import { registerModel } from '../linearizability/model.ts';
import { ioredisClient } from '../e2e/clients/libraries.ts';
import { placeClients, type Placed } from '../e2e/clients/placed.ts';
import { Recorder } from '../e2e/clients/recorder.ts';
import { surveyWritten, type Survey } from '../e2e/clients/survey.ts';
import { LateReader } from '../e2e/clients/workload.ts';
import { compareDigests } from '../e2e/cluster/digests.ts';
import { pause, TorcCluster } from '../e2e/cluster/torc-cluster.ts';
import { THIS_BUILD, TorcNode, type NodePorts } from '../e2e/cluster/torc-node.ts';
import { run } from './command-line.ts';
import { MachineWatch } from './machine-watch.ts';
import { Disk, type DiskAbilities } from './disks.ts';
import type { FaultKind } from './faults.ts';
import { Guest, idsOf } from './guest.ts';
import { judgeBetween, judgeRound, type Round, type Seen } from './judge.ts';
import type { Lab } from './lab.ts';
import { Namespaces } from './namespaces.ts';
import type { Network, NetworkKind, NetworkPlan } from './network.ts';
import type { Options } from './options.ts';
import { ProxiedNetwork } from './proxied-network.ts';

const PACE = { pauseMs: 8, maxPaddingBytes: 600 };
const LATE_READERS_PER_NODE = 6;
const SERVED_AGAIN_LIMIT_MS = 10_000;
const CHECKER_LIMITS = { timeoutMs: 120_000 };
const POLL_MS = 20;
/** Client, redirect, peer and admin ports, and those of the proxy. */
const PORT_BLOCK = 50;
/** Small files and frequent snapshots: what happens once a day elsewhere happens every few seconds. */
const SETTINGS = ['--wal-segment-bytes', '1mb', '--snapshot-after-bytes', '4mb'];

export interface EpisodePlan {
  number: number;
  network: NetworkKind;
  durationMs: number;
  abilities: DiskAbilities;
  /** The fault of each round. */
  choose: (round: number, lab: Omit<Lab, 'random'>) => { kind: FaultKind; random: Lab['random'] };
  onRound: (round: Round, seen: Seen) => void;
}

type Founded = Pick<Lab, 'cluster' | 'network' | 'guest'>;

export interface EpisodeResult {
  survey: Survey | null;
  /** How the history, the replicas and the whole were found. */
  findings: string[];
  problems: string[];
  /** Of each round that began: why it was not judged, or null. */
  unjudged: (string | null)[];
}

const CUT_SHORT = 'it was cut short';
const UNKNOWN = 'its history was not judged';

export class Episode {
  private readonly options: Options;
  private readonly plan: EpisodePlan;
  private readonly directory: string;
  private readonly problems: string[] = [];
  private readonly findings: string[] = [];
  private readonly placed: Placed[] = [];
  private readonly lateReaders: LateReader[] = [];
  private readonly rounds: Round[] = [];
  private readonly unjudged: (string | null)[] = [];
  private readonly disks: Disk[] = [];
  private readonly logs: NodeJS.WritableStream[] = [];
  private network: Network | null = null;
  private cluster: TorcCluster | null = null;
  private guest: Guest | null = null;
  private founding: Promise<Founded> | null = null;
  private closing: Promise<void> | null = null;

  constructor(options: Options, plan: EpisodePlan) {
    this.options = options;
    this.plan = plan;
    this.directory = join(options.directory, `episode-${plan.number}`);
  }

  async run(): Promise<EpisodeResult> {
    const history = await this.openHistory();
    const recorder = new Recorder((operation) => {
      if (!history.writableEnded) history.write(`${JSON.stringify(operation)}\n`);
    });
    let survey: Survey | null = null;
    try {
      this.founding = this.found();
      const { cluster, network, guest } = await this.founding;
      this.placed.push(...(await placeClients(cluster.nodes, recorder, PACE)));
      await this.addLateReaders(cluster, recorder);
      const { abilities } = this.plan;
      await this.runRounds({ cluster, network, guest, disks: this.disks, abilities }, recorder);
      await this.stopWorkers();
      this.problems.push(...judgeBetween(recorder, this.placed, this.rounds));
      survey = await this.judgeState(cluster, recorder);
    } catch (error) {
      this.problems.push(error instanceof Error ? (error.stack ?? error.message) : String(error));
    }
    await this.stopWorkers();
    const isJudged = this.judgeHistory(recorder);
    await this.close(this.options.keep || this.problems.length > 0);
    history.end();
    await finished(history);
    const unjudged = this.unjudged.map((reason) => reason ?? (isJudged ? null : UNKNOWN));
    return { survey, findings: this.findings, problems: this.problems, unjudged };
  }

  /** Ends all that runs, also in the midst of it. */
  close(keepData: boolean): Promise<void> {
    this.closing ??= this.takeDown(keepData);
    return this.closing;
  }

  private async takeDown(keepData: boolean): Promise<void> {
    // A process that waits for its disk cannot even be killed.
    for (const disk of this.disks) await disk.release();
    await this.kill();
    await this.founding?.catch(() => undefined);
    await this.stopWorkers();
    // What a fault under way has started since.
    await this.kill();
    await this.network?.close();
    this.network = null;
    for (const [place, disk] of this.disks.splice(0).entries()) {
      if (keepData) await cp(disk.directory, join(this.directory, `kept-node-${place}`), { recursive: true });
      await disk.unmount();
      await rm(disk.directory, { recursive: true });
    }
    for (const log of this.logs.splice(0)) log.end();
  }

  private async kill(): Promise<void> {
    await this.cluster?.kill();
    await this.guest?.kill();
  }

  private async openHistory(): Promise<ReturnType<typeof createWriteStream>> {
    await mkdir(this.directory, { recursive: true });
    return createWriteStream(join(this.directory, 'history.jsonl'));
  }

  private async found(): Promise<Founded> {
    const { nodes } = this.options;
    const places = Array.from({ length: nodes }, (_, place) => place);
    // The last place is the guest's.
    const plan: NetworkPlan = {
      ports: [...places, nodes].map((place) => this.portsOf(place)),
      sparePorts: [...places, nodes].map((place) => this.options.firstPort + 4 * PORT_BLOCK + place),
    };
    const network = await openNetwork(this.plan.network, plan);
    this.network = network;
    const seeds = places.map((place) => network.peerAddress(place)).join(',');
    const made: TorcNode[] = [];
    for (const place of places) made.push(await this.makeNode(place, plan.ports[place], network, seeds));
    this.cluster = TorcCluster.of(this.directory, made);
    await this.makeDisk(nodes);
    this.guest = new Guest(this.cluster, network, (visit) =>
      this.makeNodeOn(this.disks[nodes], nodes, plan.ports[nodes], network, seeds, visit),
    );
    this.cluster.start();
    await this.cluster.waitReady();
    await network.know(await idsOf(made));
    await this.cluster.waitHome();
    return { cluster: this.cluster, network, guest: this.guest };
  }

  private async makeNode(
    place: number,
    ports: NodePorts,
    network: Network,
    seeds: string,
  ): Promise<TorcNode> {
    return this.makeNodeOn(await this.makeDisk(place), place, ports, network, seeds, 0);
  }

  private async makeDisk(place: number): Promise<Disk> {
    const disk = new Disk(
      join(this.directory, `disk-${place}`),
      this.plan.abilities.kind,
      `${this.plan.number}-${place}`,
    );
    this.disks.push(disk);
    await disk.mount();
    return disk;
  }

  /** `visit`: a node that comes again is another one, with a directory of its own. */
  private makeNodeOn(
    disk: Disk,
    place: number,
    ports: NodePorts,
    network: Network,
    seeds: string,
    visit: number,
  ): TorcNode {
    const name = visit === 0 ? `node-${place}` : `guest-${visit}`;
    const own = ['--seeds', seeds, '--host', `host-${place}`, '--durability', this.options.durability];
    const settings = [...own, ...SETTINGS, ...network.settings(place)];
    const node = new TorcNode(
      name,
      ports,
      join(disk.directory, visit === 0 ? 'data' : name),
      settings,
      network.site(place),
    );
    const log = createWriteStream(join(this.directory, `${name}.log`));
    this.logs.push(log);
    node.onLine = (line) => log.write(`${line}\n`);
    return node;
  }

  private async addLateReaders(cluster: TorcCluster, recorder: Recorder): Promise<void> {
    for (const { name, site, ports } of cluster.nodes) {
      for (let count = 0; count < LATE_READERS_PER_NODE; count++) {
        const address = { host: site.host, port: ports.client };
        const client = await ioredisClient(`late-reader-${count}-of-${name}`, address);
        this.lateReaders.push(new LateReader(client, recorder));
      }
    }
  }

  private async runRounds(lab: Omit<Lab, 'random'>, recorder: Recorder): Promise<void> {
    const machine = await MachineWatch.begin(this.directory);
    try {
      await this.runEach(lab, recorder, machine);
    } finally {
      await machine.stop();
    }
  }

  private async runEach(lab: Omit<Lab, 'random'>, recorder: Recorder, machine: MachineWatch): Promise<void> {
    const endMs = performance.now() + this.plan.durationMs;
    for (let number = 0; performance.now() < endMs; number++) {
      await lab.cluster.settle();
      await Promise.all(this.placed.map(({ worker }) => worker.beginRound(number)));
      const { kind, random } = this.plan.choose(number, lab);
      this.unjudged[number] = CUT_SHORT;
      machine.takeLongestMs();
      const fromMs = performance.now();
      const { what, spared } = await kind.strike({ ...lab, random });
      const overMs = performance.now();
      await lab.cluster.settle();
      const stuck = await this.waitServed(recorder);
      const toMs = performance.now();
      const struckMs = overMs - fromMs;
      const { network } = this.plan;
      const round: Round = {
        number,
        fault: kind.name,
        network,
        what,
        spared,
        fromMs,
        struckMs,
        ...machine.takeLongestMs(),
        loadPerCore: loadavg()[0] / availableParallelism(),
        toMs,
      };
      this.rounds.push(round);
      const seen = judgeRound(recorder, this.placed, round);
      seen.problems.push(...stuck);
      this.problems.push(...seen.problems.map((problem) => `round ${number}, ${kind.name}: ${problem}`));
      this.unjudged[number] = seen.unjudged;
      this.plan.onRound(round, seen);
    }
  }

  /** Every client gets an answer again. Those that do not are returned, as problems. */
  private async waitServed(recorder: Recorder): Promise<string[]> {
    const sinceMs = performance.now();
    const names = this.placed.map(({ worker }) => worker.client.name);
    for (;;) {
      const stuck = names.filter((name) => !recorder.isAcknowledgedSince(name, sinceMs));
      if (stuck.length === 0) return [];
      if (performance.now() > sinceMs + SERVED_AGAIN_LIMIT_MS)
        return stuck.map((name) => `${name} is not served again although all nodes are well`);
      await pause(POLL_MS);
    }
  }

  private async stopWorkers(): Promise<void> {
    const workers = [...this.placed.map(({ worker }) => worker), ...this.lateReaders];
    await Promise.all(workers.map((worker) => worker.stop()));
  }

  private async judgeState(cluster: TorcCluster, recorder: Recorder): Promise<Survey> {
    const [{ site, ports }] = cluster.nodes;
    const reader = await ioredisClient('reader', { host: site.host, port: ports.client });
    const workers = this.placed.map(({ worker }) => worker);
    const survey = await surveyWritten(recorder, reader, workers);
    reader.close();
    this.problems.push(...survey.lost.map((line) => `lost: ${line}`));
    this.problems.push(...survey.repeated.map((line) => `duplicate: ${line}`));
    const shards = await compareDigests(cluster);
    const told = shards.map(({ shard, replicas, index }) => `shard ${shard}: ${replicas} at ${index}`);
    this.findings.push(`replicas equal: ${told.join('; ')}`);
    this.findings.push(await verify(`${site.host}:${ports.admin}`));
    return survey;
  }

  /** False: nothing can be said of it. */
  private judgeHistory(recorder: Recorder): boolean {
    const verdict = checkLinearizable(recorder.operations, registerModel, CHECKER_LIMITS);
    if (verdict.verdict === 'ok') this.findings.push(`linearizable: ${JSON.stringify(verdict)}`);
    else if (verdict.verdict === 'violation') this.problems.push(describeViolation(verdict));
    else this.problems.push(`the checker does not know about ${verdict.keys.join(', ')}`);
    return verdict.verdict === 'ok' ? verdict.answered > 0 : verdict.verdict === 'violation';
  }

  private portsOf(place: number): NodePorts {
    const [client, redirect, peer, admin] = [0, 1, 2, 3].map(
      (block) => this.options.firstPort + block * PORT_BLOCK + place,
    );
    return { client, redirect, peer, admin };
  }
}

export function openNetwork(kind: NetworkKind, plan: NetworkPlan): Promise<Network> {
  return kind === 'proxy' ? ProxiedNetwork.open(plan) : Namespaces.open(plan);
}

/** What `torc verify` prints; throws unless all replicas of all shards are equal. */
async function verify(address: string): Promise<string> {
  const printed = await run(process.execPath, ...THIS_BUILD, 'verify', '--address', address);
  return printed.trimEnd();
}
