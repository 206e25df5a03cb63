/**
 * `npm run chaos -- --minutes 30 --nodes 3`: real processes under faults. The minutes are divided into episodes, each the life of a cluster on one of the
 * networks that this machine allows. Exit code 1 on any loss, duplicate, violation, broken promise or verdict of unknown.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';

import { SeededRandom } from '../../src/env/sim/random.ts';
import { probeDisks, type DiskAbilities } from './disks.ts';
import { Episode, openNetwork, type EpisodeResult } from './episode.ts';
import { FAULT_KINDS, type FaultKind } from './faults.ts';
import type { Gap, Round, Seen } from './judge.ts';
import type { Lab } from './lab.ts';
import type { NetworkKind } from './network.ts';
import { commandAgain, readOptions, type Options } from './options.ts';
import { Tally } from './tally.ts';
import { errorTable, gapTable, roundLine, seconds } from './report.ts';

const LONGEST_EPISODE_MINUTES = 3;
const EPISODE_SALT = 1000;

class Run {
  private readonly options: Options;
  private readonly startMs = performance.now();
  private readonly gaps: Gap[] = [];
  private readonly errors = new Map<string, Map<string, number>>();
  private readonly problems: string[] = [];
  private readonly struck = new Map<string, number>();
  private readonly tally = new Tally();
  private readonly totals = { values: 0, increments: 0, tokens: 0, lost: 0, repeated: 0 };
  private stalledMs = 0;
  private diskStalledMs = 0;
  private isAbandoned = false;
  private episode: Episode | null = null;

  constructor(options: Options) {
    this.options = options;
  }

  async all(): Promise<boolean> {
    const { options } = this;
    await mkdir(options.directory, { recursive: true });
    console.log(`seed ${options.seed}; again: ${commandAgain(options)}`);
    console.log(`histories and logs: ${options.directory}`);
    const abilities = await this.probe();
    const networks = await this.probeNetworks();
    const count = Math.max(networks.length, Math.ceil(options.minutes / LONGEST_EPISODE_MINUTES));
    for (let number = 0; number < count && !this.isAbandoned; number++) {
      const network = networks[number % networks.length];
      console.log(`\nepisode ${number}, ${network}, ${options.nodes} nodes, ${options.durability}`);
      const durationMs = (options.minutes * 60_000) / count;
      this.note(await this.live({ number, network, durationMs, abilities }), number);
    }
    this.report();
    return this.problems.length === 0;
  }

  /** The harness itself is asked to stop. */
  async abandon(): Promise<void> {
    this.isAbandoned = true;
    await this.episode?.close(false);
  }

  private async probe(): Promise<DiskAbilities> {
    const abilities = await probeDisks(join(this.options.directory, 'probe'));
    console.log(`disks: ${abilities.kind}`);
    for (const reason of abilities.lacks) console.log(`disks: not allowed here: ${reason}`);
    return abilities;
  }

  private async probeNetworks(): Promise<NetworkKind[]> {
    const allowed: NetworkKind[] = [];
    const { networks, firstPort } = this.options;
    const places = [0, 1];
    const ports = places.map((place) => {
      return { client: firstPort, redirect: firstPort, admin: firstPort, peer: firstPort + place };
    });
    for (const kind of networks) {
      try {
        const network = await openNetwork(kind, {
          ports,
          sparePorts: places.map((at) => firstPort + 2 + at),
        });
        await network.close();
        allowed.push(kind);
      } catch (error) {
        console.log(`network: ${kind} not allowed here: ${(error as Error).message}`);
      }
    }
    if (allowed.length === 0) throw new Error('no network is left');
    console.log(`networks: ${allowed.join(', ')}`);
    return allowed;
  }

  private async live(
    plan: Pick<ConstructorParameters<typeof Episode>[1], 'number' | 'network' | 'durationMs' | 'abilities'>,
  ): Promise<EpisodeResult> {
    const random = new SeededRandom(this.options.seed + plan.number * EPISODE_SALT);
    this.episode = new Episode(this.options, {
      ...plan,
      choose: (_, lab) => ({
        kind: this.choose(plan.network, random, lab),
        random: new SeededRandom(random.uint32()),
      }),
      onRound: (round, seen) => this.noteRound(round, seen),
    });
    return this.episode.run();
  }

  /** One of those that have struck least on this network. */
  private choose(network: NetworkKind, random: SeededRandom, lab: Omit<Lab, 'random'>): FaultKind {
    const { faults } = this.options;
    const wanted = FAULT_KINDS.filter(({ name }) => faults.length === 0 || faults.includes(name));
    const able = wanted.filter((kind) => kind.missing({ ...lab, random }) === null);
    if (able.length === 0) throw new Error(`none of the faults ${faults.join(', ')} can strike here`);
    const countOf = ({ name }: FaultKind): number => this.struck.get(`${network} ${name}`) ?? 0;
    const least = Math.min(...able.map(countOf));
    const rarest = able.filter((kind) => countOf(kind) === least);
    const chosen = rarest[random.below(rarest.length)];
    this.struck.set(`${network} ${chosen.name}`, least + 1);
    for (const kind of wanted) {
      const reason = kind.missing({ ...lab, random });
      if (reason !== null && !this.struck.has(`${network} ${kind.name}`)) {
        this.struck.set(`${network} ${kind.name}`, 0);
        console.log(`skipped on ${network}: ${kind.name}: ${reason}`);
      }
    }
    return chosen;
  }

  private noteRound(round: Round, seen: Seen): void {
    console.log(roundLine(this.startMs, round, seen));
    this.stalledMs = Math.max(this.stalledMs, round.stalledMs);
    this.diskStalledMs = Math.max(this.diskStalledMs, round.diskStalledMs);
    this.gaps.push(...seen.gaps);
    const codes = this.errors.get(round.fault) ?? new Map<string, number>();
    this.errors.set(round.fault, codes);
    for (const [code, count] of seen.errors) codes.set(code, (codes.get(code) ?? 0) + count);
  }

  private note({ survey, findings, problems, unjudged }: EpisodeResult, number: number): void {
    for (const finding of findings) console.log(finding);
    for (const problem of problems) console.log(`PROBLEM: ${problem}`);
    this.problems.push(...problems.map((problem) => `episode ${number}: ${problem}`));
    for (const reason of unjudged) this.tally.note(reason);
    if (survey === null) return;
    this.totals.values += survey.values;
    this.totals.increments += survey.increments;
    this.totals.tokens += survey.tokens;
    this.totals.lost += survey.lost.length;
    this.totals.repeated += survey.repeated.length;
  }

  private report(): void {
    const { values, increments, tokens, lost, repeated } = this.totals;
    const tooFew = this.tally.problem();
    if (tooFew !== null) this.problems.push(tooFew);
    console.log(`\n${gapTable(this.gaps)}\n\n${errorTable(this.errors)}\n`);
    console.log(`acknowledged: ${values} values, ${increments} increments, ${tokens} appended tokens`);
    console.log(this.tally.line());
    console.log(`acknowledged writes lost: ${lost}\nduplicates: ${repeated}`);
    console.log(
      `the harness itself stood still for at most ${this.stalledMs.toFixed()} ms, which gaps include, and a synced write for ${this.diskStalledMs.toFixed()} ms`,
    );
    console.log(`took ${seconds(performance.now() - this.startMs)}`);
    const { directory } = this.options;
    if (this.problems.length > 0) {
      console.log(`\n${this.problems.length} problems; data, logs and histories are in ${directory}`);
      for (const problem of this.problems.slice(0, 20)) console.log(`  ${problem}`);
    }
    console.log(`again: ${commandAgain(this.options)}`);
    console.log(this.problems.length === 0 ? 'verdict: all promises held' : 'verdict: FAILED');
  }
}

async function main(): Promise<void> {
  const options = readOptions(process.argv.slice(2));
  const run = new Run(options);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      void run.abandon().finally(() => process.exit(1));
    });
  }
  const isWell = await run.all();
  process.exit(isWell ? 0 : 1);
}

await main();
